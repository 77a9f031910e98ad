"""Budgets of several instances, message by message: calls wait, are run late or twice, and replies are lost, while the
requests that wait for them go on. In virtual time, with the real scripts on a real server.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointsman.clients.budgets import Estimate
from pointsman.shared.part import Call
from shared.lease_world import Engine, Instance
from shared.test_budget_leases import LIMIT, Router, World
from support.valkey import Valkey

ROUNDS = 4
"""Times that a request asks, as in the router."""
MANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@dataclass(eq=False)
class Batch:
    """Calls in one pipeline. `asked` are the requests that wait for their replies."""

    calls: list[Call]
    asked: list["Request"] = field(default_factory=list)
    replies: list[Any] | None = None
    """None: the engine has not run them yet."""


@dataclass(eq=False)
class Request:
    """One that is prepared, and then opened."""

    amount: int
    rounds: Iterator[list[Call]]
    is_ready: bool = False
    has_asked_again: bool = False
    had_room: bool = True
    """At every moment since it came."""


class Talking(Router):
    """An instance with the connection of its ticks, and the one of its questions."""

    def __init__(self, instance: Instance, name: str) -> None:
        super().__init__(instance, name)
        self.ticks, self.questions = deque[Batch](), deque[Batch]()
        self.requests: list[Request] = []
        self.lost: list[Call] = []
        """Calls of connections that have broken, which the engine may still run."""
        self.shared.turn(self.wall)
        instance.connect(self.shared)

    # Requests.

    def come(self, amount: int) -> None:
        request = Request(amount, iter(()))
        request.rounds = self._rounds(request)
        self.requests.append(request)
        self._go_on(request)

    def _rounds(self, request: Request) -> Iterator[list[Call]]:
        """As `SharedRouting` prepares a request."""
        sharing = self.instance.sharing
        for _ in range(ROUNDS):
            if not sharing.gives_leases(self.instance.now):
                return
            sharing.keep_demand(self.instance.now)
            if not self.lacks(request.amount):
                return
            calls = [each.call(self.instance.time) for each in sharing.needs(self.instance.now)]
            if not calls:
                return
            yield [call for call in calls if call]
        self.give_up(request)

    def give_up(self, request: Request) -> None:
        sharing = self.instance.sharing
        if sharing.gives_leases(self.instance.now):
            sharing.keep_demand(self.instance.now)
            self.lacks(request.amount)
            for each in sharing.lacking:
                each.on_unanswered()

    def _go_on(self, request: Request) -> None:
        calls = next(request.rounds, None)
        if calls is None:
            request.is_ready = True
        else:
            self.questions.append(Batch(calls, [request]))

    def lose_patience(self) -> None:
        """No reply has come in time to what was asked."""
        for batch in self.questions:
            for request in batch.asked:
                self.give_up(request)
                request.is_ready = True
            batch.asked = []

    def open(self, must_begin: bool = True) -> None:
        """The request that is ready begins, or is refused. `must_begin`: if there was room."""
        request = next((each for each in self.requests if each.is_ready), None)
        if request is None:
            return
        if not request.has_asked_again:
            request.has_asked_again, request.is_ready = True, False
            request.rounds = self._rounds(request)
            self._go_on(request)
            if not request.is_ready:
                return
        self.requests.remove(request)
        if self.lacks(request.amount):
            assert not (must_begin and request.had_room), f"{request.amount} refused"
        else:
            self.running.append(self.account.reserve(Estimate(0, request.amount), self.wall))

    # Messages.

    def begin_tick(self, looks: bool = False) -> None:
        """`looks`: also at what is not in use."""
        if self.instance.place.is_connected and not self.ticks:
            sharing = self.instance.sharing
            calls = list(sharing.due_calls(self.instance.time))
            if looks:
                resting = [each.call(self.instance.time) for each in self.shared if each not in sharing.active]
                calls += [call for call in resting if call]
            self.ticks.append(Batch(calls))

    def run(self, batches: deque[Batch]) -> None:
        """The engine runs what has come first."""
        if batch := next((each for each in batches if each.replies is None), None):
            batch.replies = [self.instance.engine.run(call) for call in batch.calls]

    def receive(self, batches: deque[Batch]) -> None:
        if not batches or batches[0].replies is None:
            return
        batch = batches.popleft()
        for call, reply in zip(batch.calls, batch.replies or (), strict=True):
            call.on_reply(reply, self.instance.time)
        for request in batch.asked:
            self._go_on(request)

    def break_questions(self) -> None:
        self.lost += [call for batch in self.questions for call in batch.calls]
        self.lose_patience()
        self.questions.clear()

    def break_off(self) -> None:
        """Both connections."""
        self.lost += [call for batch in self.ticks for call in batch.calls]
        self.ticks.clear()
        self.instance.cut_off(self.shared)
        self.break_questions()

    def come_back(self) -> None:
        if not self.instance.place.is_connected:
            self.instance.connect(self.shared)

    def run_lost(self) -> None:
        for call in self.lost:
            self.instance.engine.run(call)
        self.lost.clear()


class MessageWorld(World):
    def __init__(self, engine: Engine, count: int) -> None:
        engine.redis.flushall()
        engine.now = 0.0
        super().__init__(engine, count)
        self.routers: list[Talking] = [Talking(each.instance, each.name) for each in self.routers]  # type: ignore[misc]
        self.watch()

    def crash(self, which: int) -> None:
        """It starts again, with what its ledger holds. Its calls may still come."""
        old = self.routers[which]
        old.break_off()
        self._starts += 1
        instance = Instance(self.engine, f"i+{self._starts}", old.instance.instances, old.instance.offset)
        new = self.routers[which] = Talking(instance, old.name)
        new.ledger.restore([replace(lease.window, reserved_tokens=0, shared=()) for lease in old.shared])
        new.shared.turn(new.wall)
        new.lost = old.lost

    def restart_engine(self, snapshot: dict[bytes, bytes]) -> None:
        """All connections break."""
        self.engine.restart(snapshot)
        for router in self.routers:
            router.lost.clear()
            router.break_off()
            router.lost.clear()
            router.instance.connect(router.shared, is_new_engine=True)

    def swap_engine(self) -> None:
        """A new one, before any router has noticed that the old one is gone: connections break between two calls."""
        self.engine.restart({})
        for router in self.routers:
            router.ticks.clear()
            router.break_questions()
            router.lost.clear()
            if router.instance.place.is_connected:
                router.instance.connect(router.shared, is_new_engine=True)

    def end_all(self) -> None:
        """Every message comes, every request begins, and everything ends."""
        for router in self.routers:
            router.run_lost()
            router.come_back()
            while router.requests:
                for batches in (router.ticks, router.questions):
                    router.run(batches)
                    router.receive(batches)
                router.open(must_begin=False)
            while router.running:
                router.settle(1.0)
            while router.ticks:
                router.run(router.ticks)
                router.receive(router.ticks)
        for _ in range(12):
            self.engine.now += 0.5
            for router in self.routers:
                router.begin_tick(looks=True)
                router.run(router.ticks)
                router.receive(router.ticks)

    def watch(self) -> None:
        """For which requests there is room, as the engine has it, or without it."""
        for router in self.routers:
            room = LIMIT - router.own() - router.reserved() - self._of_others(router)
            if not router.instance.sharing.gives_leases(router.instance.now):
                room = min(room, LIMIT // len(self.routers) - self.used())
            for request in router.requests:
                request.had_room = request.had_room and request.amount <= room

    def _of_others(self, router: Talking) -> int:
        """What the others use or have leased, and their shares."""
        return sum(self._of_other(each) for each in self.routers if each is not router)

    def _of_other(self, router: Talking) -> int:
        [lease] = router.shared
        key = router.instance.engine.redis.hgetall(lease.key)
        leased = key.get(f"l:{router.instance.name}".encode(), b"0 0").split()
        ceiling = int(leased[0]) if int(leased[1]) / 1000 > 1_700_000_000 + self.engine.now else 0
        return max(ceiling, lease.ceiling, router.own() + router.reserved())


STEPS = st.one_of(
    st.tuples(st.just("come"), st.integers(0, 2), st.sampled_from((1, 5, 20))),
    st.tuples(st.just("open"), st.integers(0, 2), st.none()),
    st.tuples(st.just("settle"), st.integers(0, 2), st.sampled_from((0.0, 0.5, 1.0))),
    st.tuples(st.sampled_from(("tick", "impatient")), st.integers(0, 2), st.none()),
    st.tuples(st.sampled_from(("run", "receive")), st.integers(0, 2), st.booleans()),
    st.tuples(st.sampled_from(("run", "receive")), st.integers(0, 2), st.booleans()),
    st.tuples(st.just("wait"), st.just(0), st.sampled_from((0.001, 0.06, 0.6, 2.5))),
    st.tuples(st.sampled_from(("lose", "break", "back", "late", "swap")), st.integers(0, 2), st.none()),
)


BREAKS = st.one_of(
    st.tuples(st.just("crash"), st.integers(0, 2), st.none()),
    st.tuples(st.sampled_from(("save", "empty", "old")), st.just(0), st.none()),
)


def do(world: MessageWorld, what: str, which: int, how: Any, must_begin: bool = True) -> None:
    router = world.routers[which % len(world.routers)]
    match what:
        case "come":
            router.come(how)
        case "open":
            router.open(must_begin)
        case "settle":
            router.settle(how)
        case "tick":
            router.begin_tick()
        case "impatient":
            router.lose_patience()
        case "run":
            router.run(router.ticks if how else router.questions)
        case "receive":
            router.receive(router.ticks if how else router.questions)
        case "wait":
            world.engine.now += how
        case "lose":
            router.break_questions()
        case "break":
            router.break_off()
        case "back":
            router.come_back()
        case "late":
            router.run_lost()
        case "swap":
            world.swap_engine()
        case "crash":
            world.crash(which % len(world.routers))
        case "save":
            world.saved = world.engine.snapshot()
        case "empty" | "old":
            world.restart_engine(world.saved if what == "old" else {})
        case _:
            raise ValueError(what)
    world.watch()


def all_of(world: MessageWorld, steps: Sequence[tuple[str, Any]]) -> list[int]:
    """What runs at the first router after these steps there."""
    for what, how in steps:
        do(world, what, 0, how)
    return [each.tokens for each in world.routers[0].running]


def test_a_reply_to_an_older_call_does_not_end_the_share_of_a_request(engine: Valkey) -> None:
    steps = [("tick", None), ("come", 5), ("impatient", None), ("run", True), ("receive", True), ("open", None)]
    assert all_of(MessageWorld(Engine(engine.port), 2), steps) == [5]


def test_a_request_asks_again_for_what_others_have_taken_meanwhile(engine: Valkey) -> None:
    steps = [("come", 20), ("run", False), ("receive", False), ("come", 20), ("open", None), ("open", None)]
    steps += [("run", False), ("receive", False), ("open", None)]
    assert all_of(MessageWorld(Engine(engine.port), 2), steps) == [20, 20]


def test_a_share_lasts_until_there_is_a_lease_in_its_place(engine: Valkey) -> None:
    steps = [("break", None), ("back", None), ("tick", None), ("come", 5), ("open", None)]
    assert all_of(MessageWorld(Engine(engine.port), 2), steps) == [5]


def test_a_new_engine_without_waiting_instances_leaves_each_its_share(engine: Valkey) -> None:
    steps = [("swap", None), ("come", 5), ("open", None), ("wait", 1.9), ("come", 20), ("open", None)]
    assert all_of(MessageWorld(Engine(engine.port), 2), steps) == [5, 20]


async def test_a_request_with_room_is_never_refused(engine: Valkey) -> None:
    served = Engine(engine.port)

    @MANY
    @given(st.lists(STEPS, max_size=60), st.integers(1, 2))
    def holds(steps: Sequence[tuple[str, int, Any]], count: int) -> None:
        world = MessageWorld(served, count)
        for step in steps:
            do(world, *step)

    holds()


async def test_whatever_is_lost_all_is_right_once_it_is_quiet(engine: Valkey) -> None:
    served = Engine(engine.port)

    @MANY
    @given(st.lists(st.one_of(STEPS, BREAKS), max_size=60), st.integers(1, 3))
    def holds(steps: Sequence[tuple[str, int, Any]], count: int) -> None:
        world = MessageWorld(served, count)
        for step in steps:
            do(world, *step, must_begin=False)
        world.end_all()
        spent = sum(each.own() for each in world.routers)
        for router in world.routers:
            [line] = router.account.lines(router.wall)
            assert (line.spent, line.reserved, line.left) == (spent, 0, LIMIT - spent)
        for router in world.routers:
            if spent < LIMIT:
                assert router.begin(LIMIT - spent)
                router.settle(0.0)
                router.instance.tick()

    holds()
