"""A scripted name server: answers A queries over UDP on loopback as a test says."""

from __future__ import annotations

import random
import socket
import struct
import threading


class NameServer:
    """`addresses` maps names to IPv4 addresses; others do not exist. While `silent`, nothing is answered.

    resolv.conf names no ports, so it listens on port 53, of a loopback address of its own (PermissionError if it may not).
    """

    def __init__(self, ttl: int = 1):
        self.addresses: dict[str, str] = {}
        self.ttl = ttl
        self.silent = False
        self.queries: list[str] = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.address = f"127.{random.randint(16, 250)}.{random.randint(0, 255)}.{random.randint(2, 250)}"
        self.socket.bind((self.address, 53))
        self._closing = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def line(self) -> str:
        return f"nameserver {self.address}\n"

    def close(self):
        # Woken first: closed under its thread, the descriptor would soon be somebody else's.
        self._closing = True
        self.socket.sendto(b"", self.socket.getsockname())
        self._thread.join()
        self.socket.close()

    def _serve(self):
        while True:
            data, client = self.socket.recvfrom(4096)
            if self._closing:
                return
            labels, at = [], 12
            while data[at]:
                labels.append(data[at + 1 : at + 1 + data[at]].decode())
                at += 1 + data[at]
            name, (kind,) = ".".join(labels), struct.unpack("!H", data[at + 1 : at + 3])
            self.queries.append(name)
            if self.silent:
                continue
            question = data[12 : at + 5]
            found = self.addresses.get(name)
            answers = b""
            if found and kind == 1:
                answers = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, self.ttl, 4) + socket.inet_aton(found)
            flags = 0x8180 if found else 0x8183
            head = data[:2] + struct.pack("!HHHHH", flags, 1, 1 if answers else 0, 0, 0)
            self.socket.sendto(head + question + answers, client)
