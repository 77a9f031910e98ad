"""Plain requests to providers, sent on aiohttp's connections without most steps of `ClientSession.request`.

Why: for each request, aiohttp looks after redirects, cookies, passwords in URLs, compression, traces, middlewares and
proxies, parses the URL and makes the same headers again. A router needs none of it for a body of some kilobytes. The
pool, TLS, the parser of the answer and the answer itself stay aiohttp's own.
Inner parts: `ClientRequest` as what `BaseConnector.connect` is asked for, made once for each URL; `StreamWriter`;
`ResponseHandler.set_response_params`; `ClientResponse`, made and started here.
Gain: see "Patches" in docs/measurements.md. Switch: `plain_requests`.
"""

import asyncio
import inspect
from collections.abc import Callable, Mapping, Set
from functools import cache
from ssl import SSLContext
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.helpers import TimerNoop
from aiohttp.http_writer import StreamWriter
from cachetools import LRUCache
from multidict import CIMultiDict
from yarl import URL

from pointsman.domain.outbound import UpstreamRequest
from pointsman.transport.mitm_patches.switches import switches

MAX_BODY_BYTES = 64 * 1024
"""Bytes of a body that goes out in one write; a longer one is aiohttp's to write while the provider takes it."""
MAX_ROUTES = 256
NO_TIMER = TimerNoop()
PARAMETERS: Mapping[Callable[..., Any], Set[str]] = {
    aiohttp.ClientResponse.__init__: {
        "self", "method", "url", "writer", "continue100", "timer", "request_info", "traces", "loop", "session",
        "stream_writer",
    },
    ResponseHandler.set_response_params: {
        "self", "timer", "skip_payload", "read_until_eof", "auto_decompress", "read_timeout", "read_bufsize",
        "timeout_ceil_threshold", "max_line_size", "max_field_size", "max_headers",
    },
}  # fmt: skip
"""With others, as other versions of aiohttp have them, requests go the stock way."""


class PlainRequests:
    """On the connections of one session. `max_header`: bytes of a line of an answer's head."""

    def __init__(self, session: aiohttp.ClientSession, max_header: int) -> None:
        assert session.connector
        self._session, self._connector = session, session.connector
        self._max_header = max_header
        self._loop = asyncio.get_running_loop()
        self._routes: LRUCache[tuple[str, str, SSLContext | bool], aiohttp.ClientRequest] = LRUCache(MAX_ROUTES)

    @staticmethod
    def take(request: UpstreamRequest) -> bool:
        """Whether this way is for such a request, if it takes no proxy."""
        return (
            0 < len(request.body) <= MAX_BODY_BYTES
            and "@" not in request.url
            and _is_known_aiohttp()
            and switches().plain_requests
        )

    async def send(self, request: UpstreamRequest, secure: SSLContext | bool) -> aiohttp.ClientResponse:
        """The answer, its head read. Raises what `ClientSession.request` raises."""
        route = self._route(request, secure)
        host, length = ("Host", route.headers["Host"]), ("Content-Length", str(len(request.body)))
        headers = CIMultiDict((host, *request.headers, length))
        connection = await self._connector.connect(route, [], self._session.timeout)
        try:
            protocol = connection.protocol
            assert protocol is not None
            protocol.set_response_params(
                timer=NO_TIMER, read_until_eof=True, max_line_size=self._max_header, max_field_size=self._max_header
            )
            writer = StreamWriter(protocol, self._loop)
            await writer.write_headers(f"{route.method} {route.url.raw_path_qs} HTTP/1.1", headers)
            await writer.write(request.body, drain=False)  # its provider may answer before it has read all of it
            return await self._response(route, writer).start(connection)
        except aiohttp.ClientError:
            connection.close()
            raise
        except OSError as error:
            connection.close()
            raise aiohttp.ClientOSError(*error.args) from error
        except BaseException:
            connection.close()
            raise

    def _route(self, request: UpstreamRequest, secure: SSLContext | bool) -> aiohttp.ClientRequest:
        """Which connections serve it, its target and its header `Host`."""
        name = request.method, request.url, secure
        if (found := self._routes.get(name)) is None:
            url, session = URL(request.url), self._session
            found = aiohttp.ClientRequest(request.method, url, loop=self._loop, session=session, ssl=secure)
            self._routes[name] = found
        return found

    def _response(self, route: aiohttp.ClientRequest, writer: StreamWriter) -> aiohttp.ClientResponse:
        return aiohttp.ClientResponse(
            route.method,
            route.url,
            writer=None,
            continue100=None,
            timer=NO_TIMER,
            request_info=route.request_info,
            traces=[],
            loop=self._loop,
            session=self._session,
            stream_writer=writer,
        )


@cache
def _is_known_aiohttp() -> bool:
    return all(set(inspect.signature(each).parameters) == names for each, names in PARAMETERS.items())
