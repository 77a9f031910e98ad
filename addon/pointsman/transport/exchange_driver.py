"""The driver of one exchange: it turns effects into tasks and timers, and what happens outside into inputs.

The client's stream gets the effects that are for the client, and renders them.

Every input that may cause effects enters through mitmproxy's connection handler, as mitmproxy's own injected messages
do, so that they are executed within the client's layer and in order. A provider's answer is read no faster than the
client's side takes it.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Protocol, assert_never

import aiohttp
from mitmproxy.connection import Server
from mitmproxy.proxy.server import ConnectionHandler
from mitmproxy.utils import asyncio_utils

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
from pointsman.exchange.limit_wait import nothing_to_wake
from pointsman.transport.client_stream import ClientStream
from pointsman.transport.exchange_timers import ExchangeTimers
from pointsman.transport.flow_control import FlowControl
from pointsman.transport.large_answers import Place
from pointsman.transport.mitm_patches.direct_write import direct_writer, encode_chunk
from pointsman.transport.mitm_patches.provider_connection import ConnectionTrace, protocol_of
from pointsman.transport.server_info import describe_server
from pointsman.transport.stream_events import ExchangeInput
from pointsman.transport.upstream_client import UpstreamClient, fault_from_error
from pointsman.transport.upstream_options import UpstreamOptions
from pointsman.transport.worker import Worker
from pointsman.wire.conversion.ir import Inconvertible
from pointsman.wire.errors import FaultKind, Problem

logger = logging.getLogger(__name__)

MAX_DRAIN_BYTES = 64 * 1024
DRAIN_TIMEOUT = 1.0
"""How much, and how long, to read on after an answer's end so that its connection can be kept."""

type ClientEffect = Respond | Send | End | Abort


class AttemptObserver(Protocol):
    """Is told what every attempt of an exchange sends and gets. `now` is the loop's clock."""

    def on_request(self, n: int, request: UpstreamRequest, now: float) -> None: ...

    def on_head(self, n: int, status: int, headers: Headers) -> None: ...

    def on_data(self, n: int, data: bytes, now: float) -> None: ...

    def on_settled(self, record: AttemptRecord, server: Server) -> None: ...


