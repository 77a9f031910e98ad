"""Budgets that several instances spend from, in virtual time, with the real scripts on a real server."""

from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointsman.clients.budgets import Estimate, Ledger, Reservation
from pointsman.config.clients import Budget
from pointsman.shared.client_names import client_digest
from pointsman.shared.leases.budgets import SharedBudgets
from pointsman.wire.frames import Usage
from shared.lease_world import Engine, Instance, instances, one_step
from support.valkey import Valkey

LIMIT, LARGEST = 100, 20
BUDGET = Budget.model_validate({"tokens": LIMIT, "per": "month"})
QUICK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
AMOUNTS = st.sampled_from((1, 5, LARGEST))
STEPS = st.one_of(
    st.tuples(st.just("ask"), st.integers(0, 2), AMOUNTS),
    st.tuples(st.just("ask"), st.integers(0, 2), AMOUNTS),
    st.tuples(st.just("drain"), st.integers(0, 2), AMOUNTS),
    st.tuples(st.just("settle"), st.integers(0, 2), st.sampled_from((0.0, 0.5, 1.0))),
    st.tuples(st.just("tick"), st.integers(0, 2), st.none()),
    st.tuples(st.just("wait"), st.just(0), st.sampled_from((0.01, 0.06, 0.6, 1.5))),
    st.tuples(st.just("lose"), st.integers(0, 2), st.booleans()),
    st.tuples(st.just("late"), st.integers(0, 2), st.none()),
)
BREAKS = st.one_of(
    st.tuples(st.sampled_from(("cut", "connect", "crash")), st.integers(0, 2), st.none()),
    st.tuples(st.just("freeze"), st.just(0), st.just(3.0)),
    st.tuples(st.sampled_from(("save", "empty", "old")), st.just(0), st.none()),
)


class Router:
    """One instance, its ledger and what runs. `name` is that of its file."""

    def __init__(self, instance: Instance, name: str, limit: int = LIMIT) -> None:
        self.instance, self.name = instance, name
        self.budget = BUDGET.model_copy(update={"tokens": limit})
        self.ledger = Ledger()
        self.ledger.update_settings({"ci": (self.budget,)})
        self.shared = SharedBudgets(instance.sharing, self.ledger, name, client_digest("password", "test"))
        self.account = self.ledger["ci"]
        self.running: list[Reservation] = []

    @property
    def wall(self) -> float:
        return self.instance.time.wall

    def spent(self) -> int:
        """By all, as this one shows it."""
        return self.account.lines(self.wall)[0].spent

    def own(self) -> int:
        return self.account.lines(self.wall)[0].own

    def reserved(self) -> int:
        return sum(each.tokens for each in self.running)

    def lacks(self, amount: int) -> bool:
        return bool(self.account.shortages(Estimate(0, amount), self.wall))

    def begin(self, amount: int) -> bool:
        if self.lacks(amount):
            self.instance.ask()
        if self.lacks(amount):
            return False
        self.running.append(self.account.reserve(Estimate(0, amount), self.wall))
        return True

    def settle(self, share: float) -> None:
        if self.running:
            reservation = self.running.pop()
            self.account.settle(reservation, Usage(output=int(reservation.tokens * share)), 0)


class World:
    def __init__(self, engine: Engine, count: int) -> None:
        self.engine = engine
        self.routers = [Router(each, f"ledger {each.name}") for each in instances(engine, count)]
        self.saved = engine.snapshot()
        self._starts = 0

    def do(self, what: str, which: int, how: Any) -> None:
        which %= len(self.routers)
        router = self.routers[which]
        match what:
            case "ask":
                router.begin(how)
            case "drain":
                for each in (*self.routers[which:], *self.routers[:which]):
                    while each.begin(how):
                        pass
            case "settle":
                router.settle(how)
            case "wait":
                self.engine.now += how
                for each in self.routers:
                    each.instance.tick()
            case "freeze":
                self.engine.now += how
            case "crash":
                self.routers[which] = self._restarted(router)
            case "save":
                self.saved = self.engine.snapshot()
            case "empty" | "old":
                self.engine.restart(self.saved if what == "old" else {})
                for each in self.routers:
                    if each.instance.place.is_connected:
                        each.instance.connect(each.shared, is_new_engine=True)
            case _:
                one_step(router, router.shared, what, how)

    def _restarted(self, old: Router) -> Router:
        """With what its ledger holds."""
        self._starts += 1
        instance = Instance(self.engine, f"i+{self._starts}", old.instance.instances, old.instance.offset)
        instance.late = old.instance.late
        new = Router(instance, old.name)
        new.ledger.restore([each.line.window for each in old.shared])
        for line in new.account.lines(new.wall):
            line.window.reserved_tokens = 0
        if not old.instance.place.is_connected:
            instance.cut_off(new.shared)
        return new

    def quiet(self) -> None:
        """All are connected, and say what they know."""
        for each in self.routers:
            each.instance.late.clear()
            if not each.instance.place.is_connected:
                each.instance.connect(each.shared)
        for _ in range(12):
            self.engine.now += 0.5
            for each in self.routers:
                each.shared.turn(each.wall)
                for lease in each.shared:
                    lease.touch()
                each.instance.tick()

    def used(self) -> int:
        return sum(each.own() + each.reserved() for each in self.routers)


