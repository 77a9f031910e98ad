"""Guarded providers serve one session at a time over all instances, in virtual time, with the real script."""

from collections.abc import Sequence

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointsman.shared.leases.guard_lock import GuardLock
from pointsman.shared.leases.slots import SlotLease
from shared.lease_world import Engine, Instance, instances
from support.valkey import Valkey

QUICK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
WHICH = st.integers(0, 2)


class Router:
    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.lock = GuardLock(instance.sharing, "guarded")
        self.serving: str | None = None
        self.slots = SlotLease(instance.sharing, ("concurrency", "key"))
        self.running = 0

    def begin(self, session: str, is_known: bool = False) -> bool:
        """As a request does: the lock is asked for under the name that its session will perhaps have, if it is new."""
        now = self.instance.now
        if self.serving not in (None, session):
            return False
        if self.lock.is_closed(session if is_known else f"perhaps {session}", now):
            self.instance.ask()
        if self.lock.is_closed(session, now):
            return False
        self.serving = session
        self.lock.on_serving(session)
        return True

    def end(self) -> None:
        if self.serving is not None:
            self.serving = None
            self.lock.on_serving(None)

    def start(self, limit: int) -> None:
        for _ in range(2):
            if self.running < self.slots.allowed(limit, self.instance.now):
                self.running += 1
                self.slots.on_running(self.running)
                return
            self.instance.ask()

    def stop(self) -> None:
        if self.running:
            self.running -= 1
            self.slots.on_running(self.running)


STEPS = st.one_of(
    st.tuples(st.sampled_from(("begin X", "begin Y", "begin Z", "end", "start", "start", "stop")), WHICH),
    st.tuples(st.sampled_from(("tick", "lose", "late", "lose late")), WHICH),
    st.tuples(st.just("wait"), st.sampled_from((0, 1))),
)


async def test_one_session_at_a_time_and_so_many_requests_at_once(engine: Valkey) -> None:
    @QUICK
    @given(st.lists(STEPS, max_size=80), st.integers(2, 3))
    def holds(steps: Sequence[tuple[str, int]], count: int) -> None:
        world = Engine(engine.port)
        routers = [Router(each) for each in instances(world, count)]
        for what, which in steps:
            router = routers[which % count]
            match what.split():
                case ["begin", session]:
                    router.begin(session, is_known=session != "Z")
                case ["start"]:
                    router.start(4)
                case ["end"]:
                    router.end()
                case ["stop"]:
                    router.stop()
                case ["tick"]:
                    router.instance.tick()
                case ["lose", *late]:
                    router.lock.is_closed("perhaps L", router.instance.now)
                    router.slots.allowed(4, router.instance.now)
                    router.instance.ask_in_vain(bool(late))
                case ["late"]:
                    router.instance.run_late()
                case ["wait"]:
                    for _ in range(5 if which else 1):
                        world.now += 0.06
                        for each in routers:
                            each.instance.tick()
            assert len({each.serving for each in routers} - {None}) <= 1
            assert sum(each.running for each in routers) <= 4

    holds()


async def test_a_lock_is_free_again_when_its_instance_ends(engine: Valkey) -> None:
    world = Engine(engine.port)
    one, two = [Router(each) for each in instances(world, 2)]
    assert one.begin("X")
    assert not two.begin("Y")
    one.instance.tick()
    world.now += 0.06
    assert two.begin("X", is_known=True)  # the same conversation
    two.end()
    two.instance.tick()
    world.now += 1.0
    assert not two.begin("Y")
    world.now += 1.5
    assert two.begin("Y")


async def test_slots_are_free_again_when_their_instance_ends(engine: Valkey) -> None:
    world = Engine(engine.port)
    one, two = [Router(each) for each in instances(world, 2)]
    for _ in range(5):
        one.start(4)
        two.start(4)
    assert one.running + two.running == 4
    world.now += 2.5
    two.instance.tick()
    for _ in range(5):
        two.start(4)
    assert two.running == 4


async def test_a_single_instance_asks_no_other(engine: Valkey) -> None:
    world = Engine(engine.port)
    one, two = [Router(each) for each in instances(world, 2)]
    for each in (one, two):
        each.instance.cut_off([each.lock, each.slots])
        assert each.begin("X" if each is one else "Y")
        for _ in range(5):
            each.start(4)
        assert each.running == 2  # its share
