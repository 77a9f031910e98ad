"""Requests for own pages and what comes of them, without a socket."""

import json
from typing import Any

from pointsman.client_host import named_host
from pointsman.web.http import PageReply, PageRequest

ADMIN = "the-admin-key"
CLIENT = "the-client-key"
LOCAL_HOST = {"host": "127.0.0.1:8080"}
FOREIGN_HOST = {"host": "evil.test:8080"}


def request(
    path: str = "/", method: str = "GET", query: str = "", *, local: bool = True, **headers: str
) -> PageRequest:
    """From a client on this machine unless said otherwise; `_` in a header's name stands for `-`."""
    named = LOCAL_HOST | {name.replace("_", "-"): value for name, value in headers.items()}
    host = named_host("HTTP/1.1", "", (named["host"],))
    return PageRequest(method, path, query, named, b"", local, host=host, listener_port=8080)


def payload_of(reply: PageReply) -> Any:
    return json.loads(reply.body)


def code_of(reply: PageReply) -> str:
    """The code of the error that a reply tells."""
    error: str = payload_of(reply)["error"]["code"]
    return error
