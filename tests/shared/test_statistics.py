"""Statistics of several instances, in virtual time: they add up to the same at each of them."""

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pointsman.routing.attempt_outcomes import Observation, Verdict
from pointsman.routing.recent_outcomes import RecentOutcomes
from pointsman.routing.statistics import Statistics
from pointsman.shared.statistics import SharedStatistics
from shared.fake_engine import FakeEngine, VirtualInstance

LABELS = ("a/m", "b/m")


class Instance(VirtualInstance):
    def __init__(self, engine: FakeEngine, name: str) -> None:
        self.statistics, self.recent = Statistics(LABELS), RecentOutcomes()
        self.shared = SharedStatistics(self.statistics, self.recent, name)
        super().__init__(engine, name, 0.0, self.shared)

    def observe(self, label: str, verdict: Verdict = Verdict.SUCCESS, first_content: float | None = 0.5) -> None:
        wall = self.time.wall
        seen = Observation(label, wall, verdict, first_content, tokens=100, seconds=2.0)
        self.statistics.observe(seen)
        self.shared.observe(seen)
        self.recent.observe(label, verdict is Verdict.SUCCESS, wall)

    def sums(self) -> list[list[float]]:
        """All but what fades within minutes."""
        stats = [self.statistics.stats_for(label, self.time.wall) for label in LABELS]
        return [[round(each or 0.0, 6) for each in seen[:-1]] for seen in stats]


def quiet(engine: FakeEngine, instances: list[Instance]) -> None:
    for _ in range(4):
        engine.now += 6
        for each in instances:
            each.tick()


def test_every_instance_counts_what_all_have_seen() -> None:
    engine = FakeEngine()
    one, two = Instance(engine, "one"), Instance(engine, "two")
    quiet(engine, [one, two])
    for _ in range(3):
        one.observe("a/m")
    two.observe("a/m", Verdict.FAILURE, None)
    quiet(engine, [one, two])
    for each in (one, two):
        stats = each.statistics.stats_for("a/m", each.time.wall)
        assert (stats.successes, stats.failures, stats.attempts) == (3, 1, 4)
        assert each.recent.counts_for("a/m", each.time.wall).total == pytest.approx(3.4, abs=0.2)


def test_it_is_sent_every_five_seconds_at_most() -> None:
    engine = FakeEngine()
    one = Instance(engine, "one")
    quiet(engine, [one])
    before = len(engine.data.stream)
    for _ in range(100):
        engine.now += 0.05
        one.observe("a/m")
        one.tick()
    assert len(engine.data.stream) - before <= 2


STEPS = st.tuples(
    st.integers(0, 2),
    st.sampled_from([0.05, 3.0, 6.0, 4000.0]),
    st.sampled_from(["observe", "observe", "fail", "tick", "tick", "lost", "late", "save", "empty", "old"]),
    st.sampled_from(LABELS),
)


@settings(max_examples=100, deadline=None)
@example(
    2,
    [(0, 0.05, "save", "a/m"), (1, 0.05, "observe", "a/m"), (1, 0.05, "tick", "a/m"), (0, 0.05, "old", "a/m")],
).via("an old snapshot that lacks one tick, after which the other instance comes first")
@given(st.integers(2, 3), st.lists(STEPS, max_size=30))
def test_sums_agree_once_it_is_quiet(count: int, steps: list[tuple[int, float, str, str]]) -> None:
    engine = FakeEngine()
    instances = [Instance(engine, f"instance-{number}") for number in range(count)]
    quiet(engine, instances)
    for number, seconds, what, label in steps:
        engine.now += seconds
        at: Any = instances[number % count]
        match what:
            case "observe":
                at.observe(label)
            case "fail":
                at.observe(label, Verdict.FAILURE, None)
            case "tick":
                at.tick()
            case "lost" | "late":
                at.tick(fails="before" if what == "lost" else "after")
            case "save":
                engine.save()
            case _:
                engine.restart(is_empty=what == "empty")
    quiet(engine, instances)
    first, *others = (each.sums() for each in instances)
    assert all(other == first for other in others)
