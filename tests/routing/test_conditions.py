"""What is said of providers, targets and keys: in one set of words, and never better than it is."""

from typing import Any

import pytest

from pointsman.domain.failures import Failure, Scope
from pointsman.domain.records import AttemptRecord, Outcome
from pointsman.routing.conditions import Condition, State
from pointsman.routing.router import Router
from pointsman.routing.tallies import NO_TALLY
from routing.routing_builders import candidate_of, cool
from support.audit_records import attempt_record, exchange_record
from support.clients_in_core import SECRET
from support.settings import provider, settings

NOW, WALL = 1000.0, 1_700_000_000.0


def router(**more: Any) -> Router:
    return Router(settings({"a": provider(keys=["one", "two"], **more), "b": provider()}), SECRET)


def attempt(outcome: Outcome = Outcome.REQUEST_SUCCESS, wall: float = WALL, **more: Any) -> AttemptRecord:
    named = {"provider": "a", "model": "m", "key": "key-1"} | more
    return attempt_record(outcome=outcome, started=wall - 1, settled_ms=1000.0, **named)


def failed(failure: Failure = Failure.SERVER_ERROR, error: str = "503", **more: Any) -> AttemptRecord:
    return attempt(Outcome.RETRY_FAILED, failure=failure, error=error, **more)


def observe(one: Router, *attempts: AttemptRecord) -> None:
    """Each as an exchange of its own."""
    for each in attempts:
        one.observe(exchange_record(attempts=(each,)))


def text(condition: Condition) -> str:
    return condition.text(lambda moment: f"+{moment - WALL:.0f}s")


def of_provider(one: Router, name: str = "a", wall: float = WALL) -> str:
    return text(one.conditions(NOW + wall - WALL, wall).of_provider(name))


def test_what_was_not_asked_is_not_said_to_work() -> None:
    one = router()
    assert of_provider(one) == "not tried yet"
    assert text(one.conditions(NOW, WALL).of_target(one.inventory.by_label["a/m"])) == "not tried yet"
    assert text(one.conditions(NOW, WALL).of_key(("a", candidate_of(one, "a/m").key_id[1]), True)) == "not tried yet"


@pytest.mark.parametrize(
    ("attempts", "words"),
    [
        ([attempt()] * 49 + [failed()] + [attempt()], "works (98 % of 51 in the last hour)"),
        ([failed()] * 5, "failing (0 of 5 in the last hour): 503"),
        ([attempt()] * 20 + [failed()] * 3, "failing (the last 3 failed): 503"),
        ([attempt()] * 2 + [failed(), attempt(), failed(), failed()], "works (50 % of 6 in the last hour)"),
        ([failed(), failed(), attempt()], "failing (33 % of 3 in the last hour): 503"),
        ([attempt(Outcome.CLIENT_ABORT)], "no result yet"),
        ([failed(Failure.REQUEST, "400")], "no result yet"),
        ([failed(Failure.NOT_FOUND, "404")] * 2, "failing (0 of 2 in the last hour): 404"),
    ],
)
def test_the_last_hour_says_whether_it_works(attempts: list[AttemptRecord], words: str) -> None:
    one = router()
    observe(one, *attempts)
    assert of_provider(one) == words


@pytest.mark.parametrize(
    ("attempts", "words"),
    [([failed(), attempt()], "worked last time, +0s"), ([attempt(), failed()], "failed last time, +0s: 503")],
)
def test_after_an_hour_the_last_attempt_counts(attempts: list[AttemptRecord], words: str) -> None:
    one = router()
    observe(one, *attempts)
    assert of_provider(one, wall=WALL + 3660) == words


def test_a_cooldown_is_reported_with_its_end_and_its_status() -> None:
    one = router()
    observe(one, failed(Failure.RATE_LIMIT, "429"))
    for key in ("key-1", "key-2"):
        cool(one, Scope.KEY, "a/m", "rate_limit", 300, NOW, key)
    assert of_provider(one) == "cooling until +300s: 429 rate limit"


def test_a_provider_with_one_key_left_is_not_closed() -> None:
    one = router()
    cool(one, Scope.KEY, "a/m", "key_invalid", 600, NOW, "key-1")
    conditions = one.conditions(NOW, WALL)
    assert of_provider(one) == "not tried yet"
    assert text(conditions.of_key(candidate_of(one, "a/m", "key-1").key_id, True)) == "key refused last time"
    cool(one, Scope.KEY, "a/m", "key_invalid", 600, NOW, "key-2")
    assert of_provider(one) == "key refused last time"


def test_what_cannot_be_reached_is_unreachable_whatever_was_before() -> None:
    one = router()
    observe(one, attempt())
    for _ in range(3):
        one.health.on_connection_failed("a", "connect_timeout", NOW)
    assert of_provider(one) == "unreachable: connect timeout"


def test_a_used_up_limit_says_when_it_frees() -> None:
    one = router(models=[{"id": "m", "limits": {"rpm": 1}}])
    for key in ("key-1", "key-2"):
        one.state.lease(candidate_of(one, "a/m", key), 10, NOW)
    assert of_provider(one).startswith("limit used up until +")


