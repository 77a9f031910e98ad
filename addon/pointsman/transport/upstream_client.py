"""The providers' side: one aiohttp session for all clients, so that connections to providers are pooled across them.

There is one session for each `UpstreamOptions` in use, which is one unless options change or several modes run at once.
"""

import errno
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from functools import lru_cache
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import aiohttp
from mitmproxy.utils import asyncio_utils

from pointsman.domain.outbound import UpstreamRequest
from pointsman.transport.large_answers import LargeAnswers
from pointsman.transport.mitm_patches.dns_resolver import new_resolver
from pointsman.transport.mitm_patches.plain_requests import PlainRequests
from pointsman.transport.mitm_patches.provider_connection import CURRENT_TRACE, ConnectionTrace, TracingConnector
from pointsman.transport.proxies import host_and_port, is_on_this_machine
from pointsman.transport.request_payload import request_payload
from pointsman.transport.upstream_options import UpstreamOptions
from pointsman.wire.errors import FaultKind

KEEPALIVE_TIMEOUT = 30.0
"""Seconds for which an idle connection to a provider is kept."""
MAX_IDLE_SESSIONS = 8
MAX_HEADER_BYTES = 64 * 1024
NO_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)
"""The exchange has the timers."""


class UpstreamSession(NamedTuple):
    """One session, and its way for plain requests."""

    stock: aiohttp.ClientSession
    plain: PlainRequests


