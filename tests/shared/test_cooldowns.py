"""Cooldowns, refused keys and health at several instances, in virtual time: whatever is lost, late, doubled or out of
order, they agree once it is quiet.
"""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.config import Settings
from pointsman.domain.failures import Scope
from pointsman.routing.cooldowns import KEY_INVALID, CooldownTable, Wait
from pointsman.routing.health import Health
from pointsman.shared.cooldowns import Extension, SharedCooldowns, frontier
from pointsman.shared.health import SharedHealth
from shared.fake_engine import FakeEngine, VirtualInstance
from support.settings import provider
from support.settings import settings as make_settings

from pointsman.domain.targets import Candidate, Inventory  # isort: skip

CONFIGURATION: Settings = make_settings(
    {"a": provider("http://a.example/v1", "m", "n", keys=["k1", "k2"]), "b": provider("http://b.example/v1")}
)
INVENTORY = Inventory.from_settings(CONFIGURATION)
CANDIDATES = [each for target in INVENTORY.targets for each in INVENTORY.keys[target]]
A = CANDIDATES[0]


class Instance(VirtualInstance):
    def __init__(self, engine: FakeEngine, number: int, ahead: float = 0.0) -> None:
        self.table, self.health = CooldownTable(CONFIGURATION.cooldowns), Health()
        name = f"instance-{number}"
        self.cooldowns = SharedCooldowns(self.table, name, lambda _: True)
        super().__init__(engine, name, ahead, self.cooldowns, SharedHealth(self.health, lambda _: True))

    def cool(
        self, candidate: Candidate, seconds: float, scope: Scope = Scope.TARGET, reason: str = "503", **more: Any
    ) -> None:
        self.table.cool(candidate, scope, reason, Wait(seconds, **more), self.now)

    def cooling(self) -> dict[Any, Any]:
        """What stands, on the engine's clock, to the millisecond."""

        def shown(cooldown: Any) -> Any:
            times = (cooldown.until, cooldown.next_try, cooldown.extended_at)
            return cooldown.reason, cooldown.is_stated, *(round(each - self.ahead, 3) for each in times)

        return {
            (place, name): (shown(slot.cooldown), slot.repeats)
            for place, slots in enumerate(self.table.shared_slots)
            for name in slots.names()
            if (slot := slots.slot(name))
        }

    def state(self) -> Any:
        return self.cooling(), set(self.table.invalid_keys), {
            each: self.health.outage(each) is not None for each in ("a", "b")
        }  # fmt: skip


def connected(count: int = 2) -> tuple[FakeEngine, list[Instance]]:
    """Their clocks do not agree."""
    engine = FakeEngine()
    instances = [Instance(engine, number, ahead=-900_000.0 + 7777.0 * number) for number in range(count)]
    quiet(engine, instances)
    return engine, instances


def quiet(engine: FakeEngine, instances: list[Instance]) -> None:
    """Nothing happens, and all ticks succeed, for some seconds."""
    for _ in range(4):
        engine.now += 1.5
        for each in instances:
            each.tick()


def both(one: Instance, two: Instance) -> None:
    for each in (one, two, one):
        each.tick()


def test_a_cooldown_is_known_to_the_peer_after_a_tick_of_each() -> None:
    _, (one, two) = connected()
    one.cool(A, 60.0, reason="rate_limit", is_stated=True)
    both(one, two)
    found = two.table.target_cooldown(A.target.label, two.now)
    assert found
    assert (found.reason, found.is_stated) == ("rate_limit", True)
    assert found.until - two.now == pytest.approx(60.0)
    assert two.table.to_dict({}, two.now, 0.0)["targets"]


def test_the_later_end_wins() -> None:
    engine, (one, two) = connected()
    one.cool(A, 61.0)
    engine.now += 1
    two.cool(A, 10.0, reason="timeout")
    both(one, two)
    for each in (one, two):
        found = each.table.target_cooldown(A.target.label, each.now)
        assert found
        assert found.until - each.now == pytest.approx(60.0)


def test_a_success_ends_at_the_peer_what_it_ends_here_and_nothing_later() -> None:
    engine, (one, two) = connected()
    one.cool(A, 60.0)
    both(one, two)
    engine.now += 1
    launched = two.now
    engine.now += 1
    one.cool(CANDIDATES[2], 60.0)
    two.table.on_success(A, launched)
    both(one, two)
    assert one.table.target_cooldown(A.target.label, one.now) is None
    assert one.table.target_cooldown(CANDIDATES[2].target.label, one.now)