def test_what_is_switched_off_is_disabled() -> None:
    one = Router(settings({"a": provider(enabled=False), "b": provider()}), SECRET)
    assert of_provider(one) == "disabled"
    assert one.conditions(NOW, WALL).of_target(one.inventory.by_label["a/m"]).state is State.DISABLED


def test_a_key_that_failed_counts_against_the_key_and_not_the_model_that_answered() -> None:
    one = router()
    refused = failed(Failure.RATE_LIMIT, "429", key="key-1")
    answered = attempt(Outcome.RETRY_SUCCESS, key="key-2", n=2)
    one.observe(exchange_record(attempts=(refused, answered)))
    tallies, first = one.state.tallies, candidate_of(one, "a/m", "key-1")
    assert (tallies.targets["a/m"].successes, tallies.targets["a/m"].failures) == (1, 0)
    assert (tallies.keys[first.key_id].failures, tallies.pairs[first.pair_id].failures) == (1, 1)


def test_totals_have_tokens_cost_last_use_and_last_error() -> None:
    one = router()
    observe(one, attempt(cost=4_500_000), failed(message="overloaded", usage=None, wall=WALL + 5))
    told = one.state.tallies.keys[candidate_of(one, "a/m", "key-1").key_id].to_dict(WALL + 5)
    assert (told["successes"], told["failures"], told["cost_usd"]) == (1, 1, "0.0045")
    assert (told["usage"]["input"], told["usage"]["cache_read"], told["usage"]["output"]) == (7, 5, 34)
    assert told["last_error"] == {"time": WALL + 5, "error": "503", "message": "overloaded"}
    observe(one, attempt(cost=None))
    assert one.state.tallies.targets["a/m"].to_dict(WALL)["cost_usd"] is None


def test_attempts_of_an_earlier_run_are_in_no_sum_since_the_start() -> None:
    one = router()
    one.restore({}, {}, {"a/m": [(WALL - 20, True), (WALL - 10, False)]}, WALL)
    told = one.state.tallies.targets["a/m"].to_dict(WALL)
    assert (told["successes"], told["failures"], told["usage"]["input"]) == (0, 0, 0)
    assert told["last_hour"] == {"successes": 1, "failures": 1}
    assert told["last_used"] == WALL - 10
    observe(one, attempt())
    told = one.state.tallies.providers["a"].to_dict(WALL)
    assert (told["successes"], told["last_hour"]["successes"]) == (1, 2)


def test_a_key_is_known_after_a_restart() -> None:
    one = router()
    worked, failed = [(WALL - 20, True)], [(WALL - 9, False)]
    of_keys = {("a/m", "key-1"): worked, ("a/m", "key-2"): failed, ("a/m", "gone"): worked}
    one.restore({}, {}, {"a/m": [(WALL - 20, True)]}, WALL, of_keys)
    first, second = (candidate_of(one, "a/m", each) for each in ("key-1", "key-2"))
    conditions = one.conditions(NOW, WALL)
    assert text(conditions.of_key(first.key_id, True)) == "works (100 % of 1 in the last hour)"
    assert text(conditions.of_pair(second)) == "failing (0 of 1 in the last hour)"
    assert one.state.tallies.keys[first.key_id].successes == 0


def test_the_share_after_a_restart_is_that_of_the_last_attempts() -> None:
    one = router()
    failures, successes = [(WALL - 900 - n, False) for n in range(64)], [(WALL - n, True) for n in range(64)]
    one.restore({}, {}, {"a/m": failures + successes}, WALL)
    assert of_provider(one) == "works (100 % of 64 in the last hour)"


def test_models_that_were_used_days_ago_are_not_of_the_last_hour() -> None:
    models = {"models": [{"id": "m"}, {"id": "old"}]}
    one = Router(settings({"a": provider(**models)}), SECRET)
    one.restore({}, {}, {"a/m": [(WALL - 60, True)], "a/old": [(WALL - 3 * 86400, False)] * 9}, WALL)
    assert of_provider(one) == "works (100 % of 1 in the last hour)"


def test_a_key_that_is_switched_off_keeps_its_totals() -> None:
    one = router()
    observe(one, attempt(key="key-1"))
    name = candidate_of(one, "a/m", "key-1").key_id
    off = provider(keys=[{"value": "one", "enabled": False}, "two"])
    one.update_settings(settings({"a": off, "b": provider()}), NOW)
    assert one.state.tallies.keys[name].successes == 1
    assert text(one.conditions(NOW, WALL).of_key(name, False)) == "disabled"


def test_a_reload_forgets_what_is_gone_and_a_restart_knows_what_was() -> None:
    one = router()
    observe(one, attempt(), attempt(provider="b", key=None))
    one.update_settings(settings({"b": provider()}), NOW)
    assert one.state.tallies.targets.keys() == {"b/m"}
    again = router()
    again.restore({}, {}, {"a/m": [(WALL - 10, False), (WALL - 20, True)], "gone/m": [(WALL, True)]}, WALL)
    assert of_provider(again) == "works (50 % of 2 in the last hour)"
    assert NO_TALLY.used is None