class UpstreamClient:
    """Sends requests to providers."""

    def __init__(self, is_own: Callable[[tuple[Any, ...]], bool] = lambda peername: False) -> None:
        """`is_own`: a connection whose far end is there has come back to this router."""
        self.large_answers = LargeAnswers()
        self._is_own = is_own
        self._sessions: dict[
            tuple[UpstreamOptions, bool], UpstreamSession
        ] = {}  # at most MAX_IDLE_SESSIONS that are unused
        self._users: Counter[UpstreamOptions] = Counter()

    @asynccontextmanager
    async def send(
        self, request: UpstreamRequest, upstream: UpstreamOptions, dial: ConnectionTrace
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The provider's answer, its head read; `dial` tells how it was reached.

        A kept connection that its provider has closed in the meantime costs nothing: the request is repeated once on a
        new one. Raises what aiohttp raises, OSError and ssl.SSLError; `fault_from_error` says what that means.
        """
        CURRENT_TRACE.set(dial)
        upstream = self._options_for(request, upstream)
        dial.proxy = upstream.proxy.url if upstream.proxy else None
        with self._session_in_use(upstream, dial):
            try:
                response = await self._request(request, upstream, pooled=True)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
                if not dial.reused or isinstance(error, aiohttp.ClientConnectorError):
                    raise
                response = await self._request(request, upstream, pooled=False)
            del request  # its body is large, and the answer may be long
            async with response:
                yield response

    def prepare(self, url: str, own_proxy: str | None, upstream: UpstreamOptions) -> None:
        """Read the certificates that requests to this URL need: it takes tens of milliseconds. What cannot be read
        fails the requests.
        """
        with suppress(OSError):  # ssl.SSLError is one
            self._tls_context(url, upstream.for_provider(url, own_proxy))

    @property
    def in_use(self) -> int:
        """Requests that are being sent or answered."""
        return self._users.total()

    async def close(self) -> None:
        sessions = list(self._sessions.values())
        self._sessions.clear()
        for session in sessions:
            await session.stock.close()

    async def _request(
        self, request: UpstreamRequest, upstream: UpstreamOptions, pooled: bool
    ) -> aiohttp.ClientResponse:
        secure, session = self._tls_context(request.url, upstream) or True, self._session(upstream, pooled)
        if pooled and upstream.proxy is None and PlainRequests.take(request):
            return await session.plain.send(request, secure)
        tunnelled, proxy = request.url.startswith("https:"), upstream.proxy
        for_proxy = (("Proxy-Authorization", proxy.auth),) if proxy and proxy.auth else ()
        response = await session.stock.request(
            request.method,
            request.url,
            data=request_payload(request.body) if request.body else None,
            headers=request.headers if tunnelled else (*request.headers, *for_proxy),
            allow_redirects=False,
            ssl=secure,
            proxy=proxy.url if proxy else None,
            proxy_headers=dict(for_proxy) if tunnelled else None,
        )
        if proxy and response.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            response.close()  # the proxy's word on us, as it would be for a tunnel: the provider has seen nothing
            raise aiohttp.ClientHttpProxyError(response.request_info, (), status=response.status)
        return response

    @staticmethod
    def _tls_context(url: str, upstream: UpstreamOptions) -> ssl.SSLContext | None:
        """None where no part of the way is encrypted. Raises OSError, ssl.SSLError."""
        if url.startswith("https:") or (upstream.proxy and upstream.proxy.url.startswith("https:")):
            return _ssl_context(upstream, upstream.client_cert(urlsplit(url).hostname or ""))
        return None

    def _options_for(self, request: UpstreamRequest, upstream: UpstreamOptions) -> UpstreamOptions:
        """The options with the proxy for this request. A shell that sends its programs' requests through this router
        may have started the router too: what the environment says then means others.
        """
        found = upstream.for_provider(request.url, request.proxy)
        if found.proxy and upstream.environment and request.proxy is None:
            host, port = host_and_port(found.proxy.url)
            if is_on_this_machine(host) and self._is_own(("127.0.0.1" if host.endswith("localhost") else host, port)):
                return replace(found, proxy=None)
        return found

    @contextmanager
    def _session_in_use(self, upstream: UpstreamOptions, dial: ConnectionTrace) -> Iterator[None]:
        """Sessions made under options that no longer hold are closed when they are unused, the oldest first."""
        self._users[upstream] += 1
        try:
            yield
        finally:
            dial.detach()
            self._users[upstream] -= 1
            if not self._users[upstream]:
                del self._users[upstream]
            if len(self._sessions) > MAX_IDLE_SESSIONS:
                self._close_idle_sessions()

    def _close_idle_sessions(self) -> None:
        idle = [way for way in self._sessions if way[0] not in self._users]
        for way in idle[:-MAX_IDLE_SESSIONS]:
            asyncio_utils.create_task(self._sessions.pop(way).stock.close(), name="session closing", keep_ref=True)

    def _session(self, upstream: UpstreamOptions, pooled: bool) -> UpstreamSession:
        session = self._sessions.get((upstream, pooled))
        if session is None:
            session = self._sessions[upstream, pooled] = _make_session(upstream, pooled, self._is_own)
        return session


def _make_session(
    upstream: UpstreamOptions, pooled: bool, is_own: Callable[[tuple[Any, ...]], bool]
) -> UpstreamSession:
    local = (upstream.local_address, 0) if upstream.local_address else None
    life: dict[str, Any] = {"keepalive_timeout": KEEPALIVE_TIMEOUT} if pooled else {"force_close": True}
    connector = TracingConnector(is_own, limit=0, local_addr=local, resolver=new_resolver(), **life)
    session = aiohttp.ClientSession(
        connector=connector,
        timeout=NO_TIMEOUT,
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("User-Agent", "Content-Type", "Accept", "Accept-Encoding"),
        max_line_size=MAX_HEADER_BYTES,
        max_field_size=MAX_HEADER_BYTES,
    )
    return UpstreamSession(session, PlainRequests(session, MAX_HEADER_BYTES))


@lru_cache(maxsize=64)
def _ssl_context(upstream: UpstreamOptions, client_cert: str | None) -> ssl.SSLContext:
    return upstream.ssl_context(client_cert)


def fault_from_error(error: Exception) -> tuple[FaultKind, str]:
    """What a failed connection or a broken body means, and a line for people without secrets."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            return FaultKind.DNS, f"cannot resolve {error.host}"
        case aiohttp.ClientConnectorCertificateError():
            return FaultKind.TLS, f"the certificate of {error.host} is not trusted: {error.certificate_error}"
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return FaultKind.TLS, f"TLS failed: {error}"
        case aiohttp.ClientHttpProxyError():
            return FaultKind.REFUSED, f"the upstream proxy answered {error.status}"
        case aiohttp.ClientConnectorError():
            refused = error.os_error.errno == errno.ECONNREFUSED
            kind = FaultKind.REFUSED if refused else FaultKind.RESET
            return kind, f"cannot connect to {error.host}:{error.port}: {error.os_error.strerror or error.os_error}"
        case aiohttp.ClientPayloadError():
            return FaultKind.BROKEN, "the response body ended early"
        case aiohttp.ServerDisconnectedError():
            return FaultKind.RESET, "the provider closed the connection"
        case aiohttp.ClientOSError() | ConnectionError():
            return FaultKind.RESET, f"connection lost: {error.strerror or type(error).__name__}"
        case aiohttp.ClientError():
            return FaultKind.MALFORMED, f"invalid HTTP response: {type(error).__name__}"
        case OSError():
            return FaultKind.REFUSED, f"cannot connect: {error.strerror or type(error).__name__}"
        case _:
            return FaultKind.INTERNAL, f"{type(error).__name__}"
