"""Requests for own pages and what comes of them, without a socket."""

import json
from typing import Any

from pointsman.web.page import Reply, Request

ADMIN = "the-admin-key"
CLIENT = "the-client-key"
LOCAL_HOST = {"host": "127.0.0.1:8080"}
FOREIGN_HOST = {"host": "evil.test:8080"}


def request(path: str = "/", method: str = "GET", query: str = "", *, local: bool = True, **headers: str) -> Request:
    """From a client on this machine unless said otherwise; `_` in a header's name stands for `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(method, path, query, LOCAL_HOST | named, b"", local)


def told(reply: Reply) -> Any:
    return json.loads(reply.body)


def code(reply: Reply) -> str:
    """The code of the error that a reply tells."""
    error: str = told(reply)["error"]["code"]
    return error
