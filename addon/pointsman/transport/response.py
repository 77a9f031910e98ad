"""Builds mitmproxy responses from scratch: a provider's framing never reaches a client."""

from mitmproxy import http
from mitmproxy.net.http.status_codes import RESPONSES

from pointsman.masking import Masker
from pointsman.transport.mitm_patches.unchecked_messages import new_response

type Headers = tuple[tuple[str, str], ...]

NO_SNIFF = ("X-Content-Type-Options", "nosniff")


def has_content_length(headers: Headers) -> bool:
    """The body's length is announced."""
    return any(name == "Content-Length" for name, _ in headers)


def client_response(status: int, headers: Headers, body: bytes | None, masker: Masker) -> http.Response:
    """What a client gets: every head that the router sends is made here. No header holds a secret or a second line, and
    no browser takes a body for anything but what its type says.
    """
    return make_response(status, (*masker.headers(headers), NO_SNIFF), body)


def make_response(status: int, headers: Headers, body: bytes | None) -> http.Response:
    """A head, and the whole body where it is known. HTTP/1.1; mitmproxy translates it for HTTP/2 clients.

    Header values are as mitmproxy and aiohttp read them, so that any bytes go out as they came in.
    """
    fields = [(name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in headers]
    reason = RESPONSES.get(status, "").encode()
    return new_response(status, reason, http.Headers(fields), body)