async def test_a_budget_is_never_passed_while_connected(engine: Valkey) -> None:
    @QUICK
    @given(st.lists(STEPS, max_size=60), st.integers(2, 3))
    def holds(steps: Sequence[tuple[str, int, Any]], count: int) -> None:
        world = World(Engine(engine.port), count)
        for step in steps:
            world.do(*step)
            assert world.used() <= LIMIT, step

    holds()


async def test_whatever_the_engine_loses_the_ledgers_count(engine: Valkey) -> None:
    @QUICK
    @given(st.lists(st.one_of(STEPS, BREAKS), max_size=60), st.integers(2, 3))
    def holds(steps: Sequence[tuple[str, int, Any]], count: int) -> None:
        world, shares = World(Engine(engine.port), count), 0
        for what, which, how in steps:
            shares += {"cut": 1, "crash": 1, "freeze": count, "empty": count, "old": count}.get(what, 0)
            world.do(what, which, how)
            assert world.used() <= LIMIT + shares * max(LARGEST, -(-LIMIT // count))
        world.quiet()
        true = sum(each.own() for each in world.routers)
        assert [each.spent() for each in world.routers] == [true] * count
        before = world.used()
        world.do("drain", 0, 1)
        assert world.used() == max(before, LIMIT)

    holds()


async def test_low_spending_does_not_come_back_with_an_old_snapshot(engine: Valkey) -> None:
    """Not even that of an instance that is gone: the others remember it."""
    world = World(Engine(engine.port), 2)
    one, two = world.routers
    for router in (one, two):
        assert router.begin(10)
        router.settle(1.0)
    world.quiet()
    world.do("save", 0, None)
    for router in (one, two):
        assert router.begin(20)
        router.settle(1.0)
    world.quiet()
    assert [one.spent(), two.spent()] == [60, 60]
    world.routers = [one]
    world.do("old", 0, None)
    world.quiet()
    newcomer = Router(Instance(world.engine, "new", 2, 0.0), "ledger new")
    world.routers.append(newcomer)
    world.quiet()
    assert [one.spent(), newcomer.spent()] == [60, 60]
    assert not newcomer.begin(41)
    assert newcomer.begin(40)


async def test_a_share_that_is_too_small_for_one_request_allows_one(engine: Valkey) -> None:
    world = World(Engine(engine.port), 3)
    router = world.routers[0]
    router.instance.cut_off(router.shared)
    assert router.begin(90)
    assert not router.begin(1)


async def test_a_ledger_that_has_lost_something_gets_it_back(engine: Valkey) -> None:
    world = World(Engine(engine.port), 2)
    one, two = world.routers
    assert one.begin(30)
    one.settle(1.0)
    world.quiet()
    world.routers[0] = one = Router(Instance(world.engine, "new", 2, 0.0), one.name)
    world.quiet()
    assert (one.own(), one.spent(), two.spent()) == (30, 30, 30)


def test_an_engine_that_is_slow_keeps_no_request_from_a_budget(engine: Valkey) -> None:
    one, two = [Router(each, f"ledger {each.name}") for each in instances(Engine(engine.port), 2)]
    for router in (one, two):
        router.instance.tick()
        assert router.lacks(20)
        router.instance.ask_in_vain(is_run_later=True)
        for lease in router.shared:
            lease.on_unanswered()
        assert router.begin(20)
        assert router.begin(30)
        assert router.lacks(1), "its share is used up"
    for router in (one, two):
        router.instance.run_late()
        router.instance.engine.now += 1.1
        router.instance.tick()
    assert not one.begin(1), "both have told what they use"
    one.settle(0.0)
    one.instance.tick()
    assert two.begin(20)


def test_what_others_hold_may_be_free_again_soon(engine: Valkey) -> None:
    one, two = [Router(each, f"ledger {each.name}") for each in instances(Engine(engine.port), 2)]
    assert one.begin(90)
    [shortage] = two.account.shortages(Estimate(0, 20), two.wall)
    assert shortage.until == two.wall + 1.0
    one.settle(1.0)
    one.instance.tick()
    two.instance.tick()
    [shortage] = two.account.shortages(Estimate(0, 20), two.wall)
    assert shortage.until is not None
    assert shortage.until > two.wall + 1000.0, "it is spent"


def test_without_an_engine_what_runs_and_what_is_held_elsewhere_is_not_spent_twice(engine: Valkey) -> None:
    routers = [Router(each, f"ledger {each.name}") for each in instances(Engine(engine.port), 2)]
    for _ in range(12):  # none of it is settled, so that the other one cannot see it
        for router in routers:
            assert router.begin(1)
        for router in routers:
            router.instance.tick()
    for router in routers:
        router.instance.cut_off(router.shared)
    for router in routers:
        while router.begin(1):
            pass
    used = [router.reserved() for router in routers]
    assert min(used) > LIMIT // 3
    assert LIMIT - 4 <= sum(used) <= LIMIT