def test_a_trial_elsewhere_is_taken_for_one_and_its_success_ends_the_cooldown() -> None:
    engine, (one, two) = connected()
    one.cool(A, 10.0)
    both(one, two)
    engine.now += 11
    label, trial = A.target.label, object()
    one.table.begin_trial(A, trial, one.now)
    assert not two.table.is_target_tried(label, object(), two.now)
    both(one, two)
    assert two.table.is_target_tried(label, object(), two.now)
    one.table.end_trial(A, trial, has_passed=True)
    both(one, two)
    assert not two.cooling()


def test_a_trial_of_a_peer_that_is_gone_ends_by_itself() -> None:
    engine, (one, two) = connected()
    one.cool(A, 10.0)
    both(one, two)
    engine.now += 11
    one.table.begin_trial(A, object(), one.now)
    both(one, two)
    engine.now += 31
    assert not two.table.is_target_tried(A.target.label, object(), two.now)


def test_clearing_by_hand_also_ends_what_was_not_known_there_yet() -> None:
    engine, (one, two) = connected()
    one.cool(A, 60.0)
    one.cool(A, 300.0, Scope.KEY, KEY_INVALID)
    engine.now += 0.01
    assert two.table.clear(two.now) == 0
    two.tick()
    both(one, two)
    assert one.state() == two.state() == ({}, set(), {"a": False, "b": False})


def test_clearing_one_provider_leaves_the_others() -> None:
    engine, (one, two) = connected()
    for candidate in CANDIDATES:
        one.cool(candidate, 60.0)
    both(one, two)
    engine.now += 1
    two.table.lift("a", None, None, two.now)
    both(one, two)
    assert [name for _, name in one.cooling()] == ["b/m"]


def test_a_refused_key_is_refused_everywhere_until_it_works() -> None:
    engine, (one, two) = connected()
    one.cool(A, 300.0, Scope.KEY, KEY_INVALID)
    both(one, two)
    assert A.key_id in two.table.invalid_keys
    engine.now += 301
    two.table.on_success(A, two.now)
    both(one, two)
    assert not one.table.invalid_keys


def test_an_outage_and_its_end_are_known_everywhere() -> None:
    engine, (one, two) = connected()
    for _ in range(3):
        one.health.on_connection_failed("a", "refused", one.now)
    both(one, two)
    outage = two.health.outage("a")
    assert outage
    assert outage.reason == "refused"
    engine.now += 1
    two.health.begin_probe("a", 0.5, two.now)
    assert two.health.on_probe_result("a", alive=True)
    both(one, two)
    assert one.health.outage("a") is None


@pytest.mark.parametrize("missed", ["newcomer", "gap"])
def test_what_the_stream_no_longer_has_is_published_again(missed: str) -> None:
    """A peer that begins, or was away for too long, asks for it."""
    engine, (one, two) = connected()
    if missed == "gap":
        two.tick(fails="before")
    one.cool(A, 600.0)
    quiet(engine, [one])
    engine.data.stream[:] = [(engine.next_entry(), "another", b"")]
    late = two if missed == "gap" else Instance(engine, 9)
    quiet(engine, [late, one])
    assert late.cooling() == one.cooling() != {}


def test_a_new_instance_gets_the_cooldowns_even_if_the_engine_is_new() -> None:
    engine, (one, two) = connected()
    one.cool(A, 600.0)
    both(one, two)
    engine.restart(is_empty=True)
    newcomer = Instance(engine, 9)
    quiet(engine, [newcomer, one, two])
    assert newcomer.cooling() == one.cooling()
    assert newcomer.cooling()


CANDIDATE, SCOPE = st.sampled_from(CANDIDATES), st.sampled_from([Scope.TARGET, Scope.KEY, Scope.MODEL_OF_KEY])
WAITS = st.sampled_from(
    [Wait(0.5), Wait(2.0, doubles_to=60.0), Wait(30.0, is_stated=True), Wait(7200.0, is_guess=True)]
)
STEPS = st.one_of(
    st.tuples(st.just("cool"), CANDIDATE, SCOPE, st.sampled_from(["503", "rate_limit", KEY_INVALID]), WAITS),
    st.tuples(st.just("succeed"), CANDIDATE, st.floats(0, 3)),
    st.tuples(st.just("try"), CANDIDATE, st.booleans()),
    st.tuples(st.sampled_from(["clear", "lose", "find", "tick", "tick", "tick"])),
    st.tuples(st.just("lift"), st.sampled_from(["a", "b"]), st.sampled_from([None, "m"]), st.booleans()),
    st.tuples(st.just("fail"), st.sampled_from(["before", "after"])),
    st.tuples(st.just("engine"), st.sampled_from(["save", "empty", "old"])),
)


