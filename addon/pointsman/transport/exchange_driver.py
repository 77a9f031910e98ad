"""The driver of one exchange: it turns effects into tasks and timers, and what happens outside into inputs.

Every input that may cause effects enters through mitmproxy's connection handler, as mitmproxy's own injected messages
do, so that they are executed within the client's layer and in order. A provider's answer is read no faster than the
client's side takes it.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Protocol

import aiohttp
from mitmproxy.connection import Server
from mitmproxy.proxy.server import ConnectionHandler
from mitmproxy.utils import asyncio_utils
from typing_extensions import TypeIs

from pointsman.domain.outbound import UpstreamRequest
from pointsman.domain.records import AttemptRecord
from pointsman.exchange.client_response import HIGH_WATER
from pointsman.exchange.effects import (
    Abort,
    Cancel,
    Effect,
    End,
    Headers,
    Launch,
    LaunchLarge,
    Release,
    Respond,
    Send,
    Settled,
)
from pointsman.exchange.engine import Exchange
from pointsman.transport.mitm_patches.direct_write import direct_writer
from pointsman.transport.mitm_patches.provider_connection import ConnectionTrace, protocol_of
from pointsman.transport.server_info import describe_server
from pointsman.transport.stream_events import ExchangeInput, ExchangeInputEvent
from pointsman.transport.upstream_client import UpstreamClient, fault_from_error
from pointsman.transport.upstream_options import UpstreamOptions
from pointsman.transport.worker import Worker
from pointsman.wire.conversion.ir import Inconvertible
from pointsman.wire.errors import FaultKind, Problem

if TYPE_CHECKING:
    from pointsman.transport.stream import RoutedStream

logger = logging.getLogger(__name__)

MAX_DRAIN_BYTES = 64 * 1024
DRAIN_TIMEOUT = 1.0
"""How much, and how long, to read on after an answer's end so that its connection can be kept."""
SLOW_CLIENT_CHECK_INTERVAL = 1.0
"""Seconds between two looks at a client that does not read."""

type ClientEffect = Respond | Send | End | Abort


class AttemptObserver(Protocol):
    """Is told what every attempt of an exchange sends and gets. `now` is the loop's clock."""

    def on_request(self, n: int, request: UpstreamRequest, now: float) -> None: ...

    def on_head(self, n: int, status: int, headers: Headers) -> None: ...

    def on_data(self, n: int, data: bytes, now: float) -> None: ...

    def on_settled(self, record: AttemptRecord, server: Server) -> None: ...


