"""mitmproxy's messages, made without its check of each field's type.

Why: `http.Response(...)` looks at the type of each field, which takes longer than all else that is done for an answer's
head. `http.Request`, as mitmproxy makes it, is part of a cycle by the exceptions that this check has dealt with: its
body, which may have 64 MiB, would stay until a full collection of garbage.
Inner parts: `__new__` of `http.Request` and `http.Response`, and all fields of `RequestData` and `ResponseData`.
Gain: see "Patches" in docs/measurements.md.
Switches: `unchecked_response` for responses; `request_twin` for requests, whose memory is then given back later.
"""

import time

from mitmproxy import http

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


def without_cycle(request: http.Request) -> http.Request:
    """The same request, in an object that reference counting alone gives back."""
    return twin_of(request) if switches().request_twin else request


def twin_of(request: http.Request) -> http.Request:
    """A copy whose fields can be replaced; the values are the same objects."""
    if not switches().request_twin:
        return request.copy()
    twin, data = http.Request.__new__(http.Request), http.RequestData.__new__(http.RequestData)
    data.__dict__.update(request.data.__dict__)  # whose types have been checked already
    twin.data = data
    return twin
