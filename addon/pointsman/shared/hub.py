"""The hub: what one instance publishes and applies, tick by tick. Sans-io; `task` carries it out."""

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pointsman.shared.exchange_script import ALIVE, EXCHANGE, LEAVE, ExchangeReply
from pointsman.shared.part import Call, Delta, Part, Refused, SharedState, SharedTime

MAX_ENTRY = 16_384
"""Bytes of deltas in one entry of the stream; a single delta may be larger."""
MAX_ENTRIES_A_TICK = 8
MAX_WAITING = 100_000
"""Deltas that wait to be sent; the oldest go first, and the memory is published again once they are sent."""
REPUBLISH_PAUSE = 1.0
"""Seconds between two publications of the whole memory."""
CLOSE_ENOUGH, LENGTHENING = 1.5, 1.05
"""A round trip that is not much longer than the shortest one sets the clock; the shortest one counts less each tick."""
SHORTEST = 0.001
"""Seconds; how much shorter it was does not matter."""
HUB = "hub"
PUBLISH = Delta(HUB, b'"publish"')
"""Asks the peers to publish all they know."""


@dataclass(frozen=True, slots=True)
class Tick:
    """One round of calls, in one pipeline. The first is the exchange of deltas."""

    calls: Sequence[Call]
    deltas: Sequence[Delta]
    """Those that it appends."""

    @property
    def is_idle(self) -> bool:
        """There is nothing to tell or to ask here."""
        return not self.deltas and len(self.calls) == 1


