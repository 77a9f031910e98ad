"""The ranking as an exchange sees it: luck drawn once, knowledge always fresh, ties by the configured order."""

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from pointsman import config
from pointsman.config.enums import Dialect, Mode
from pointsman.domain.failures import Failure
from pointsman.domain.records import Outcome
from pointsman.routing.plan import Plan
from pointsman.routing.ranking import MAX_TERMS_REFRESHED, TERMS_LIFETIME
from pointsman.routing.router import Router
from routing.routing_builders import called, labels, request
from support.audit_records import attempt_record, exchange_record
from support.clients_in_core import SECRET, caller
from support.settings import LISTED, provider

NOW = 1000.0
WALL = 1_800_000_000.0
EVEN = {"reliability": 0, "speed": 1, "latency": 1, "intelligence": 0}


def router(count: int = 5, routing: dict[str, Any] | None = None, **model: Any) -> Router:
    providers = {name: provider() | {"models": [{"id": "m", **model}]} for name in "abcdefghijklmnopqrst"[:count]}
    return Router(config.build({"providers": providers, "routing": routing or {}}, {}), SECRET, Random(7))


def plan(own: Router, model: str = "auto", wall: float = WALL) -> Plan:
    return own.plan(request(model), Dialect.OPENAI_CHAT, caller(), NOW, wall)


def answered(own: Router, name: str, good: bool, wall: float = WALL) -> None:
    """An exchange of one attempt has ended."""
    attempt = attempt_record(provider=name, model="m", key=None, started=wall)
    if not good:
        attempt = replace(attempt, outcome=Outcome.RETRY_FAILED, failure=Failure.SERVER_ERROR, first_content_ms=None)
    own.observe(exchange_record(attempts=(attempt,), streamed=True))


def firsts(own: Router, draws: int = 200, wall: float = WALL) -> dict[str, int]:
    found: dict[str, int] = {}
    for _ in range(draws):
        candidate = plan(own, wall=wall).next_candidate(NOW)
        assert candidate
        found[candidate.target.provider.name] = found.get(candidate.target.provider.name, 0) + 1
    return found


def test_without_statistics_every_target_is_chosen_sometimes() -> None:
    assert set(firsts(router())) == set("abcde")


def test_an_exchange_keeps_to_its_draws() -> None:
    own = plan(router(20))
    assert called(own.ranked_candidates(NOW)) == called(own.ranked_candidates(NOW))


def test_two_exchanges_have_their_own() -> None:
    own = router(20)
    assert called(plan(own).ranked_candidates(NOW)) != called(plan(own).ranked_candidates(NOW))


def test_the_same_seed_gives_the_same_order() -> None:
    assert called(plan(router(20)).ranked_candidates(NOW)) == called(plan(router(20)).ranked_candidates(NOW))


def test_who_works_is_preferred_and_who_fails_is_left() -> None:
    own = router()
    for _ in range(30):
        answered(own, "c", good=True)
        for name in "abde":
            answered(own, name, good=False)
    assert firsts(own)["c"] > 190


def test_ties_are_broken_by_the_configured_order() -> None:
    own = router(5, {"weights": {"balanced": EVEN}})
    assert labels(candidate.target for candidate in plan(own).ranked_candidates(NOW)) == [
        f"{name}/m" for name in "abcde"
    ]


def test_ranks_alone_decide_where_nothing_else_has_weight() -> None:
    models = {
        name: provider() | {"models": [{"id": "m", "intelligence": rank}]}
        for name, rank in zip("abc", (3, 1, 2), strict=True)
    }
    own = Router(config.build({"providers": models, "routing": {"weights": LISTED}}, {}), SECRET, Random(7))
    assert called(plan(own).ranked_candidates(NOW)) == ["b/m", "c/m", "a/m"]


def test_a_target_whose_limit_is_nearly_used_up_gives_way() -> None:
    own = router(2, {"weights": {"balanced": EVEN}}, limits={"rpm": 10})
    for n in range(9):
        own.state.lease(own.inventory.keys[own.inventory.targets[0]][0], n, NOW)
    assert called(plan(own).ranked_candidates(NOW)) == ["b/m", "a/m"]
    assert called(plan(own).ranked_candidates(NOW + 61)) == ["a/m", "b/m"]