class ExchangeDriver:
    """Lives from the request's end to the exchange's end; owns the exchange's tasks and its one timer."""

    def __init__(
        self,
        exchange: Exchange,
        stream: "RoutedStream",
        handler: ConnectionHandler,
        providers: UpstreamClient,
        upstream: UpstreamOptions,
        worker: Worker,
        recorder: AttemptObserver | None = None,
    ) -> None:
        self.exchange = exchange
        self._worker = worker
        self._observer = recorder
        self._stream = stream
        self._handler = handler
        self._client = providers
        self._upstream = upstream
        self._loop = asyncio.get_running_loop()
        self.now = self._loop.time
        self.started_at = self.now()
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._released: set[int] = set()
        self._cancelled: set[int] = set()
        self._traces: dict[int, tuple[str, ConnectionTrace]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._unprocessed = 0
        self._undrained = 0
        """Bytes since the last drain, where the writer does not say what it holds."""
        self._client_check: asyncio.TimerHandle | None = None
        self._direct_writer: asyncio.StreamWriter | None = None
        """Open from the answer's head on."""
        self._forwarding: int | None = None
        """The attempt whose data is being written directly."""
        self._check_client()
        self._client_progress = asyncio.Event()

    # For the client's layer.

    def handle_input(self, given: ExchangeInput) -> list[ClientEffect]:
        """Hand an input to the exchange. Effects for providers are executed at once; those for the client are
        returned.
        """
        effects = given(self._loop.time())
        for_client = [effect for effect in effects if self._is_for_client(effect)]
        if self._timer is None or len(effects) != 1 or type(effects[0]) is not Send:
            self._set_timer()  # what is merely sent moves dates only later
        return for_client

    def _check_client(self) -> None:
        """A client that waits is not idle, whatever mitmproxy thinks; and clocks that stood still for what another
        stream of the connection had to write go on.
        """
        if self.exchange.ended:
            return
        watchdog = self._handler.timeout_watchdog
        watchdog.register_activity()
        if self.exchange.is_paused and self._backlog() <= HIGH_WATER:
            asyncio_utils.create_task(self._post(self._tick), name="exchange timer", keep_ref=True)
        self._client_check = self._loop.call_later(watchdog.timeout / 2, self._check_client)
        if self.exchange.is_paused:
            self._check_client_soon()

    def _check_client_soon(self) -> None:
        """Otherwise the pulse is as slow as it may be: thousands of streams that wait should cost next to nothing."""
        if self._client_check is not None and self._client_check.when() > (
            soon := self._loop.time() + SLOW_CLIENT_CHECK_INTERVAL
        ):
            self._client_check.cancel()
            self._client_check = self._loop.call_at(soon, self._check_client)

    def enable_direct_write(self, server: object) -> None:
        """The answer's head is out; `server` is the client's side of the layer."""
        self._direct_writer = direct_writer(self._stream.context, server, self._handler)

    def _on_processed(self, size: int) -> None:
        """The layer has processed so many posted bytes."""
        self._unprocessed -= size
        self._client_progress.set()

    def on_client_activity(self) -> None:
        """The client has sent something: perhaps it opened its window."""
        self._client_progress.set()

    def winner_connection(self) -> Server | None:
        """The connection that the client's answer comes by."""
        n = self.exchange.winner_number
        return self._server_info(n) if n is not None else None

    def _server_info(self, n: int) -> Server:
        return describe_server(*self._traces[n])

    def on_flow_killed(self) -> None:
        """Somebody has killed the flow: the stream sees that by the next event, and this is one."""
        asyncio_utils.create_task(self._post(_no_effects), name="flow killed", keep_ref=True)

    async def fail_with(self, problem: Problem) -> None:
        """End the exchange in the router's own words, and see them off."""
        await self._post(partial(self.exchange.fail_with, problem))
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_TIMEOUT):
                await self._handler.drain_writers()

    def discard(self) -> None:
        """The exchange is broken: whatever runs for it ends here."""
        for n in list(self._tasks):
            self._stop_attempt(n, self._cancelled)
        for timer in (self._timer, self._client_check):
            if timer is not None:
                timer.cancel()

    def abort_client(self) -> None:
        """Close the client's socket without waiting for what it does not read."""
        io = self._handler.transports.get(self._handler.client)
        if transport := getattr(io and io.writer, "transport", None):
            transport.abort()

    # Effects.

    def _is_for_client(self, effect: Effect) -> TypeIs[ClientEffect]:
        """What is not is carried out here and now."""
        match effect:
            case Launch(n, request):
                self._start_attempt(n, self._run_attempt(n, request))
            case LaunchLarge(n, make):
                self._start_attempt(n, self._make_and_run(n, make))
            case Cancel(n):
                self._stop_attempt(n, self._cancelled)
            case Release(n):
                self._stop_attempt(n, self._released)
            case Settled(record, learnt):
                if self._observer and record.n in self._traces:  # else nothing was sent: it did not convert
                    self._observer.on_settled(record, self._server_info(record.n))
                if learnt:
                    logger.info(f"Pointsman: {learnt}")
            case _:
                return True
        return False

    def _stop_attempt(self, n: int, among: set[int]) -> None:
        """Attempt `n` is over. It ends by itself where its own words have led to this; else it waits for bytes that may
        never come.
        """
        among.add(n)
        task = self._tasks.get(n)
        if task is not None and n != self._forwarding and task is not asyncio.current_task():
            task.cancel()

    def _start_attempt(self, n: int, attempt: Coroutine[None, None, None]) -> None:
        name = f"attempt {n} of {self.exchange.client_request.request_id}"
        task = self._tasks[n] = asyncio_utils.create_task(attempt, name=name, keep_ref=True)
        task.add_done_callback(lambda _: self._tasks.pop(n, None))

    def _new_trace(self, n: int, request: UpstreamRequest) -> ConnectionTrace:
        if self._observer:
            self._observer.on_request(n, request, self._loop.time())
        dial = ConnectionTrace(
            on_connecting=partial(self._apply_without_effects, partial(self.exchange.on_connecting, n)),
            on_connected=partial(self._apply_without_effects, partial(self.exchange.on_connected, n)),
        )
        self._traces[n] = request.url, dial
        return dial

    def _set_timer(self) -> None:
        """A timer that is set too early costs one idle tick; moving it at every byte would cost more."""
        due = self.exchange.next_tick_at
        if due is not None and self.exchange.is_paused:
            self._check_client_soon()
        if self._timer is not None:
            if due is not None and self._timer.when() <= due:
                return
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._timer = self._loop.call_at(due, self._on_timer)
        elif self._client_check is not None and self.exchange.ended:
            self._client_check.cancel()

    def _on_timer(self) -> None:
        self._timer = None
        asyncio_utils.create_task(self._post(self._tick), name="exchange timer", keep_ref=True)

    def _tick(self, now: float) -> list[Effect]:
        effects = self.exchange.on_client_backlog(
            self._backlog(), now
        )  # who has taken anything in the meantime is not stuck
        due = self.exchange.next_tick_at
        return effects + self.exchange.on_tick(now) if due is not None and due <= now else effects

    # Inputs.

    async def _make_and_run(self, n: int, make: Callable[[], UpstreamRequest]) -> None:
        try:
            request = await self._worker.run(make)
        except Inconvertible as error:
            await self._post(partial(self.exchange.on_request_failed, n, str(error)))
            return
        except Exception as error:
            logger.exception(
                f"The router failed to make attempt {n} of exchange {self.exchange.client_request.request_id}."
            )
            await self._post(partial(self.exchange.on_request_failed, n, type(error).__name__))
            return
        self._apply_without_effects(partial(self.exchange.on_request_ready, n))
        attempt = self._run_attempt(n, request)
        del make, request  # nothing here holds on to the whole request for as long as the answer lasts
        await attempt

    async def _run_attempt(self, n: int, request: UpstreamRequest) -> None:
        exchange, sending = self.exchange, self._client.send(request, self._upstream, self._new_trace(n, request))
        del request
        try:
            async with sending as answer:
                headers = {name.lower(): value for name, value in answer.headers.items()}
                self._apply_without_effects(partial(exchange.on_head, n, answer.status, headers))
                if self._observer:
                    self._observer.on_head(n, answer.status, tuple(answer.headers.items()))
                async for data in answer.content.iter_any():
                    is_last = answer.content.at_eof()
                    await self._forward_via_layers(n, data, is_last)
                    if is_last:
                        return
                    if self._direct_writer is not None:
                        await self._forward_directly(n, answer)
                    if n in self._released:
                        await _drain(answer)
                    if n in self._released or n in self._cancelled:
                        return
                    if self._backlog() > HIGH_WATER:
                        await self._wait_for_client()
                await self._post(partial(exchange.on_end, n))
        except Exception as error:
            kind, message = fault_from_error(error)
            if kind is FaultKind.INTERNAL:
                logger.exception(
                    f"Attempt {n} of exchange {exchange.client_request.request_id} failed with an internal error."
                )
            _forget_frames(error)
            await self._post(partial(exchange.on_connection_error, n, kind, message))

    async def _post(self, given: ExchangeInput, size: int = 0) -> None:
        self._unprocessed += size
        try:
            await self._handler.server_event(ExchangeInputEvent(self._stream, given, partial(self._on_processed, size)))
        except asyncio.CancelledError:  # while it was queued: it will not be processed
            self._on_processed(size)
            raise

    async def _forward_via_layers(self, n: int, data: bytes, is_last: bool) -> None:
        """Through the layers: an answer's beginning, and most short answers as a whole."""
        if self._observer:
            self._observer.on_data(n, data, self._loop.time())
        on_data = self.exchange.on_last_data if is_last else self.exchange.on_data
        await self._post(partial(on_data, n, data), len(data))
        self._undrained += len(data)

    async def _forward_directly(self, n: int, answer: aiohttp.ClientResponse) -> None:
        """As long as nothing stands in the way, what the provider says goes on by the short way, within the very call
        that brings it: no task has to wake up for it. What else follows from it goes the long way.
        """
        done, content, line = self._loop.create_future(), answer.content, protocol_of(answer)
        if line is None or n in self._released | self._cancelled or self._stream.is_killed:
            return

        def on_bytes() -> None:
            if done.done() or self._forwarding is not None:
                return
            self._forwarding, continues = n, True
            try:
                while continues and content.exception() is None and (data := content.read_nowait()):
                    continues = self._forward_piece(
                        n, data
                    )  # and reading has made room: what waits to be unpacked follows
                if not continues or content.exception() is not None or content.at_eof():
                    done.set_result(None)
            except Exception as error:
                done.set_result(error)
            finally:
                self._forwarding = None

        with line.notifying(on_bytes):
            on_bytes()
            error = await done
        if error or self._stream.has_deferred:
            await self._post(partial(_raise_error, error) if error else _no_effects)

    def _forward_piece(self, n: int, data: bytes) -> bool:
        """Passes a piece on. Returns whether the next one may go in the same way."""
        writer = self._direct_writer
        assert writer is not None
        if self._observer:
            self._observer.on_data(n, data, self._loop.time())
        self._undrained += len(data)
        pieces = self._stream.relay(partial(self.exchange.on_data, n, data))
        if pieces and not writer.is_closing():
            writer.write(pieces)
        self._handler.timeout_watchdog.register_activity()
        is_over = n in self._released or n in self._cancelled
        return not (is_over or self._stream.has_deferred or self._stream.is_killed or self._backlog() > HIGH_WATER)

    def _apply_without_effects(self, given: ExchangeInput) -> None:
        """An input that never causes effects needs no way through the layer."""
        effects = given(self._loop.time())
        assert not effects, effects
        self._set_timer()

    # The client's pace.

    def _backlog(self) -> int:
        """Bytes on their way to the client that it has not taken."""
        io = self._handler.transports.get(self._handler.client)
        transport = getattr(io and io.writer, "transport", None)
        written = transport.get_write_buffer_size() if transport else self._undrained
        return self._unprocessed + self._stream.buffered_bytes() + int(written)

    async def _wait_for_client(self) -> None:
        while (waiting := self._backlog()) > HIGH_WATER:
            self._apply_without_effects(partial(self.exchange.on_client_backlog, waiting))
            self._client_progress.clear()
            await self._handler.drain_writers()
            self._undrained = 0
            if self._backlog() > HIGH_WATER and (self._unprocessed or self._stream.buffered_bytes()):
                with self._stream.notified_of_client(
                    self
                ):  # what the socket alone holds, another stream's perhaps, nobody tells
                    await self._client_progress.wait()
        self._apply_without_effects(partial(self.exchange.on_client_backlog, waiting))


def _raise_error(error: Exception, _: float) -> list[Effect]:
    raise error


def _no_effects(_: float) -> list[Effect]:
    return []


def _forget_frames(error: BaseException | None) -> None:
    """Libraries keep exceptions in frames that these lead to; such a cycle would hold the whole exchange."""
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


async def _drain(answer: aiohttp.ClientResponse) -> None:
    """Read what little may follow an answer's end, so that its connection is kept; a provider that goes on is cut
    off.
    """
    read = 0
    try:
        async with asyncio.timeout(DRAIN_TIMEOUT):
            async for data in answer.content.iter_any():
                read += len(data)
                if read > MAX_DRAIN_BYTES:
                    break
    except (TimeoutError, aiohttp.ClientError):
        answer.close()
