"""The engine in virtual time: what the script of each tick does, with a clock that a test moves, and its faults."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from pointsman.shared.exchange_script import ALIVE, EXCHANGE, PAGE
from pointsman.shared.hub import Hub
from pointsman.shared.part import Call, Part, SharedTime

type Handler = Callable[[Call, "FakeEngine"], Any]


@dataclass
class Data:
    """What a restart may lose."""

    ticks: int = 0
    own_ticks: dict[str, int] = field(default_factory=dict)
    epoch: bytes = b""
    stream: list[tuple[int, str, bytes]] = field(default_factory=list)
    seen: dict[str, float] = field(default_factory=dict)
    other: dict[str, Any] = field(default_factory=dict)
    """For scripts of parts."""


class FakeEngine:
    """`now` is its clock. `handlers` run the scripts of parts, by their names."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now, self.data = now, Data()
        self.handlers: dict[str, Handler] = {}
        self._saved = Data()
        self._entries = count(1)

    def run(self, call: Call) -> Any:
        if call.script is EXCHANGE:
            return self._exchange(*call.args)
        return self.handlers[call.script.name](call, self)

    def next_entry(self) -> int:
        return next(self._entries)

    def save(self) -> None:
        self._saved = deepcopy(self.data)

    def restart(self, is_empty: bool) -> None:
        """Empty, or with what was saved."""
        self.data = Data() if is_empty else deepcopy(self._saved)

    def _exchange(
        self, me: Any, seen: Any, counted: Any, known: Any, fresh: Any, last: Any, checks: Any, *entries: Any
    ) -> list[Any]:
        data = self.data
        data.ticks += 1
        own = data.own_ticks.get(me)
        is_older = data.ticks <= seen or (own is not None and own < counted)
        own = data.own_ticks[me] = max(own or 0, counted) + 1
        if not data.epoch or is_older:
            data.epoch = fresh.encode()
        data.seen[me] = self.now
        data.seen = {name: at for name, at in data.seen.items() if at > self.now - ALIVE}
        place = int(last.split(b"-")[0]) if data.epoch == known else 0
        has_gap = int(bool(checks and place and not any(at <= place for at, _, _ in data.stream)))
        data.stream += [(self.next_entry(), me, entry) for entry in entries]
        read = [entry for entry in data.stream if entry[0] > place][:PAGE]
        if read:
            place = read[-1][0]
        others = [body for _, sender, body in read if sender != me]
        seconds, micros = divmod(round(self.now * 1e6), 1_000_000)
        ticks = data.ticks, own
        return [seconds, micros, len(data.seen), data.epoch, *ticks, b"%d-0" % place, len(read), has_gap, others]


class VirtualInstance:
    """One hub with its own clocks: its routing clock is `ahead` of the engine's."""

    def __init__(self, engine: FakeEngine, name: str, ahead: float, *parts: Part) -> None:
        self.engine, self.ahead = engine, ahead
        names = count()
        self.hub = Hub("test", name, lambda: f"{name}-{next(names)}", parts)

    @property
    def now(self) -> float:
        return self.engine.now + self.ahead

    @property
    def time(self) -> SharedTime:
        return self.hub.time(self.now, self.now + 5_000.0)

    def tick(self, fails: str = "") -> None:
        """`fails`: `before` the engine has run it, or `after`, when its answer is lost."""
        tick = self.hub.begin_tick(self.time)
        if fails != "before":
            replies = [self.engine.run(call) for call in tick.calls]
        if fails:
            self.hub.on_lost(tick, "lost", self.time)
        else:
            sent = self.time
            self.hub.end_tick(tick, replies, sent, sent)
