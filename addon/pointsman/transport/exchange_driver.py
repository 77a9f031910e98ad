"""The conductor of one exchange: it turns effects into tasks and timers, and what happens outside into inputs.

Every input that may cause effects enters through mitmproxy's connection handler, as mitmproxy's own injected messages
do, so that they are carried out within the client's layer and in order. A provider is read no faster than the
client's side takes what it sends.
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

from pointsman.domain.outbound import Outbound
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
from pointsman.transport.direct_write import plain_writer
from pointsman.transport.server_info import server_of
from pointsman.transport.stream_events import Input, Posted
from pointsman.transport.upstream_client import Dial, Providers, fault_of, line_of
from pointsman.transport.upstream_options import Outlet
from pointsman.transport.worker import Worker
from pointsman.wire.conversion.ir import Inconvertible
from pointsman.wire.errors import FaultKind, Problem

if TYPE_CHECKING:
    from pointsman.transport.stream import RoutedStream

logger = logging.getLogger(__name__)

DRAIN_BYTES = 64 * 1024
DRAIN_SECONDS = 1.0
"""How much, and how long, to read on after an answer's end so that its connection can be kept."""
PULSE = 1.0
"""Seconds between two looks at a client that does not read."""

type ClientEffect = Respond | Send | End | Abort


class Recorder(Protocol):
    """Is told what every attempt of an exchange sends and gets. `now` is the loop's clock."""

    def sent(self, n: int, request: Outbound, now: float) -> None: ...

    def head(self, n: int, status: int, headers: Headers) -> None: ...

    def data(self, n: int, data: bytes, now: float) -> None: ...

    def settled(self, record: AttemptRecord, server: Server) -> None: ...