def carry_out(step: tuple[Any, ...], at: Instance, engine: FakeEngine) -> None:
    match step:
        case ("cool", candidate, scope, reason, wait):
            at.table.cool(candidate, scope, reason, wait, at.now)
        case ("succeed", candidate, ago):
            at.table.on_success(candidate, at.now - ago)
        case ("try", candidate, has_passed):
            trial = object()
            at.table.begin_trial(candidate, trial, at.now)
            engine.now += 0.1
            at.table.end_trial(candidate, trial, has_passed)
        case ("clear",):
            at.table.clear(at.now)
        case ("lift", name, model, of_keys):
            at.table.lift(name, model, {A.key_id} if of_keys else None, at.now)
        case ("lose",):
            for _ in range(3):
                at.health.on_connection_failed("a", "refused", at.now)
        case ("find",):
            at.health.on_recovered("a")
        case ("tick",):
            at.tick()
        case ("fail", when):
            at.tick(fails=when)
        case ("engine", "save"):
            engine.save()
        case ("engine", how):
            engine.restart(is_empty=how == "empty")


@settings(max_examples=200, deadline=None)
@given(
    st.integers(2, 3),
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from([0.0, 0.02, 1.0, 5.0]), STEPS), max_size=40),
)
def test_instances_agree_once_it_is_quiet(count: int, steps: list[tuple[int, float, Any]]) -> None:
    engine, instances = connected(count)
    for number, seconds, step in steps:
        engine.now += seconds
        carry_out(step, instances[number % count], engine)
    quiet(engine, instances)
    engine.now += 1
    first, *others = (each.state() for each in instances)
    assert all(other == first for other in others)


def test_the_shorter_cooldown_is_left_once_the_longer_one_has_ended() -> None:
    engine, (one, two) = connected()
    one.cool(A, 60.0)
    engine.now += 0.02
    two.cool(A, 10.0)
    one.tick()
    one.table.on_success(A, one.now)
    quiet(engine, [one, two])
    for each in (one, two):
        found = each.table.target_cooldown(A.target.label, each.now)
        assert found
        assert round(found.until - each.now, 3) == 4.0


EXTENSIONS = st.lists(
    st.builds(
        Extension, *[st.integers(0, 5).map(float)] * 4, st.sampled_from(["x", "y"]), st.booleans(), st.integers(0, 2)
    )
)


@given(EXTENSIONS, EXTENSIONS)
def test_a_frontier_does_not_depend_on_the_order(some: list[Extension], more: list[Extension]) -> None:
    whole = frontier([*some, *more])
    assert whole == frontier([*frontier(some), *more]) == frontier([*more, *reversed(some)])
    for ended in range(6):
        left = [each for each in whole if each.extended_at > ended]
        assert tuple(left) == frontier(each for each in [*some, *more] if each.extended_at > ended)


@pytest.mark.parametrize(
    ("part", "body"),
    [
        ("health", b'["a", 1e300, "down", 0]'),
        ("health", b'["a", 1, "down", -1e300]'),
        ("cooldowns", b'[["x", ["t", "a/m"], 1e300, 1e300, 1e300, 1, "503", true, 1]]'),
        ("cooldowns", b'[["x", ["t", "a/m"], 1e6, 1e300, 1e6, 1e6, "503", true, 1]]'),
        ("cooldowns", b'[["e", ["*"], 1e300]]'),
        ("cooldowns", b'[["r", ["a", "k1"], 1e300]]'),
        ("cooldowns", b'[["t", ["t", "a/m"], "instance-2", 1e300]]'),
    ],
)
def test_a_moment_that_no_calendar_shows_changes_nothing(part: str, body: bytes) -> None:
    """Pages and errors show such moments as dates."""
    one = Instance(FakeEngine(), 1)
    one.tick()
    one.cool(A, 60.0)
    before = one.state()
    one.engine.data.stream.append((one.engine.next_entry(), "stranger", part.encode() + b" " + body))
    one.tick()
    assert one.hub.malformed == 1
    assert one.state() == before