class ExchangeDriver:
    """Lives from the request's end to the exchange's end; owns the exchange's tasks and timers."""

    def __init__(
        self,
        exchange: Exchange,
        stream: ClientStream,
        handler: ConnectionHandler,
        providers: UpstreamClient,
        upstream: UpstreamOptions,
        worker: Worker,
        recorder: AttemptObserver | None = None,
    ) -> None:
        self.exchange = exchange
        self._worker = worker
        self._observer = recorder
        self._stream, self._listener = stream, stream.responder
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
        self._flow_control = FlowControl(stream, handler)
        self._timers = ExchangeTimers(exchange, handler, self._flow_control)
        exchange.limit_wait.on_wake = self._timers.tick_soon
        self._deferred: list[ClientEffect] = []
        """Effects of direct writes that must go through the layers."""
        self._is_winner_reported = False
        self._is_end_reported = False
        self._direct_writer: asyncio.StreamWriter | None = None
        """Open from the answer's head on."""
        self._forwarding: int | None = None
        """The attempt whose data is being written directly."""

    # For the client's layer.

    def apply(self, given: ExchangeInput) -> list[ClientEffect]:
        """Hand an input to the exchange and execute its effects on providers. Returns what is now to be rendered for
        the client, in order.
        """
        self._deferred += self._apply(given)
        for_client, self._deferred = self._deferred, []
        return for_client

    @property
    def is_done(self) -> bool:
        """The exchange has ended, and the client's stream has been given all of it."""
        return self.exchange.ended and not self._deferred

    def enable_direct_write(self, server: object) -> None:
        """The answer's head is out; `server` is the client's side of the layer."""
        self._direct_writer = direct_writer(self._stream.context, server, self._handler)

    def winner_connection(self) -> Server | None:
        """The connection that the client's answer comes by."""
        n = self.exchange.winner_number
        return self._server_info(n) if n is not None else None

    def _server_info(self, n: int) -> Server:
        return describe_server(*self._traces[n])

    def on_flow_killed(self) -> None:
        """The flow was killed: the stream notices at the next event, and this is one."""
        asyncio_utils.create_task(self._flow_control.post(_no_effects), name="flow killed", keep_ref=True)

    async def fail_with(self, problem: Problem) -> None:
        """End the exchange in the router's own words, and see them off."""
        await self._flow_control.post(partial(self.exchange.fail_with, problem))
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_TIMEOUT):
                await self._handler.drain_writers()

    def discard(self) -> None:
        """The exchange is broken: whatever runs for it ends here."""
        for n in list(self._tasks):
            self._stop_attempt(n, self._cancelled)
        self._timers.close()

    def abort_client(self) -> None:
        """Close the client's socket without waiting for what it does not read."""
        io = self._handler.transports.get(self._handler.client)
        if transport := getattr(io and io.writer, "transport", None):
            transport.abort()

    # Effects.

    def _apply(self, given: ExchangeInput) -> list[ClientEffect]:
        effects = given(self._loop.time())
        for_client = self.execute(effects)
        if not self._timers.has_deadline or len(effects) != 1 or type(effects[0]) is not Send:
            self._timers.update()  # what is merely sent moves dates only later
        self._report()
        return for_client

    def execute(self, effects: list[Effect]) -> list[ClientEffect]:
        """Carry out the effects for providers and observers. Returns the others, in order."""
        for_client: list[ClientEffect] = []
        for effect in effects:
            match effect:
                case Send() | Respond() | End() | Abort():
                    for_client.append(effect)
                case Launch(n, request):
                    self._start_attempt(n, self._run_attempt(n, request))
                case LaunchLarge(n, make):
                    self._start_attempt(n, self._make_and_run(n, make))
                case Cancel(n):
                    self._stop_attempt(n, self._cancelled)
                case Release(n):
                    self._stop_attempt(n, self._released)
                case Settled(record, notice):
                    self._on_settled(record, notice)
                case _:
                    assert_never(effect)
        return for_client

    def _on_settled(self, record: AttemptRecord, notice: str | None) -> None:
        if self._observer and record.n in self._traces:  # else nothing was sent: it did not convert
            self._observer.on_settled(record, self._server_info(record.n))
        if notice:
            logger.info(f"Pointsman: {notice}")

    def _report(self) -> None:
        """Notify the stream, once each, of the winner and of the end of the exchange."""
        if not self._is_winner_reported and (server := self.winner_connection()):
            self._is_winner_reported = True
            self._listener.on_winner(server)
        if self.exchange.ended and not self._is_end_reported:
            self._is_end_reported = True
            self.exchange.limit_wait.on_wake = nothing_to_wake  # it leads back here, and would keep both in memory
            self._listener.on_exchange_ended(self.exchange)

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

    # Inputs.

    async def _make_and_run(self, n: int, make: Callable[[], UpstreamRequest]) -> None:
        try:
            request = await self._worker.run(make)
        except Inconvertible as error:
            await self._flow_control.post(partial(self.exchange.on_request_failed, n, str(error)))
            return
        except Exception as error:
            logger.exception(
                f"The router failed to make attempt {n} of exchange {self.exchange.client_request.request_id}."
            )
            await self._flow_control.post(partial(self.exchange.on_request_failed, n, type(error).__name__))
            return
        self._apply_without_effects(partial(self.exchange.on_request_ready, n))
        attempt = self._run_attempt(n, request)
        del make, request  # nothing here holds on to the whole request for as long as the answer lasts
        await attempt

    async def _run_attempt(self, n: int, request: UpstreamRequest) -> None:
        exchange, sending = self.exchange, self._client.send(request, self._upstream, self._new_trace(n, request))
        del request
        place = self._client.large_answers.place()
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
                        await self._forward_directly(n, answer, place)
                    if n in self._released:
                        await _drain(answer)
                    if n in self._released or n in self._cancelled:
                        return
                    await self._wait_for_place(n, place)
                    if self._flow_control.is_above_high_water:
                        await self._flow_control.wait(self._on_backlog)
                await self._flow_control.post(partial(exchange.on_end, n))
        except Exception as error:
            kind, message = fault_from_error(error)
            if kind is FaultKind.INTERNAL:
                logger.exception(
                    f"Attempt {n} of exchange {exchange.client_request.request_id} failed with an internal error."
                )
            _forget_frames(error)
            await self._flow_control.post(partial(exchange.on_connection_error, n, kind, message))
        finally:
            place.leave()

    async def _wait_for_place(self, n: int, place: Place) -> None:
        """Much of this answer is held: before it is read on, there must be room for more. No timer runs meanwhile."""
        if not place.has_room(self.exchange.held_bytes(n)):
            await place.take(on_wait=partial(self._on_backlog, HIGH_WATER + 1))
            self._on_backlog(self._flow_control.backlog())

    async def _forward_via_layers(self, n: int, data: bytes, is_last: bool) -> None:
        """Through the layers: an answer's beginning, and most short answers as a whole."""
        if self._observer:
            self._observer.on_data(n, data, self._loop.time())
        on_data = self.exchange.on_last_data if is_last else self.exchange.on_data
        await self._flow_control.post(partial(on_data, n, data), len(data))
        self._flow_control.on_sent(len(data))

    async def _forward_directly(self, n: int, answer: aiohttp.ClientResponse, place: Place) -> None:
        """As long as nothing stands in the way, what the provider says goes on by the short way, within the very call
        that brings it: no task has to wake up for it. What else follows from it goes the long way.
        """
        done, content, line = self._loop.create_future(), answer.content, protocol_of(answer)
        if line is None or n in self._released | self._cancelled or self._listener.is_killed:
            return

        def on_bytes() -> None:
            if done.done() or self._forwarding is not None:
                return
            self._forwarding, continues = n, True
            try:
                while continues and content.exception() is None and (data := content.read_nowait()):
                    # Reading has made room: what waits to be unpacked follows.
                    continues = self._forward_piece(n, data) and place.has_room(self.exchange.held_bytes(n))
                if not continues or content.exception() is not None or content.at_eof():
                    done.set_result(None)
            except Exception as error:
                done.set_result(error)
            finally:
                self._forwarding = None

        with line.notifying(on_bytes):
            on_bytes()
            error = await done
        if error or self._deferred:
            await self._flow_control.post(partial(_raise_error, error) if error else _no_effects)

    def _forward_piece(self, n: int, data: bytes) -> bool:
        """Passes a piece on. Returns whether the next one may go in the same way."""
        writer = self._direct_writer
        assert writer is not None
        if self._observer:
            self._observer.on_data(n, data, self._loop.time())
        self._flow_control.on_sent(len(data))
        pieces = self._encode(self._apply(partial(self.exchange.on_data, n, data)))
        if pieces and not writer.is_closing():
            for piece in pieces:
                writer.write(piece)
        self._handler.timeout_watchdog.register_activity()
        is_over = n in self._released or n in self._cancelled
        return not (is_over or self._deferred or self._listener.is_killed or self._flow_control.is_above_high_water)

    def _encode(self, effects: list[ClientEffect]) -> list[bytes]:
        """The client's bytes. What cannot be written directly waits for the next posted input, and all after it too."""
        pieces: list[bytes] = []
        for effect in effects:
            if isinstance(effect, Send) and not self._deferred:
                self._listener.capture_data(effect.data)
                pieces += encode_chunk(effect.data)
            else:
                self._deferred.append(effect)
        return pieces

    def _apply_without_effects(self, given: ExchangeInput) -> None:
        """An input that never causes effects needs no way through the layer."""
        effects = given(self._loop.time())
        assert not effects, effects
        self._timers.update()

    def _on_backlog(self, size: int) -> None:
        self._apply_without_effects(partial(self.exchange.on_client_backlog, size))


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