class Conductor:
    """Lives from the request's end to the exchange's end; owns the exchange's tasks and its one timer."""

    def __init__(
        self,
        exchange: Exchange,
        stream: "RoutedStream",
        handler: ConnectionHandler,
        providers: Providers,
        outlet: Outlet,
        worker: Worker,
        recorder: Recorder | None = None,
    ) -> None:
        self.exchange = exchange
        self._worker = worker
        self._recorder = recorder
        self._stream = stream
        self._handler = handler
        self._providers = providers
        self._outlet = outlet
        self._loop = asyncio.get_running_loop()
        self.now = self._loop.time
        self.began = self.now()
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._released: set[int] = set()
        self._cancelled: set[int] = set()
        self._dials: dict[int, tuple[str, Dial]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._unread = 0
        self._undrained = 0
        """Bytes since the last drain, where the writer does not say what it holds."""
        self._pulse: asyncio.TimerHandle | None = None
        self._short_way: asyncio.StreamWriter | None = None
        """Open from the answer's head on."""
        self._taking: int | None = None
        """The attempt whose words are being passed on by the short way."""
        self._beat()
        self._room = asyncio.Event()

    # For the client's layer.

    def feed(self, given: Input) -> list[ClientEffect]:
        """Hand an input to the exchange. What concerns providers is done at once; what concerns the client is
        returned.
        """
        effects = given(self._loop.time())
        for_client = [effect for effect in effects if self._is_for_client(effect)]
        if self._timer is None or len(effects) != 1 or type(effects[0]) is not Send:
            self._set_timer()  # what is merely sent moves dates only later
        return for_client

    def _beat(self) -> None:
        """A client that waits is not idle, whatever mitmproxy thinks; and clocks that stood still for what another
        stream of the connection had to write go on.
        """
        if self.exchange.ended:
            return
        watchdog = self._handler.timeout_watchdog
        watchdog.register_activity()
        if self.exchange.stands_still and self._backlog() <= HIGH_WATER:
            asyncio_utils.create_task(self._post(self._look), name="exchange timer", keep_ref=True)
        self._pulse = self._loop.call_later(watchdog.timeout / 2, self._beat)
        if self.exchange.stands_still:
            self._quicken()

    def _quicken(self) -> None:
        """Otherwise the pulse is as slow as it may be: thousands of streams that wait should cost next to nothing."""
        if self._pulse is not None and self._pulse.when() > (soon := self._loop.time() + PULSE):
            self._pulse.cancel()
            self._pulse = self._loop.call_at(soon, self._beat)

    def take_shortcut(self, server: object) -> None:
        """The answer's head is out; `server` is the client's side of the layer."""
        self._short_way = plain_writer(self._stream.context, server, self._handler)

    def _took(self, size: int) -> None:
        """The layer has processed so many posted bytes."""
        self._unread -= size
        self._room.set()

    def client_moved(self) -> None:
        """The client has sent something: perhaps it opened its window."""
        self._room.set()

    def winning_server(self) -> Server | None:
        """The connection that the client's answer comes by."""
        n = self.exchange.winning
        return self._server(n) if n is not None else None

    def _server(self, n: int) -> Server:
        return server_of(*self._dials[n], self._outlet)

    def flow_killed(self) -> None:
        """Somebody has killed the flow: the stream sees that by the next event, and this is one."""
        asyncio_utils.create_task(self._post(_nothing), name="flow killed", keep_ref=True)

    async def give_up(self, problem: Problem) -> None:
        """End the exchange in the router's own words, and see them off."""
        await self._post(partial(self.exchange.give_up, problem))
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                await self._handler.drain_writers()

    def abandon(self) -> None:
        """The exchange is broken: whatever runs for it ends here."""
        for n in list(self._tasks):
            self._let_go(n, self._cancelled)
        for timer in (self._timer, self._pulse):
            if timer is not None:
                timer.cancel()

    def cut_off_client(self) -> None:
        """Close the client's socket without waiting for what it does not read."""
        io = self._handler.transports.get(self._handler.client)
        if transport := getattr(io and io.writer, "transport", None):
            transport.abort()

    # Effects.

    def _is_for_client(self, effect: Effect) -> TypeIs[ClientEffect]:
        """What is not is carried out here and now."""
        match effect:
            case Launch(n, request):
                self._begin(n, self._attempt(n, request))
            case LaunchLarge(n, make):
                self._begin(n, self._make(n, make))
            case Cancel(n):
                self._let_go(n, self._cancelled)
            case Release(n):
                self._let_go(n, self._released)
            case Settled(record, learnt):
                if self._recorder and record.n in self._dials:  # else nothing was sent: it did not convert
                    self._recorder.settled(record, self._server(record.n))
                if learnt:
                    logger.info(f"Pointsman: {learnt}")
            case _:
                return True
        return False

    def _let_go(self, n: int, among: set[int]) -> None:
        """Attempt `n` is over. It ends by itself where its own words have led to this; else it waits for bytes that may
        never come.
        """
        among.add(n)
        task = self._tasks.get(n)
        if task is not None and n != self._taking and task is not asyncio.current_task():
            task.cancel()

    def _begin(self, n: int, attempt: Coroutine[None, None, None]) -> None:
        name = f"attempt {n} of {self.exchange.call.request_id}"
        task = self._tasks[n] = asyncio_utils.create_task(attempt, name=name, keep_ref=True)
        task.add_done_callback(lambda _: self._tasks.pop(n, None))

    def _dial(self, n: int, request: Outbound) -> Dial:
        if self._recorder:
            self._recorder.sent(n, request, self._loop.time())
        dial = Dial(
            dialling=partial(self._tell, partial(self.exchange.dialling, n)),
            connected=partial(self._tell, partial(self.exchange.connected, n)),
        )
        self._dials[n] = request.url, dial
        return dial

    def _set_timer(self) -> None:
        """A timer that is set too early costs one idle tick; moving it at every byte would cost more."""
        due = self.exchange.deadline
        if due is not None and self.exchange.stands_still:
            self._quicken()
        if self._timer is not None:
            if due is not None and self._timer.when() <= due:
                return
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._timer = self._loop.call_at(due, self._alarm)
        elif self._pulse is not None and self.exchange.ended:
            self._pulse.cancel()

    def _alarm(self) -> None:
        self._timer = None
        asyncio_utils.create_task(self._post(self._look), name="exchange timer", keep_ref=True)

    def _look(self, now: float) -> list[Effect]:
        effects = self.exchange.client_slow(self._backlog(), now)  # who has taken anything in the meantime is not stuck
        due = self.exchange.deadline
        return effects + self.exchange.tick(now) if due is not None and due <= now else effects

    # Inputs.

    async def _make(self, n: int, make: Callable[[], Outbound]) -> None:
        try:
            request = await self._worker.run(make)
        except Inconvertible as error:
            await self._post(partial(self.exchange.not_made, n, str(error)))
            return
        except Exception as error:
            logger.exception(f"The router failed to make attempt {n} of exchange {self.exchange.call.request_id}.")
            await self._post(partial(self.exchange.not_made, n, type(error).__name__))
            return
        self._tell(partial(self.exchange.made, n))
        attempt = self._attempt(n, request)
        del make, request  # nothing here holds on to the whole request for as long as the answer lasts
        await attempt

    async def _attempt(self, n: int, request: Outbound) -> None:
        exchange, sending = self.exchange, self._providers.send(request, self._outlet, self._dial(n, request))
        del request
        try:
            async with sending as answer:
                headers = {name.lower(): value for name, value in answer.headers.items()}
                self._tell(partial(exchange.head, n, answer.status, headers))
                if self._recorder:
                    self._recorder.head(n, answer.status, tuple(answer.headers.items()))
                async for data in answer.content.iter_any():
                    is_last = answer.content.at_eof()
                    await self._hear(n, data, is_last)
                    if is_last:
                        return
                    if self._short_way is not None:
                        await self._listen(n, answer)
                    if n in self._released:
                        await _drain(answer)
                    if n in self._released or n in self._cancelled:
                        return
                    if self._backlog() > HIGH_WATER:
                        await self._wait_for_client()
                await self._post(partial(exchange.end, n))
        except Exception as error:
            kind, message = fault_of(error)
            if kind is FaultKind.INTERNAL:
                logger.exception(f"Attempt {n} of exchange {exchange.call.request_id} failed inside the router.")
            _forget_frames(error)
            await self._post(partial(exchange.failed, n, kind, message))

    async def _post(self, given: Input, size: int = 0) -> None:
        self._unread += size
        try:
            await self._handler.server_event(Posted(self._stream, given, partial(self._took, size)))
        except asyncio.CancelledError:  # while it waited for its turn: nobody will take it
            self._took(size)
            raise

    async def _hear(self, n: int, data: bytes, is_last: bool) -> None:
        """The long way, on which an answer's beginning goes, and at once the whole of most answers that are short."""
        if self._recorder:
            self._recorder.data(n, data, self._loop.time())
        heard = self.exchange.last_data if is_last else self.exchange.data
        await self._post(partial(heard, n, data), len(data))
        self._undrained += len(data)

    async def _listen(self, n: int, answer: aiohttp.ClientResponse) -> None:
        """As long as nothing stands in the way, what the provider says goes on by the short way, within the very call
        that brings it: no task has to wake up for it. What else follows from it goes the long way.
        """
        over, content, line = self._loop.create_future(), answer.content, line_of(answer)
        if line is None or n in self._released | self._cancelled or self._stream.is_killed:
            return

        def take() -> None:
            if over.done() or self._taking is not None:
                return
            self._taking, goes_on = n, True
            try:
                while goes_on and content.exception() is None and (data := content.read_nowait()):
                    goes_on = self._take(n, data)  # and reading has made room: what waits to be unpacked follows
                if not goes_on or content.exception() is not None or content.at_eof():
                    over.set_result(None)
            except Exception as error:
                over.set_result(error)
            finally:
                self._taking = None

        with line.heard_by(take):
            take()
            error = await over
        if error or self._stream.has_left:
            await self._post(partial(_raise, error) if error else _nothing)

    def _take(self, n: int, data: bytes) -> bool:
        """Passes a piece on. Returns whether the next one may go in the same way."""
        writer = self._short_way
        assert writer is not None
        if self._recorder:
            self._recorder.data(n, data, self._loop.time())
        self._undrained += len(data)
        pieces = self._stream.relay(partial(self.exchange.data, n, data))
        if pieces and not writer.is_closing():
            writer.write(pieces)
        self._handler.timeout_watchdog.register_activity()
        is_over = n in self._released or n in self._cancelled
        return not (is_over or self._stream.has_left or self._stream.is_killed or self._backlog() > HIGH_WATER)

    def _tell(self, given: Input) -> None:
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
        return self._unread + self._stream.buffered() + int(written)

    async def _wait_for_client(self) -> None:
        while (waiting := self._backlog()) > HIGH_WATER:
            self._tell(partial(self.exchange.client_slow, waiting))
            self._room.clear()
            await self._handler.drain_writers()
            self._undrained = 0
            if self._backlog() > HIGH_WATER and (self._unread or self._stream.buffered()):
                with self._stream.hungry(self):  # what the socket alone holds, another stream's perhaps, nobody tells
                    await self._room.wait()
        self._tell(partial(self.exchange.client_slow, waiting))


def _raise(error: Exception, _: float) -> list[Effect]:
    raise error


def _nothing(_: float) -> list[Effect]:
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
        async with asyncio.timeout(DRAIN_SECONDS):
            async for data in answer.content.iter_any():
                read += len(data)
                if read > DRAIN_BYTES:
                    break
    except (TimeoutError, aiohttp.ClientError):
        answer.close()
