"""A strategy is one class and one line: an invented one, in the router and in the simulator, in virtual time."""

import sys
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from pointsman import config
from pointsman.config.enums import Dialect, Mode
from pointsman.domain.failures import Scope
from pointsman.domain.targets import Candidate, Target
from pointsman.routing.explain import explain
from pointsman.routing.router import Router
from pointsman.routing.strategies import registry
from pointsman.routing.strategies.base import FixedStrategy, OrderFacts, Strategy
from routing.routing_builders import called, cool, request
from support.clients_in_core import SECRET, caller
from support.settings import provider

sys.path.append(str(Path(__file__).parents[2] / "scripts"))

from simulation.drivers import DRIVERS
from simulation.run import simulate
from simulation.scenarios import SCENARIOS
from simulation.strategies import strategy_names

NOW, WALL = 1000.0, 1_800_000_000.0
ALPHABET = "reverse alphabetical"


class ReverseAlphabetical(FixedStrategy):
    """By name, the last one first; every second exchange the other way round."""

    def __init__(self) -> None:
        self.exchanges = 0

    def order(self, targets: Sequence[Target], facts: OrderFacts, now: float, wall: float) -> Sequence[Target]:
        self.exchanges += 1
        return sorted(targets, key=lambda target: target.label, reverse=self.exchanges % 2 == 1)

    def why(self, target: Target, facts: OrderFacts, now: float, wall: float) -> str:
        return f"named {target.label}"


class LeastAsked(FixedStrategy):
    """The target that came first least often, by a table of its own."""

    def __init__(self) -> None:
        self.firsts: dict[str, int] = {}

    def order(self, targets: Sequence[Target], facts: OrderFacts, now: float, wall: float) -> Sequence[Target]:
        best, *others = sorted(targets, key=lambda target: (self.firsts.get(target.label, 0), target.label))
        self.firsts[best.label] = self.firsts.get(best.label, 0) + 1
        return [best, *others]


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Strategy]:
    monkeypatch.setitem(registry.STRATEGIES, ALPHABET, ReverseAlphabetical)  # type: ignore[arg-type]
    return registry.STRATEGIES[ALPHABET]


def router(strategy: Strategy | None = None, **more: dict[str, object]) -> Router:
    providers = {name: provider() | {"models": [{"id": "m"}]} for name in "bca"}
    return Router(config.build({"providers": providers, **more}, {}), SECRET, Random(7), strategy)


def order(own: Router) -> list[str]:
    return called(own.plan(request("auto"), Dialect.OPENAI_CHAT, caller(), NOW, WALL).ranked_candidates(NOW))


def test_the_router_follows_it(registered: Callable[[], Strategy]) -> None:
    own = router(registered())
    assert [order(own) for _ in range(3)] == [
        ["c/m", "b/m", "a/m"],
        ["a/m", "b/m", "c/m"],
        ["c/m", "b/m", "a/m"],
    ]


def test_one_exchange_keeps_its_order_and_says_why(registered: Callable[[], Strategy]) -> None:
    plan = router(registered()).plan(request("auto"), Dialect.OPENAI_CHAT, caller(), NOW, WALL)
    tried: list[Candidate] = []
    while candidate := plan.next_candidate(NOW, tried):
        tried.append(candidate)
    assert called(tried) == ["c/m", "b/m", "a/m"]
    assert [plan.selection_reason(each, NOW, WALL) for each in tried] == [
        "rank 1, named c/m",
        "rank 2, named b/m",
        "rank 3, named a/m",
    ]


def test_exclusions_still_hold(registered: Callable[[], Strategy]) -> None:
    own = router(registered())
    cool(own, Scope.TARGET, "c/m", "503", 60.0, NOW)
    assert order(own) == ["b/m", "a/m"]


def test_a_reload_keeps_it(registered: Callable[[], Strategy]) -> None:
    own = router(registered())
    order(own)
    own.update_settings(router(routing={"default_mode": "smart"}).settings, NOW)
    assert order(own) == ["a/m", "b/m", "c/m"]


def test_a_preview_shows_its_order_and_changes_nothing(registered: Callable[[], Strategy]) -> None:
    own = router(registered())
    for _ in range(2):
        plan = own.preview_plan(request("auto"), Dialect.OPENAI_CHAT, caller(), NOW, WALL)
        shown = explain(plan, NOW, WALL)["candidates"]
        assert [(each["provider"], each["why"]) for each in shown] == [
            (name, f"rank {rank}, named {name}/m") for rank, name in enumerate("cba", start=1)
        ]
    assert order(own) == ["c/m", "b/m", "a/m"]


def test_a_preview_leaves_the_tables_of_a_strategy_alone() -> None:
    strategy = LeastAsked()
    own = router(strategy)
    assert order(own)[0] == "a/m"
    for _ in range(2):
        shown = own.preview_plan(request("auto"), Dialect.OPENAI_CHAT, caller(), NOW, WALL)
        assert called(shown.ranked_candidates(NOW))[0] == "b/m", "the copy knows what was counted"
    assert strategy.firsts == {"a/m": 1}


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_simulator_finds_it_by_name(driver: str, registered: Callable[[], Strategy]) -> None:
    assert ALPHABET in strategy_names()
    steps = simulate(SCENARIOS["stable"], ALPHABET, Mode.BALANCED, 1, DRIVERS[driver])
    firsts = [step.first or "" for step in islice(steps, 20)]
    names = sorted(SCENARIOS["stable"].profiles(Random("1 natures")))
    assert firsts[0] in names
    assert firsts[0] > firsts[1]
    assert set(firsts) > {firsts[0]}


def test_the_default_is_the_score() -> None:
    plan = router().plan(request("auto"), Dialect.OPENAI_CHAT, caller(), NOW, WALL)
    first = plan.next_candidate(NOW)
    assert first
    assert plan.selection_reason(first, NOW, WALL).startswith("rank 1, score 0.")
    assert registry.DEFAULT_STRATEGY == "score"
    assert strategy_names().count("score") == 0, "the simulator calls it by the router's name"
