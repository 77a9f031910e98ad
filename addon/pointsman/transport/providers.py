"""The providers' side: one aiohttp session shared by all clients, so that connections to providers are pooled across
them.
"""

import asyncio
import errno
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from io import BytesIO
from types import SimpleNamespace

import aiohttp

from pointsman.exchange.effects import Outbound
from pointsman.wire.faults import FaultKind

IDLE_CONNECTION = 30.0
"""Seconds for which an idle connection to a provider is kept."""
LARGE_BODY = 1 << 20
MAX_HEADER = 64 * 1024
NO_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)
"""The exchange has the timers."""


class Providers:
    """Sends requests to providers. `secure` makes the TLS context when the first connection is wanted."""

    def __init__(self, secure: Callable[[], ssl.SSLContext]) -> None:
        self._secure = secure
        self._session: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def send(self, request: Outbound, connected: Callable[[], None]) -> AsyncIterator[aiohttp.ClientResponse]:
        """The provider's answer, its head read. `connected` is called once there is a connection.

        A kept connection that its provider has closed in the meantime costs nothing: the request is repeated once on
        a new one. Raises what aiohttp raises; `fault_of` says what that means.
        """
        trace = SimpleNamespace(connected=connected, reused=False)
        try:
            response = await self._post(self._shared(), request, trace)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            if not trace.reused or isinstance(error, aiohttp.ClientConnectorError):
                raise
            response = await self._post(self._unpooled(), request, trace)
        async with response:
            yield response

    async def close(self) -> None:
        for session in (self._session, self._fresh):
            if session is not None:
                await session.close()
        self._session = self._fresh = None

    async def _post(
        self, session: aiohttp.ClientSession, request: Outbound, trace: SimpleNamespace
    ) -> aiohttp.ClientResponse:
        return await session.post(
            request.url,
            data=payload(request.body),
            headers=request.headers,
            allow_redirects=False,
            trace_request_ctx=trace,
        )

    def _shared(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, ssl=self._secure(), keepalive_timeout=IDLE_CONNECTION)
            self._session = self._make(connector)
        return self._session

    def _unpooled(self) -> aiohttp.ClientSession:
        if self._fresh is None:
            self._fresh = self._make(aiohttp.TCPConnector(limit=0, ssl=self._secure(), force_close=True))
        return self._fresh

    def _make(self, connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=connector,
            timeout=NO_TIMEOUT,
            trace_configs=[_connection_trace()],
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Content-Type", "Accept", "Accept-Encoding"),
            max_line_size=MAX_HEADER,
            max_field_size=MAX_HEADER,
        )


def payload(body: bytes) -> bytes | BytesIO:
    """A large body is written in pieces, so that it does not hold up the loop."""
    return BytesIO(body) if len(body) > LARGE_BODY else body


def _connection_trace() -> aiohttp.TraceConfig:
    trace = aiohttp.TraceConfig()

    async def created(
        _: aiohttp.ClientSession, context: SimpleNamespace, __: aiohttp.TraceConnectionCreateEndParams
    ) -> None:
        context.trace_request_ctx.reused = False
        context.trace_request_ctx.connected()

    async def reused(
        _: aiohttp.ClientSession, context: SimpleNamespace, __: aiohttp.TraceConnectionReuseconnParams
    ) -> None:
        context.trace_request_ctx.reused = True
        context.trace_request_ctx.connected()

    trace.on_connection_create_end.append(created)
    trace.on_connection_reuseconn.append(reused)
    return trace


def fault_of(error: Exception) -> tuple[FaultKind, str]:
    """What a failed connection or a broken body means, and a line for people without secrets."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            return FaultKind.DNS, f"no address for {error.host}"
        case aiohttp.ClientConnectorCertificateError():
            return FaultKind.TLS, f"the certificate of {error.host} is not trusted: {error.certificate_error}"
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return FaultKind.TLS, f"TLS failed: {error}"
        case aiohttp.ClientConnectorError():
            refused = error.os_error.errno == errno.ECONNREFUSED
            kind = FaultKind.REFUSED if refused else FaultKind.RESET
            return kind, f"cannot connect to {error.host}:{error.port}: {error.os_error.strerror or error.os_error}"
        case aiohttp.ClientPayloadError():
            return FaultKind.BROKEN, "the answer's body broke off"
        case aiohttp.ServerDisconnectedError():
            return FaultKind.RESET, "the provider closed the connection"
        case aiohttp.ClientOSError() | ConnectionError():
            return FaultKind.RESET, f"the connection broke: {error.strerror or type(error).__name__}"
        case aiohttp.ClientResponseError() | aiohttp.ClientError():
            return FaultKind.MALFORMED, f"not HTTP as we know it: {type(error).__name__}"
        case asyncio.TimeoutError():
            return FaultKind.CONNECT_TIMEOUT, "timed out"
        case _:
            return FaultKind.INTERNAL, f"{type(error).__name__}"
