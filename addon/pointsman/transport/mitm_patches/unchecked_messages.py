"""mitmproxy's messages, made without its check of each field's type.

Why: `http.Request(...)` and `http.Response(...)` look at the type of each field, which takes longer than all else that
is done for a head. `http.Request`, as mitmproxy makes it, is part of a cycle by the exceptions that this check has
dealt with: its body, which may have 64 MiB, would stay until a full collection of garbage.
Inner parts: `__new__` of `http.Request` and `http.Response`, and all fields of `RequestData` and `ResponseData`;
`read_request_head`, replaced, and the two functions that it calls.
Gain: see "Patches" in docs/measurements.md.
Switches: `unchecked_response` for responses; `unchecked_request` for requests of HTTP/1; `request_twin` for other
requests, whose memory is then given back later.
"""

import time

from mitmproxy import http
from mitmproxy.net.http import http1
from mitmproxy.net.http.http1 import read

from pointsman.transport.mitm_patches.switches import switches


def new_response(status: int, reason: bytes, headers: http.Headers, body: bytes | None) -> http.Response:
    """An HTTP/1.1 response without trailers that starts now. A body of None is one that is not known yet."""
    if not switches().unchecked_response:
        return http.Response(b"HTTP/1.1", status, reason, headers, body, None, time.time(), None)
    response, data = http.Response.__new__(http.Response), http.ResponseData.__new__(http.ResponseData)
    data.http_version, data.status_code, data.reason, data.headers = b"HTTP/1.1", status, reason, headers
    data.content, data.trailers, data.timestamp_start, data.timestamp_end = body, None, time.time(), None
    response.data = data
    return response


def install() -> None:
    """mitmproxy reads each HTTP/1 request without the check from now on."""
    if switches().unchecked_request:
        http1.read_request_head = read_request_head


def remove() -> None:
    http1.read_request_head = read.read_request_head


def read_request_head(lines: list[bytes]) -> http.Request:
    """As mitmproxy's own. Raises ValueError if it is malformed."""
    request, data = http.Request.__new__(http.Request), http.RequestData.__new__(http.RequestData)
    data.host, data.port, data.method, data.scheme, data.authority, data.path, data.http_version = (
        read._read_request_line(lines[0])
    )
    data.headers = read._read_headers(lines[1:])
    data.content = data.trailers = data.timestamp_end = None
    data.timestamp_start = time.time()
    request.data = data
    return request


def without_cycle(request: http.Request) -> http.Request:
    """The same request, in an object that reference counting alone gives back."""
    is_unchecked = switches().unchecked_request and not (request.is_http2 or request.is_http3)
    return request if is_unchecked or not switches().request_twin else twin_of(request)


def twin_of(request: http.Request) -> http.Request:
    """A copy whose fields can be replaced; the values are the same objects."""
    if not switches().request_twin:
        return request.copy()
    twin, data = http.Request.__new__(http.Request), http.RequestData.__new__(http.RequestData)
    data.__dict__.update(request.data.__dict__)  # whose types have been checked already
    twin.data = data
    return twin
