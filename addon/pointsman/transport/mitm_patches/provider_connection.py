"""aiohttp's connections to providers: how each was made, and what comes by it, within the call that brings it.

Why: aiohttp wakes up a task for each piece of an answer; a watched one spares that turn of the loop. It does not say
whether a connection was reused, leaves the reader of a badly framed body waiting for ever, and never closes a
connection with unsent data whose provider does not read. A connection that leads back to this router must end before a
request is written to it.
Inner parts: `TCPConnector._factory` and `_create_connection`; `ResponseHandler`, its `_payload`, `data_received`,
`close` and `connection_lost`; `StreamReader.read_nowait` between two reads of its task.
Gain: see "Patches" in docs/measurements.md.
Switch: `watched_reads` for the listening; without it, direct writes have nothing to write. The rest has no switch: no
stock code does it.
"""

import asyncio
import errno
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

from pointsman.transport.mitm_patches.switches import switches

ITSELF = "this is the router's own address; correct the provider's base_url"


@dataclass(slots=True)
class ConnectionTrace:
    """How one request got its connection. Times are seconds on the wall clock; None: not yet, or a reused
    connection.
    """

    on_connecting: Callable[[], None]
    on_connected: Callable[[], None]
    reused: bool = False
    started: float | None = None
    established: float | None = None
    transport: asyncio.Transport | None = field(default=None, repr=False)
    proxy: str | None = None
    """The URL of the proxy that it goes through, without a credential."""

    def detach(self) -> None:
        """A connection is kept together with the context that it was made in, and thus with its dial: nothing of the
        exchange may hang on that.
        """
        self.on_connecting = self.on_connected = _ignore


def _ignore() -> None: ...


CURRENT_TRACE: ContextVar[ConnectionTrace] = ContextVar("current dial")
"""Of the attempt's task. aiohttp calls back within it."""


class WatchedProtocol(ResponseHandler):
    """aiohttp's side of a connection, which forgets the reader of a body whose framing turns out bad: it would wait for
    ever. It may be listened to.
    """

    _listener: Callable[[], None] | None = None

    @contextmanager
    def notifying(self, listener: Callable[[], None]) -> Iterator[None]:
        """While this lasts, `listener` is called whenever something has come, or the end. The end may also leave the
        line to another request, which listens in its turn.
        """
        self._listener = listener
        try:
            yield
        finally:
            if self._listener is listener:
                self._listener = None

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._listener is not None:
            self._listener()

    def close(self) -> None:
        """Without what has not been sent yet: a provider that does not read would keep the connection, and the end of
        its session, waiting for ever.
        """
        if self.transport is not None and self.transport.get_write_buffer_size():
            self.transport.abort()
        super().close()

    def connection_lost(self, error: BaseException | None) -> None:
        body = self._payload
        super().connection_lost(error)
        if body is not None and not body.is_eof() and body.exception() is None:
            body.set_exception(aiohttp.ClientPayloadError("the response body is badly framed"))
        if self._listener is not None:
            self._listener()


def protocol_of(answer: aiohttp.ClientResponse) -> WatchedProtocol | None:
    """The line that more of an answer will come by; None if all of it has come, or if it may not be listened to."""
    if not switches().watched_reads:
        return None
    line = answer.connection.protocol if answer.connection else None
    return line if isinstance(line, WatchedProtocol) else None


class TracingConnector(aiohttp.TCPConnector):
    """Records in the current trace how its connection was made."""

    def __init__(self, is_own: Callable[[tuple[Any, ...]], bool], **options: Any) -> None:
        super().__init__(**options)
        self._is_own = is_own
        self._factory = partial(WatchedProtocol, asyncio.get_running_loop())  # type: ignore[assignment] # of a subclass

    async def connect(self, *args: Any, **kwargs: Any) -> Any:
        dial = CURRENT_TRACE.get()
        dial.reused = True
        connection = await super().connect(*args, **kwargs)
        dial.transport = connection.transport
        try:
            dial.on_connected()
        except BaseException:
            connection.close()  # it has no other owner yet
            raise
        return connection

    async def _create_connection(self, req: aiohttp.ClientRequest, *args: Any, **kwargs: Any) -> Any:
        """Called by `connect` where no kept connection serves. A provider that is this router itself is not asked: its
        request would go round in circles.
        """
        dial = CURRENT_TRACE.get()
        dial.reused, dial.started, dial.established = False, time.time(), None
        dial.on_connecting()
        protocol = await super()._create_connection(req, *args, **kwargs)
        transport = protocol.transport
        if transport and (peername := transport.get_extra_info("peername")) and self._is_own(peername):
            transport.abort()
            raise aiohttp.ClientConnectorError(req.connection_key, OSError(errno.ECONNREFUSED, ITSELF))
        dial.established = time.time()
        return protocol
