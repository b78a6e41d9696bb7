"""Requests one after another on some connections, each with an id of its own, while a test does something to the gateway."""

from __future__ import annotations

import threading

from .client import Connection, Truncated
from .gateway import wait_until


class Load(threading.Thread):
    """Requests on one connection after another, until it is told to stop; knows each id that was answered."""

    def __init__(self, site, name):
        super().__init__(daemon=True)
        self.site, self.name_of_ids = site, f"{site.name}-{name}"
        self.sent, self.answered, self.refused = [], [], 0
        self.over = threading.Event()
        self.start()

    def run(self):
        while not self.over.is_set():
            try:
                with Connection(self.site.gateway.port, timeout=30) as connection:
                    while not self.over.is_set():
                        self.ask(connection)
            except (OSError, Truncated):
                self.over.wait(0.02)  # the gateway is gone, or says no for now

    def ask(self, connection):
        request_id = f"{self.name_of_ids}-{len(self.sent)}"
        self.sent.append(request_id)
        connection.send(self.site.bytes("POST", "/v1/chat/completions", [("x-request-id", request_id)], b"{}"))
        response = connection.read_response("POST")
        if response.status == 200:
            self.answered.append(request_id)
        else:
            self.refused += 1

    def stop(self):
        self.over.set()
        self.join(40)
        assert not self.is_alive()


def run_loads(loads, site, count=3, name="load"):
    site.key
    started = [Load(site, f"{name}{n}") for n in range(count)]
    loads += started
    return started


def total(loads) -> int:
    return sum(len(load.answered) for load in loads)


def assert_all_are_there(site, loads):
    """Each answered request has one row, and there is no row that nobody asked for."""
    answered = {request_id for load in loads for request_id in load.answered}
    sent = {request_id for load in loads for request_id in load.sent}

    def rows():
        found = [row["request_id"] for row in site.gateway.query("SELECT request_id FROM audit_logs")]
        return answered <= set(found) and found

    found = wait_until(rows, "rows of all answered requests", 20)
    assert len(found) == len(set(found)), "a row is there twice"
    assert set(found) <= sent, "a row that nobody asked for"
    return found