class Hub:
    """`instance` is this one's name, new at each start. `fresh_name` makes random names."""

    def __init__(self, prefix: str, instance: str, fresh_name: Callable[[], str], parts: Iterable[Part] = ()) -> None:
        self.prefix, self.instance, self._fresh_name = prefix, instance, fresh_name
        self.parts: dict[str, Part] = {}
        for part in parts:
            self.register(part)
        self.state = SharedState.DEGRADED
        self.instances = 1
        """Alive at the last tick, this one included."""
        self._known_before, self._known_until = 1, float("-inf")
        self.reason = "not connected yet"
        """Why it is degraded."""
        self.on_fault: Callable[[str, str], None] = lambda _, __: None
        """Called with the name of a script, and what is wrong with it or with its reply."""
        self.malformed = 0
        """Deltas that could not be read."""
        self.has_more = False
        """The stream has more to read."""
        self.is_quiet = False
        """In the last tick there was nothing to tell or to ask here, and nothing new in the stream."""
        self.asker: Callable[[Sequence[Call]], Awaitable[bool]] | None = None
        """Runs calls for a request that waits for them; see `prepare`."""
        self.hasten: Callable[[], None] = lambda: None
        """Has the next tick come at once if it may: a peer may soon need what has changed."""
        self._offset: float | None = None
        """Seconds by which the engine's clock is ahead of the routing clock."""
        self._round_trip = float("inf")
        """The shortest of late, in seconds: its reply gives the engine's time most precisely."""
        self.last = b"0-0"
        """The entry of the stream that was read last."""
        self._epoch, self._ticks, self._own_ticks, self._checks_gap = b"", 0, 0, True
        self._waiting: deque[Delta] = deque(maxlen=MAX_WAITING)
        self._publish_due = False
        self._published = float("-inf")

    def register(self, part: Part) -> None:
        self.parts[part.name] = part

    def key(self, *names: str) -> str:
        """A key of the engine whose hash tag is made of all these names: `{pointsman:limits:x}`."""
        return "{" + ":".join((self.prefix, *names)) + "}"

    @property
    def stream(self) -> str:
        """The key of what all instances tell."""
        return f"{{{self.prefix}}}:deltas"

    @property
    def is_connected(self) -> bool:
        return self.state is SharedState.CONNECTED

    def time(self, now: float, wall: float) -> SharedTime:
        """This moment on all clocks; until the engine has told its time, it is taken to be the wall's."""
        return SharedTime(now, wall, wall if self._offset is None else now + self._offset)

    async def prepare(self, calls: Sequence[Call]) -> bool:
        """Run calls whose replies a request waits for, on a connection of their own, for 10 ms at most. Returns whether
        all of them were answered. Never waits while the engine does not answer.
        """
        if not calls or self.asker is None or self.state is not SharedState.CONNECTED:
            return False
        return await self.asker(calls)

    # Ticks.

    def begin_tick(self, now: SharedTime) -> Tick:
        """The calls of this tick. Before the engine has answered, it is the exchange alone."""
        sent: list[Delta] = []
        entries: list[bytes] = []
        calls: list[Call] = []
        if self.is_connected:
            self._collect(now)
            entries = list(self._take_entries(sent))
            calls = [call for part in self.parts.values() for call in part.calls(now)]
        ticks = self._ticks, self._own_ticks
        args = (self.instance, *ticks, self._epoch, self._fresh_name(), self.last, int(self._checks_gap))
        keys = [f"{{{self.prefix}}}:instances", self.stream, f"{{{self.prefix}}}:engine"]
        return Tick([Call(EXCHANGE, keys, (*args, *entries)), *calls], sent)

    def end_tick(self, tick: Tick, replies: Sequence[Any], sent: SharedTime, received: SharedTime) -> None:
        """`replies` are those of its calls, in order; `sent` and `received` are taken around it."""
        reply = ExchangeReply.from_reply(replies[0])
        is_new, was_connected = reply.epoch != self._epoch, self.is_connected
        self._set_clock(reply.server, sent.now, received.now, is_new)
        now = self.time(received.now, received.wall)
        self.is_quiet = tick.is_idle and reply.last == self.last
        self._epoch, self.last = reply.epoch, reply.last
        self._ticks, self._own_ticks = reply.ticks, reply.own_ticks
        self._count_instances(reply.instances, is_new or not was_connected, now.now)
        self.has_more, self._checks_gap = reply.is_page_full, False
        if is_new or not was_connected:
            self._on_connected(now, is_new)
        if is_new or reply.has_gap:
            self._waiting.append(PUBLISH)
        for entry in reply.entries:
            self._apply(entry, now)
        self.apply(tick.calls[1:], replies[1:], now)

    def apply(self, calls: Sequence[Call], replies: Sequence[Any], now: SharedTime) -> None:
        """The replies of calls, in order. One that is refused, or cannot be applied, is told; the others count."""
        for call, reply in zip(calls, replies, strict=True):
            if isinstance(reply, Refused):
                self.on_fault(call.script.name, f"the engine does not run it: {reply.reason}")
                continue
            try:
                call.on_reply(reply, now)
            except Exception as error:
                self.on_fault(call.script.name, f"its reply is not understood: {type(error).__name__}: {error}")

    def on_lost(self, tick: Tick | None, reason: str, now: SharedTime) -> bool:
        """The engine did not answer, perhaps in the midst of this tick, whose deltas are sent again. Returns whether
        this is new.
        """
        if tick:
            self._publish_due = self._publish_due or len(self._waiting) + len(tick.deltas) > MAX_WAITING
            self._waiting.extendleft(reversed(tick.deltas))
        was_connected, self.state, self.reason = self.is_connected, SharedState.DEGRADED, reason
        self._checks_gap, self.has_more, self.is_quiet = True, False, False
        if was_connected:
            for part in self.parts.values():
                part.on_disconnected(now)
        return was_connected

    def leaving(self) -> Call:
        """The last call of an instance that ends."""
        return Call(LEAVE, (f"{{{self.prefix}}}:instances",), (self.instance,))

    def _count_instances(self, alive: int, is_reconnected: bool, now: float) -> None:
        """After a reconnection the others may come back a little later: until then, those known before count."""
        if is_reconnected:
            self._known_before, self._known_until = self.instances, now + ALIVE
        self.instances = max(1, alive, self._known_before if now < self._known_until else 0)

    def _set_clock(self, server: float, sent: float, received: float, is_new: bool) -> None:
        """Measures of the clock of an earlier engine do not count for a new one."""
        round_trip = received - sent
        self._round_trip = round_trip if is_new else min(round_trip, LENGTHENING * max(SHORTEST, self._round_trip))
        if is_new or round_trip <= CLOSE_ENOUGH * self._round_trip:
            self._offset = server - (sent + received) / 2

    def _on_connected(self, now: SharedTime, is_new: bool) -> None:
        self.state, self.reason = SharedState.CONNECTED, ""
        for part in self.parts.values():
            part.on_connected(now, is_new)
        self._publish_due = self._publish_due or is_new

    def _collect(self, now: SharedTime) -> None:
        if self._publish_due and now.now - self._published >= REPUBLISH_PAUSE:
            self._publish_due, self._published = False, now.now
            for part in self.parts.values():
                part.publish_all(now)
        for part in self.parts.values():
            for delta in part.deltas(now):
                self._publish_due = self._publish_due or len(self._waiting) == MAX_WAITING
                self._waiting.append(delta)

    def _take_entries(self, sent: list[Delta]) -> Iterator[bytes]:
        """Each is lines of a part's name and a body."""
        for _ in range(MAX_ENTRIES_A_TICK):
            lines: list[bytes] = []
            size = 0
            while self._waiting and (not lines or size + len(self._waiting[0].body) < MAX_ENTRY):
                delta = self._waiting.popleft()
                sent.append(delta)
                lines.append(b"%b %b" % (delta.part.encode(), delta.body))
                size += len(lines[-1]) + 1
            if not lines:
                return
            yield b"\n".join(lines)

    def _apply(self, entry: bytes, now: SharedTime) -> None:
        for line in entry.split(b"\n"):
            name, _, body = line.partition(b" ")
            delta = Delta(name.decode(errors="replace"), body)
            if delta == PUBLISH:
                self._publish_due = True
            elif part := self.parts.get(delta.part):  # peers of another version may have other parts
                try:
                    part.on_delta(delta, now)
                except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
                    self.malformed += 1
