"""What the end-to-end tests stand on: the real binary, a real upstream, a raw client. No mocks."""

from .client import Connection, Response, Truncated
from .gateway import ADMIN_TOKEN, Gateway, free_port, wait_until
from .site import Site
from .upstream import Exchange, Request, Upstream

__all__ = [
    "ADMIN_TOKEN",
    "Connection",
    "Exchange",
    "Gateway",
    "Request",
    "Response",
    "Site",
    "Truncated",
    "Upstream",
    "free_port",
    "wait_until",
]
