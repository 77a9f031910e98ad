"""Responses as mitmproxy holds them, made anew: nothing of a provider's framing reaches a client."""

import time

from mitmproxy import http
from mitmproxy.net.http.status_codes import RESPONSES

type Headers = tuple[tuple[str, str], ...]


def is_whole(headers: Headers) -> bool:
    """The body's length is announced."""
    return any(name == "Content-Length" for name, _ in headers)


def make_response(status: int, headers: Headers, body: bytes | None) -> http.Response:
    """A head, and the whole body where it is known. HTTP/1.1; mitmproxy translates it for HTTP/2 clients.

    Header values are as mitmproxy and aiohttp read them, so that any bytes go out as they came in.
    """
    fields = [(name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in headers]
    reason = RESPONSES.get(status, "").encode()
    return http.Response(b"HTTP/1.1", status, reason, http.Headers(fields), body, None, time.time(), None)