def test_the_best_name_for_a_bare_id_is_ranked_in_the_default_mode() -> None:
    own = router(3, {"default_mode": "smart"})
    assert plan(own, "m").mode is Mode.SMART
    assert len(called(plan(own, "m").ranked_candidates(NOW))) == 3


def test_the_reason_states_rank_and_score() -> None:
    own = plan(router())
    first = own.next_candidate(NOW)
    assert first
    second = own.next_candidate(NOW, [first])
    assert second
    assert own.selection_reason(first, NOW, WALL).startswith("rank 1, score 0.")
    assert own.selection_reason(second, NOW, WALL).startswith("rank 2, score 0.")


def test_statistics_count_at_once() -> None:
    own = router(2)
    before = own.ranking.expected_score(own.inventory.targets[0], Mode.BALANCED, NOW, WALL)
    answered(own, "a", good=False)
    assert own.ranking.expected_score(own.inventory.targets[0], Mode.BALANCED, NOW, WALL) < before


@pytest.mark.parametrize("later", [TERMS_LIFETIME + 1, -3600.0], ids=["stale", "a clock that went back"])
def test_a_few_at_a_time_are_worked_out_again(later: float, monkeypatch: pytest.MonkeyPatch) -> None:
    own = router(20)
    plan(own).next_candidate(NOW)
    worked: list[str] = []
    terms = own.ranking.compute_terms
    monkeypatch.setattr(
        own.ranking, "compute_terms", lambda target, *rest: worked.append(target.label) or terms(target, *rest)
    )
    plan(own, wall=WALL + later).next_candidate(NOW)
    assert len(worked) == MAX_TERMS_REFRESHED
    plan(own, wall=WALL + later).next_candidate(NOW)
    assert len(set(worked)) == 20


def test_outcomes_of_a_removed_target_are_ignored() -> None:
    own = router(2)
    answered(own, "z", good=True)
    assert own.statistics.stats_for("z/m", WALL).attempts == 0
    assert plan(own).next_candidate(NOW)


def test_a_reload_drops_what_is_gone_and_keeps_the_rest() -> None:
    own = router(3)
    for name in "ab":
        for _ in range(5):
            answered(own, name, good=False)
    own.update_settings(router(1).settings, NOW)
    assert own.recent_outcomes.counts_for("a/m", WALL).failures > 4
    assert own.recent_outcomes.counts_for("b/m", WALL).total == 0


def test_a_provider_that_has_moved_begins_again() -> None:
    """What was wrong with its old address is not held against the new one."""
    own = router(2)
    for name in "ab":
        for _ in range(5):
            answered(own, name, good=False)
    moved = {"a": provider("https://elsewhere.test/v1"), "b": provider()}
    own.update_settings(config.build({"providers": moved}, {}), NOW)
    assert [own.recent_outcomes.counts_for(label, WALL).total > 4 for label in ("a/m", "b/m")] == [False, True]
    assert [own.statistics.stats_for(label, WALL).attempts for label in ("a/m", "b/m")] == [0, 5]


def test_targets_that_differ_only_in_case_have_separate_statistics() -> None:
    providers = {"a": provider() | {"models": [{"id": "Model"}, {"id": "model"}]}}
    own = Router(config.build({"providers": providers}, {}), SECRET, Random(7))
    attempt = attempt_record(provider="a", model="Model", key=None, started=WALL)
    own.observe(exchange_record(attempts=(attempt,)))
    assert (own.statistics.stats_for("a/Model", WALL).attempts, own.statistics.stats_for("a/model", WALL).attempts) == (
        1,
        0,
    )
    assert called(plan(own, "model").ranked_candidates(NOW)) == ["a/model"]


def test_a_restart_keeps_the_statistics() -> None:
    """As far as statistics and the last attempts are remembered, the means are the same."""
    own, again = router(2), router(2)
    attempts = [(WALL + n, n % 4 != 0) for n in range(100)]
    for wall, good in attempts:
        answered(own, "a", good, wall)
    past = own.statistics._histories["a/m"]
    hours = {("a/m", hour): sums for hour, sums in past.hours.items()}
    again.restore(hours, {"a/m": past.waits}, {"a/m": attempts}, WALL + 100)
    target, other = own.inventory.targets[0], again.inventory.targets[0]
    means = [
        each.ranking.expected_score(t, Mode.BALANCED, NOW, WALL + 100) for each, t in ((own, target), (again, other))
    ]
    assert means[0] == pytest.approx(means[1], abs=0.002)
