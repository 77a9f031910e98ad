"""Several instances that lease from a real engine. Its clock is a key of its own, so all of it runs in virtual time."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from redis import Redis

from pointsman.shared.leases.scripts import CLOCK
from pointsman.shared.leases.sharing import SETTLING, Leased, Sharing
from pointsman.shared.part import Call, Script, SharedTime

VIRTUAL = "local ms = tonumber(redis.call('GET', 'clock')) local time = {math.floor(ms / 1000), ms % 1000 * 1000}"
EPOCH = 1_700_000_000.0
"""What the engine's clock shows at 0."""


@dataclass
class Place:
    """As much of a hub as leases see."""

    instance: str
    instances: int
    is_connected: bool = True

    def key(self, *names: str) -> str:
        return "{" + ":".join(("test", *names)) + "}"


class Engine:
    """A real server; `now` is its clock."""

    def __init__(self, port: int) -> None:
        self.redis = Redis(port=port, protocol=2)
        self.redis.flushall()
        self._loaded: dict[Script, str] = {}
        self.now = 0.0

    def run(self, call: Call) -> Any:
        if call.script not in self._loaded:
            assert CLOCK in call.script.text
            self._loaded[call.script] = self.redis.script_load(call.script.text.replace(CLOCK, VIRTUAL))
        self.redis.set("clock", round((EPOCH + self.now) * 1000))
        return self.redis.evalsha(self._loaded[call.script], len(call.keys), *call.keys, *call.args)

    def snapshot(self) -> dict[bytes, bytes]:
        return {key: self.redis.dump(key) for key in self.redis.keys("{*")}

    def restart(self, snapshot: dict[bytes, bytes]) -> None:
        """With what was saved then."""
        self.redis.flushdb()
        for key, value in snapshot.items():
            self.redis.restore(key, 0, value)


@dataclass
class Instance:
    """Its clock is ahead of the engine's by `offset` seconds."""

    engine: Engine
    name: str
    instances: int
    offset: float
    late: list[Call] = field(default_factory=list)
    """Calls that the engine gets later."""

    def __post_init__(self) -> None:
        self.place = Place(self.name, self.instances)
        self.sharing = Sharing(self.place, self.time)

    @property
    def time(self) -> SharedTime:
        now = self.engine.now + self.offset
        return SharedTime(now, EPOCH + self.engine.now, EPOCH + self.engine.now)

    @property
    def now(self) -> float:
        return self.time.now

    def tick(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        """`meanwhile` happens before the replies come."""
        if self.place.is_connected:
            calls = list(self.sharing.due_calls(self.time))
            replies = [self.engine.run(call) for call in calls]
            meanwhile()
            for call, reply in zip(calls, replies, strict=True):
                call.on_reply(reply, self.time)

    def ask(self) -> None:
        """As a request does that lacks something."""
        self._run(filter(None, (each.call(self.time) for each in self.sharing.needs(self.now))))

    def ask_in_vain(self, is_run_later: bool) -> None:
        """The reply is lost; the engine runs the calls now, or after others."""
        for call in filter(None, (each.call(self.time) for each in self.sharing.needs(self.now))):
            if is_run_later:
                self.late.append(call)
            else:
                self.engine.run(call)

    def run_late(self) -> None:
        for call in self.late:
            self.engine.run(call)
        self.late.clear()

    def cut_off(self, leases: Iterable[Leased]) -> None:
        if self.place.is_connected:
            self.place.is_connected = False
            for leased in leases:
                leased.on_disconnected(self.now)

    def connect(self, leases: Iterable[Leased], is_new_engine: bool = False) -> None:
        if is_new_engine:
            self.sharing.settled_at = self.now + SETTLING
        self.sharing.clock = self.time
        self.place.is_connected = True
        for leased in leases:
            leased.on_connected()
            self.sharing.active[leased] = None

    def _run(self, calls: Iterable[Call]) -> None:
        for call in calls:
            call.on_reply(self.engine.run(call), self.time)


class Asking(Protocol):
    """What takes from a limit at one instance."""

    instance: Instance

    def lacks(self, amount: int) -> bool: ...


def one_step(router: Asking, leases: Iterable[Leased], what: str, how: Any) -> None:
    """Those that are the same whatever is leased."""
    match what:
        case "tick":
            router.instance.tick()
        case "lose":
            router.lacks(1)
            router.instance.ask_in_vain(how)
        case "late":
            router.instance.run_late()
        case "cut":
            router.instance.cut_off(leases)
        case "connect":
            router.instance.connect(leases)
        case _:
            raise ValueError(what)


def instances(engine: Engine, count: int) -> list[Instance]:
    return [Instance(engine, f"i{n}", count, 1000.0 * (n + 1)) for n in range(count)]


def advance(all_instances: Iterable[Instance], engine: Engine, seconds: float, each: Callable[[], object]) -> None:
    """Tick by tick; `each` is called after each."""
    for _ in range(round(seconds / 0.25)):
        engine.now += 0.25
        for instance in all_instances:
            instance.tick()
        each()
