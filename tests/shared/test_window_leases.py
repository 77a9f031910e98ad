"""Sliding windows over several instances, in virtual time, with the real scripts on a real server."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointsman.shared.leases.scripts import WINDOW
from pointsman.shared.leases.window_lease import WindowLease
from shared.lease_world import Engine, Instance, instances, one_step
from support.valkey import Valkey

LIMIT, SPAN = 20, 60.0
QUICK = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
AMOUNTS = st.sampled_from((1, 1, 2, 8))
STEPS = st.one_of(
    st.tuples(st.just("use"), st.integers(0, 2), AMOUNTS),
    st.tuples(st.just("drain"), st.integers(0, 2), AMOUNTS),
    st.tuples(st.just("tick"), st.integers(0, 2), st.none()),
    st.tuples(st.just("cross"), st.integers(0, 2), AMOUNTS),
    st.tuples(st.just("ask"), st.integers(0, 2), AMOUNTS),
    st.tuples(st.just("ask"), st.integers(0, 2), AMOUNTS),
    st.tuples(st.just("wait"), st.just(0), st.sampled_from((0.01, 0.06, 0.3, 1.0, 3.0, 20.0))),
)
LOSSES = st.one_of(
    st.tuples(st.just("lose"), st.integers(0, 2), st.booleans()),
    st.tuples(st.just("late"), st.integers(0, 2), st.none()),
    st.tuples(st.just("correct"), st.integers(0, 2), AMOUNTS),
    st.tuples(st.just("crash"), st.integers(0, 2), st.none()),
)


@dataclass
class Use:
    """What a provider has seen."""

    at: float
    amount: int


@dataclass
class Router:
    """One instance and its part of the window."""

    instance: Instance
    limit: int
    lease: WindowLease = field(init=False)
    taken: list[tuple[Use, float]] = field(default_factory=list)
    """Each with the step it was counted in."""

    def __post_init__(self) -> None:
        self.lease = WindowLease(self.instance.sharing, ("limits", "a/m", "rpm"), SPAN)

    def lacks(self, amount: int) -> bool:
        return self.lease.window.frees_at(amount, self.limit, self.instance.now) > self.instance.now

    def use(self, amount: int) -> Use | None:
        if self.lacks(amount):
            return None
        use = Use(self.instance.engine.now, amount)
        self.taken.append((use, self.lease.window.add(amount, self.instance.now)))
        return use

    def correct(self, amount: int) -> None:
        """The last request has used less than was estimated."""
        if self.taken:
            use, step = self.taken.pop()
            less = max(0, use.amount - amount)
            use.amount -= less
            self.lease.window.correct(-less, step)


class World:
    def __init__(self, engine: Engine, count: int, limit: int = LIMIT) -> None:
        self.engine, self.limit = engine, limit
        self.routers = [Router(each, limit) for each in instances(engine, count)]
        self.uses: list[Use] = []
        self._crashed = 0

    def do(self, what: str, which: int, how: Any) -> None:
        router = self.routers[which % len(self.routers)]
        match what:
            case "use":  # all that is leased
                while use := router.use(how):
                    self.uses.append(use)
            case "ask":  # and more
                router.lacks(how)
                router.instance.ask()
                if use := router.use(how):
                    self.uses.append(use)
            case "drain":  # all of them take what they get
                for each in (*self.routers[which:], *self.routers[:which]):
                    for _ in range(2 * LIMIT):
                        self.do("ask", self.routers.index(each), how)
                    self.do("cross", self.routers.index(each), how)
            case "cross":
                router.instance.tick(lambda: self.do("use", which, how))
            case "wait":
                self.engine.now += how
            case "correct":
                router.correct(how)
            case "crash":
                self._crashed += 1
                old = router.instance
                new = Instance(self.engine, f"{old.name}+{self._crashed}", old.instances, old.offset, old.late)
                self.routers[which % len(self.routers)] = Router(new, self.limit)
            case _:
                one_step(router, [router.lease], what, how)

    def used(self) -> int:
        """What the provider counts in the last minute."""
        return sum(use.amount for use in self.uses if use.at > self.engine.now - SPAN)


async def test_the_limit_is_never_passed_while_connected(engine: Valkey) -> None:
    @QUICK
    @given(st.lists(st.one_of(STEPS, LOSSES), max_size=80), st.integers(2, 3), st.sampled_from((LIMIT, 10 * LIMIT)))
    def holds(steps: Sequence[tuple[str, int, Any]], count: int, limit: int) -> None:
        world = World(Engine(engine.port), count, limit)
        for step in steps:
            world.do(*step)
            assert world.used() <= limit, step

    holds()


async def test_who_is_cut_off_uses_its_share_at_most(engine: Valkey) -> None:
    breaks = st.tuples(st.sampled_from(("cut", "connect")), st.integers(0, 2), st.none())

    @QUICK
    @given(st.lists(st.one_of(STEPS, breaks), max_size=80), st.integers(2, 3))
    def holds(steps: Sequence[tuple[str, int, Any]], count: int) -> None:
        world, cut = World(Engine(engine.port), count), set[int]()
        for what, which, how in steps:
            if what == "cut":
                cut.add(which % count)
            world.do(what, which, how)
            assert world.used() <= LIMIT + len(cut) * max(LIMIT // count, 8)

    holds()


async def test_nothing_is_lost_for_good(engine: Valkey) -> None:
    """After a quiet minute the whole limit is there again, for one instance alone, whatever has crashed or was late."""

    @QUICK
    @given(st.lists(st.one_of(STEPS, LOSSES), max_size=40), st.integers(2, 3))
    def holds(steps: Sequence[tuple[str, int, Any]], count: int) -> None:
        world = World(Engine(engine.port), count)
        for step in steps:
            world.do(*step)
        for each in world.routers:
            each.instance.late.clear()
        for _ in range(2 * 70):
            world.engine.now += 0.5
            for each in world.routers:
                each.instance.tick()
        router = world.routers[0]
        for _ in range(LIMIT):
            world.do("ask", 0, 1)
        assert sum(use.amount for use in world.uses[-LIMIT:]) == world.used() == LIMIT
        assert router.lacks(1)

    holds()


async def test_all_see_what_all_have_used(engine: Valkey) -> None:
    @QUICK
    @given(st.lists(st.one_of(STEPS, LOSSES.filter(lambda step: step[0] == "correct")), max_size=40))
    def holds(steps: Sequence[tuple[str, int, Any]]) -> None:
        world = World(Engine(engine.port), 3)
        for step in steps:
            world.do(*step)
        for _ in range(2):
            world.engine.now += 1.1
            for each in world.routers:
                each.lease.touch()
                each.instance.tick()
        seen = {each.lease.window.used(each.instance.now) for each in world.routers}
        true = sum(use.amount for use in world.uses if use.at > world.engine.now - SPAN + 3)
        assert max(seen) - min(seen) <= sum(use.amount for use in world.uses) - true
        assert min(seen) >= true

    holds()


async def test_who_comes_back_says_what_it_has_used(engine: Valkey) -> None:
    """A lease that ends counts as used, until its instance is back."""
    world = World(Engine(engine.port), 2)
    world.do("ask", 0, 8)
    world.do("tick", 0, None)  # leases ahead
    held = world.routers[0].lease.left(world.routers[0].instance.now)
    world.engine.now += 5
    for _ in range(LIMIT):
        world.do("ask", 1, 1)
    assert held > 0
    assert world.used() == LIMIT - held
    world.do("tick", 0, None)
    world.engine.now += 1.1
    world.do("tick", 1, None)
    for _ in range(LIMIT):
        world.do("ask", 1, 1)
    assert world.used() == LIMIT


async def test_a_call_that_comes_after_a_newer_one_is_ignored(engine: Valkey) -> None:
    world = World(Engine(engine.port), 2)
    router = world.routers[0]
    router.lacks(1)
    router.instance.ask_in_vain(is_run_later=True)
    world.engine.now += 1.5
    world.do("ask", 0, 8)
    world.do("cross", 0, 1)
    before = world.engine.redis.hgetall(router.lease.keys[0])
    router.instance.run_late()
    assert world.engine.redis.hgetall(router.lease.keys[0]) == before


async def test_a_limit_that_the_provider_states_holds_for_all(engine: Valkey) -> None:
    world = World(Engine(engine.port), 2)
    stated = world.routers[0].lease.window
    stated.stated, stated.stated_at = 5, world.routers[0].instance.now
    for _ in range(LIMIT):
        world.do("ask", 0, 1)
    assert world.used() == 5
    for _ in range(LIMIT):
        world.do("ask", 1, 1)
    assert world.used() == 5
    assert world.routers[1].lease.window.stated == 5


async def test_a_stated_limit_does_not_outlive_its_window(engine: Valkey) -> None:
    """Not even if a router goes on that knows it: a later start begins with what is configured."""
    world = World(Engine(engine.port), 2)
    router = world.routers[0]
    router.lease.window.stated, router.lease.window.stated_at = 5, router.instance.now
    for _ in range(round(2 * SPAN)):
        world.do("ask", 0, 1)
        world.do("wait", 0, 1.0)
    world.do("crash", 1, None)
    world.do("ask", 1, 1)
    assert router.lease.window.stated == 5
    assert world.routers[1].lease.window.stated is None


async def test_what_is_used_while_a_call_is_under_way_counts(engine: Valkey) -> None:
    world = World(Engine(engine.port), 2)
    world.do("ask", 0, 8)
    world.do("tick", 0, None)
    world.routers[0].lease.touch()
    world.do("cross", 0, 1)
    assert world.used() > 8
    assert world.routers[0].lease.left(world.routers[0].instance.now) == 0


async def test_room_comes_back_when_the_window_has_passed_and_not_before(engine: Valkey) -> None:
    world = World(Engine(engine.port), 2)
    world.engine.now = 0.9
    world.do("drain", 0, 1)
    for moment, used in ((57.0, LIMIT), (60.8, LIMIT), (63.0, 0)):
        while world.engine.now < moment:
            world.engine.now += 0.2
            for each in world.routers:
                each.instance.tick()
        world.do("drain", 1, 1)
        assert len(world.uses) == LIMIT + (0 if used else LIMIT)


async def test_who_ends_gives_back_what_it_has_not_used(engine: Valkey) -> None:
    world = World(Engine(engine.port), 2)
    world.do("ask", 0, 8)
    world.do("tick", 0, None)
    router = world.routers[0]
    assert router.lease.left(router.instance.now) > 0
    router.instance.sharing.give_back()
    world.do("tick", 0, None)
    for _ in range(LIMIT):
        world.do("ask", 1, 1)
    assert world.used() == LIMIT


async def test_a_step_whose_use_was_corrected_to_nothing_can_be_used_again(engine: Valkey) -> None:
    """An amount of zero must not be sent as -0, which the engine does not read as an integer."""
    redis = Engine(engine.port).redis
    window, lease = (60_000, 6_000, LIMIT, 0, 0), (0, 0, 0, 2_000, 1, 0)
    for seq, used in enumerate((5, 0, 0, 2), 1):
        redis.eval(WINDOW.text, 2, "{w}:all", "{w}:own", "one", seq, *window, *lease, "step", 0, used)
    assert redis.hget("{w}:own", "step").split()[0] == b"2"


async def test_a_steady_pace_goes_on_while_it_is_not_known_that_the_engine_is_silent(engine: Valkey) -> None:
    world = World(Engine(engine.port), 2, limit=6000)
    for n in range(100):  # the requests of two seconds
        world.engine.now += 0.02
        world.do("ask", n, 1)
        world.routers[n % 2].instance.tick()
    for n in range(50):  # of another second, in which no call is answered
        world.engine.now += 0.02
        assert world.routers[n % 2].use(1)
    for router in world.routers:  # the engine knows what is held: together they pass no limit
        assert 0 < router.lease.left(router.instance.now) <= 6000 // 8
