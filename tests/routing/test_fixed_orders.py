"""The orders of load balancers, as properties: no target is left out, shares are kept, and exclusions hold with all."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pointsman.config.enums import Dialect, Mode, Strategy
from pointsman.config.errors import ConfigError
from pointsman.domain.failures import Scope
from pointsman.routing.router import Router
from pointsman.sessions.key_sources import Caller
from routing.routing_builders import called, cool, pin_on, request
from support.clients_in_core import SECRET, caller
from support.settings import provider, settings

NOW, WALL = 1000.0, 1_800_000_000.0
NAMES = "abcd"
UNNAMED = caller()


def router(strategy: object, weights: dict[str, float] | None = None, seed: int = 1) -> Router:
    providers = {
        name: {**provider(f"http://127.0.0.1:{9 + n}/v1"), "weight": (weights or {}).get(name, 1)}
        for n, name in enumerate(NAMES)
    }
    return Router(settings(providers, routing={"strategy": strategy}), SECRET, Random(seed))


def order(own: Router, model: str = "auto", who: Caller = UNNAMED) -> str:
    found = own.plan(request(model), Dialect.OPENAI_CHAT, who, NOW, WALL).ranked_candidates(NOW)
    return "".join(name[0] for name in called(found))


def serve(own: Router, who: Caller = UNNAMED, model: str = "auto") -> str:
    """The provider that gets the next request."""
    plan = own.plan(request(model), Dialect.OPENAI_CHAT, who, NOW, WALL)
    candidate = plan.next_candidate(NOW)
    assert candidate
    plan.on_launched(1, candidate, NOW)
    plan.discard()
    return candidate.target.provider.name


@pytest.mark.parametrize("strategy", Strategy)
def test_all_targets_come_once_and_exclusions_and_pins_hold(strategy: Strategy) -> None:
    own = router(strategy)
    assert sorted(order(own)) == list(NAMES)
    cool(own, Scope.TARGET, "a/m", "503", 60.0, NOW)
    assert sorted(order(own)) == list("bcd")
    who = caller(headers={"x-session-id": "one-conversation"})
    own.plan(request("auto"), Dialect.OPENAI_CHAT, who, NOW, WALL).binding.set_pin(pin_on(own, "c/m"), NOW)
    assert order(own, who=who)[0] == "c"


@pytest.mark.parametrize("strategy", Strategy)
def test_a_preview_does_not_change_what_comes_next(strategy: Strategy) -> None:
    own, twin = router(strategy), router(strategy)
    for _ in range(3):
        list(own.preview_plan(request("auto"), Dialect.OPENAI_CHAT, caller(), NOW, WALL).ranked_candidates(NOW))
    assert [order(own) for _ in range(4)] == [order(twin) for _ in range(4)]


def test_priority_is_the_configured_order() -> None:
    assert order(router("priority")) == NAMES


@hypothesis_settings(max_examples=10, deadline=None)
@given(st.integers(1, 40))
def test_round_robin_gives_all_the_same_number(rounds: int) -> None:
    own = router("round_robin")
    served = Counter(serve(own) for _ in range(rounds * len(NAMES)))
    assert set(served.values()) == {rounds}


@pytest.mark.parametrize("out", NAMES)
def test_round_robin_gives_the_rest_the_same_number_while_one_is_out(out: str) -> None:
    own = router("round_robin")
    serve(own)
    cool(own, Scope.TARGET, f"{out}/m", "503", 60.0, NOW)
    served = Counter(serve(own) for _ in range(9))
    assert served == {name: 3 for name in NAMES if name != out}


def test_round_robin_goes_on_after_the_target_that_an_exchange_began_with() -> None:
    own, firsts = router("round_robin"), []
    for _ in range(4):
        plan = own.plan(request("auto"), Dialect.OPENAI_CHAT, UNNAMED, NOW, WALL)
        tried = [candidate for candidate, _ in zip(plan.ranked_candidates(NOW), range(2), strict=False)]
        for n, candidate in enumerate(tried):
            plan.on_launched(n, candidate, NOW)
        firsts.append(tried[0].target.provider.name)
    assert firsts == list(NAMES), "where it failed over to does not count"


def test_round_robin_counts_neither_pinned_requests_nor_counts_of_tokens() -> None:
    own, who = router("round_robin"), caller(headers={"x-session-id": "one-conversation"})
    own.plan(request("auto"), Dialect.OPENAI_CHAT, who, NOW, WALL).binding.set_pin(pin_on(own, "d/m"), NOW)
    served = []
    for _ in range(4):
        served.append(serve(own))
        assert serve(own, who) == "d"
        counting = own.count_tokens_plan(request("auto"), Dialect.OPENAI_CHAT, caller(), NOW)
        candidate = counting.next_candidate(NOW)
        assert candidate
        counting.on_launched(1, candidate, NOW)
    assert served == list(NAMES)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("weights", [{"a": 1, "b": 1, "c": 1, "d": 1}, {"a": 9, "b": 1, "c": 3, "d": 2}])
def test_weights_are_shares_of_the_first_places(weights: dict[str, float], seed: int) -> None:
    own = router("weighted", weights, seed)
    requests = 600
    firsts = Counter(order(own)[0] for _ in range(requests))
    for name, weight in weights.items():
        share = weight / sum(weights.values())
        deviation = (requests * share * (1 - share)) ** 0.5
        assert abs(firsts[name] - requests * share) < 6 * deviation + 1


def test_what_has_no_weight_comes_last() -> None:
    own = router("weighted", {"a": 0, "b": 0})
    assert {order(own)[2:] for _ in range(20)} == {"ab"}


def test_the_least_busy_comes_first() -> None:
    own = router("least_busy")
    plans = [own.plan(request("auto", tokens=100), Dialect.OPENAI_CHAT, caller(), NOW, WALL) for _ in range(4)]
    used = []
    for n, plan in enumerate(plans):
        candidate = plan.next_candidate(NOW)
        assert candidate
        plan.on_launched(n, candidate, NOW)
        used.append(candidate.target.provider.name)
    assert sorted(used) == list(NAMES), "each goes where nothing runs"
    plans[2].on_committed(next(iter(plans[2].ranked_candidates(NOW))), NOW)
    plans[1].discard()
    assert order(own)[0] == used[1], "the one that has ended leaves its place"
    for plan in (plans[0], plans[2], plans[3]):
        plan.discard()
    assert order(own) == NAMES, "nothing is left behind"


def test_what_is_being_read_counts_until_the_answer_begins() -> None:
    own = router("least_busy")
    by_name = {}
    for name, tokens in zip(NAMES, (5000, 100, 200, 300), strict=True):
        plan = own.plan(request(f"{name}/m", tokens=tokens), Dialect.OPENAI_CHAT, caller(), NOW, WALL)
        candidate = plan.next_candidate(NOW)
        assert candidate
        plan.on_launched(1, candidate, NOW)
        by_name[name] = plan, candidate
    assert order(own) == "bcda"
    plan, candidate = by_name["a"]
    plan.on_committed(candidate, NOW)
    assert order(own) == "abcd"


def test_each_mode_may_have_its_own() -> None:
    own = router({"fast": "round_robin", "smart": "priority"})
    assert [order(own, "auto-smart") for _ in range(2)] == [NAMES, NAMES]
    assert order(own, "auto-fast") == NAMES
    serve(own, model="auto-fast")
    assert order(own, "auto-fast") == "bcda"
    assert order(own, "auto-smart") == NAMES
    assert Mode.BALANCED not in own.settings.routing.strategy, "which leaves the score"


def test_a_reload_keeps_the_turn() -> None:
    own = router("round_robin")
    first = serve(own)
    own.update_settings(router("round_robin").settings, NOW)
    assert serve(own) != first


def test_an_unknown_strategy_is_an_error_with_its_place() -> None:
    for written in ("fastest", {"fast": "fastest"}):
        with pytest.raises(ConfigError) as caught:
            router(written)
        assert str(caught.value).startswith("routing.strategy")
        assert ": must be one of score, priority, weighted, " in str(caught.value)
        assert len(str(caught.value).splitlines()) == 1
