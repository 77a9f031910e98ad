"""Exchanges at a client's expense: what its budgets exclude, what is used instead, and which errors it gets."""

import json
from typing import Any

import pytest

from clients.client_builders import ClientHarness, priced, whole
from exchange.exchange_harness import JSON, ExchangeHarness
from pointsman.routing.client_spending import expected_tokens
from routing.routing_builders import request
from support.settings import provider

DAY = 86_400.0
TWO = {"a": priced("a", 10), "b": priced("b", 1)}
"""Requests of 1,000 tokens: $0.01 and $0.001 at most."""


def error(exchange: ExchangeHarness) -> dict[str, Any]:
    return dict(json.loads(exchange.sent)["error"])


def reasons(exchange: ExchangeHarness) -> list[tuple[str, str]]:
    told = exchange.exchange.to_record().excluded
    return [(f"{each['provider']}/{each['model']}", str(each["reason"])) for each in told]


@pytest.mark.parametrize(
    ("document", "output"),
    [
        ({}, 1024),
        ({"max_tokens": 7}, 7),
        ({"max_completion_tokens": 8, "n": 3}, 24),
        ({"max_output_tokens": 9}, 9),
        ({"generationConfig": {"maxOutputTokens": 11, "candidateCount": 2}}, 22),
        ({"max_tokens": "many", "n": True}, 1024),
        ({"max_tokens": -1}, 1024),
        ({"n": 3}, 3 * 1024),
        ({"max_tokens": 1, "max_completion_tokens": 5000}, 5000),
        ({"maxOutputTokens": 1, "generationConfig": {"maxOutputTokens": 5000}}, 5000),
    ],
)
def test_the_prompt_and_the_longest_answer_are_reserved(document: dict[str, Any], output: int) -> None:
    usage = expected_tokens(request(tokens=10, document=document))
    assert (usage.input, usage.output) == (10, output)


def test_a_cheaper_candidate_serves_what_the_best_one_has_no_room_for() -> None:
    ci = ClientHarness(TWO, client={"budgets": [{"usd": "0.005", "per": "day"}]})
    first = ci.ask()
    assert first.launched == ["b"]
    first.answers(1, 200, whole(1, 999))
    assert ci.told()["budgets"] == [
        {
            "usd": "0.005",
            "per": "day",
            "zone": "UTC",
            "spent": "0.001",
            "reserved": "0",
            "left": "0.004",
            "resets": 2 * DAY,
        }
    ]
    assert reasons(first) == [("a/m", "budget")]


def test_when_nothing_has_room_the_client_gets_the_time_when_there_will_be() -> None:
    ci = ClientHarness(TWO, client={"budgets": [{"usd": "0.0015", "per": "day"}, {"tokens": 10**6, "per": "week"}]})
    ci.ask().answers(1, 200, whole(1, 999))
    refused = ci.ask()
    assert refused.response.status == 429
    assert error(refused)["code"] == "budget_exhausted"
    assert "0.0015 usd per day" in error(refused)["message"]
    assert refused.headers["retry-after"] == str(int(2 * DAY - ci.now))
    assert refused.launched == []
    ci.now = 2 * DAY
    assert ci.ask().launched == ["b"]


def test_of_several_resets_the_earliest_that_helps_is_stated() -> None:
    """a has room again when its week ends; b never has."""
    one = {"a": priced("a", 1, "m"), "b": priced("b", 5_000, "m")}
    ci = ClientHarness(one, client={"budgets": [{"usd": 1, "per": "day"}, {"tokens": 1500, "per": "week"}]})
    ci.ask().answers(1, 200, whole(1, 999))
    assert ci.ask().headers["retry-after"] == str(int(4 * DAY - ci.now)), "1 January 1970 was a Thursday"


def test_what_never_fits_names_no_wait() -> None:
    refused = ClientHarness(TWO, client={"budgets": [{"usd": "0.0001", "per": "day"}]}).ask()
    assert error(refused)["code"] == "budget_exhausted"
    assert "retry-after" not in refused.headers


def test_repeated_refusals_are_the_same() -> None:
    ci = ClientHarness(TWO, client={"budgets": [{"usd": "0.0001", "per": "day"}]})
    codes = {error(ci.ask(session="7"))["code"] for _ in range(12)}
    assert codes == {"budget_exhausted"}


def test_running_requests_count_against_each_other() -> None:
    ci = ClientHarness(TWO, client={"budgets": [{"tokens": 2500, "per": "day"}]})
    first, second, third = ci.ask(), ci.ask(), ci.ask()
    assert (first.launched, second.launched, third.launched) == (["a"], ["a"], [])
    first.client_gone()
    assert ci.ask().launched == ["a"]


def test_a_limit_of_the_provider_is_stated_before_the_budget_of_another() -> None:
    """The candidate within the budget is at a limit: that is what ends first."""
    limited = TWO | {"b": provider("http://b.test/v1", prices=TWO["b"]["prices"]) | {
        "models": [{"id": "m", "limits": {"rpm": 1}}]
    }}  # fmt: skip
    ci = ClientHarness(limited, client={"budgets": [{"usd": "0.005", "per": "day"}]})
    ci.ask().connected(1).answers(1, 200, whole(1, 1))
    refused = ci.ask()
    assert error(refused)["code"] == "rate_limited"
    assert int(refused.headers["retry-after"]) < 70


FALLBACK = {"a": priced("a", 10), "b": priced("b", 0, "free")}


def test_another_name_is_asked_when_the_budget_is_exhausted() -> None:
    ci = ClientHarness(FALLBACK, client={"budgets": [{"usd": "0.001", "per": "day"}], "on_exhausted": "free"})
    answered = ci.ask()
    assert answered.launched == ["b"]
    answered.answers(1, 200, whole(1, 10))
    assert answered.headers["x-routed-as"] == "free"
    assert answered.exchange.to_record().taken_as == "free"
    assert "free, as a budget is exhausted" in answered.records[0].selection_reason


def test_it_says_so_too_where_nothing_else_is_left() -> None:
    ci = ClientHarness(FALLBACK, client={"budgets": [{"usd": "0.001", "per": "day"}], "on_exhausted": "free"})
    ci.ask().connected(1).answers(1, 503)
    again = ci.ask()
    assert again.launched == ["b"]
    again.answers(1, 200, whole(1, 10))
    why = again.records[0].selection_reason
    assert why.startswith("last_resort: cooling")
    assert why.endswith("free, as a budget is exhausted")


def test_what_is_asked_instead_is_counted_though_not_held_to_the_budget() -> None:
    both = {"a": priced("a", 10), "b": priced("b", 2, "cheap")}
    ci = ClientHarness(both, client={"budgets": [{"usd": "0.001", "per": "day"}], "on_exhausted": "cheap"})
    answered = ci.ask().answers(1, 200, whole(1, 999))
    assert answered.headers["x-budget-left"] == "-0.001"
    [told] = ci.told()["budgets"]
    assert (told["spent"], told["left"]) == ("0.002", "-0.001")


def test_other_budgets_hold_for_what_is_asked_instead() -> None:
    budgets = [{"usd": "0.001", "per": "day"}, {"tokens": 500, "per": "day"}]
    ci = ClientHarness(FALLBACK, client={"budgets": budgets, "on_exhausted": "free"})
    assert ci.ask(max_tokens=400).launched == ["b"], "only the money is exhausted"
    ci = ClientHarness(FALLBACK, client={"budgets": budgets[1:], "on_exhausted": "free"})
    assert ci.ask(max_tokens=600).launched == ["b"], "the tokens are"


def test_where_the_substitute_cannot_serve_the_budget_is_reported() -> None:
    off = FALLBACK | {"b": FALLBACK["b"] | {"enabled": False}}
    ci = ClientHarness(off, client={"budgets": [{"usd": "0.001", "per": "day"}], "on_exhausted": "free"})
    refused = ci.ask()
    assert error(refused)["code"] == "budget_exhausted"
    assert "x-routed-as" not in refused.headers


def test_after_a_failure_another_name_is_asked_too() -> None:
    """The cheap candidate fails, and the dear one has no room."""
    three = {"a": priced("a", 10), "b": priced("b", 1), "c": priced("c", 0, "free")}
    ci = ClientHarness(three, client={"budgets": [{"usd": "0.005", "per": "day"}], "on_exhausted": "free"})
    answered = ci.ask().answers(1, 500)
    assert answered.launched == ["b", "c"]


def test_the_pin_stays_where_only_the_budget_keeps_it_from_being_used() -> None:
    ci = ClientHarness(FALLBACK, client={"budgets": [{"usd": "0.012", "per": "day"}], "on_exhausted": "free"})
    ci.ask(session="7").answers(1, 200, whole(1, 999))
    stand_in = ci.ask(session="7").answers(1, 200, whole(1, 999))
    assert stand_in.launched == ["b"]
    ci.reload({"budgets": [{"usd": 1, "per": "day"}]})
    again = ci.ask(session="7").answers(1, 200, whole(1, 999))
    assert again.records[0].selection_reason == "pin"


@pytest.mark.parametrize(
    ("budgets", "left"),
    [
        ([{"usd": "0.01", "per": "day"}], None),
        ([{"usd": "0.001251", "per": "day"}], None),
        ([{"usd": "0.00125", "per": "day"}], "0.00025"),
        ([{"tokens": 1100, "per": "day"}], "100 tokens"),
        ([{"usd": "0.0011", "per": "day"}, {"tokens": 1200, "per": "day"}], "0.0001 usd, 200 tokens"),
        ([{"usd": "0.0011", "per": "day"}, {"usd": "0.00105", "per": "week"}], "0.00005"),
    ],
)
def test_what_is_left_is_stated_once_most_is_spent_or_reserved(budgets: list[Any], left: str | None) -> None:
    ci = ClientHarness({"b": TWO["b"]}, client={"budgets": budgets})
    answered = ci.ask().answers(1, 200, whole(1, 999))
    assert answered.headers.get("x-budget-left") == left


def test_a_repeated_attempt_and_each_of_a_race_reserve_for_themselves() -> None:
    ci = ClientHarness(TWO, client={"budgets": [{"usd": 1, "per": "day"}]}, hedge={"after": "1s", "max_parallel": 2})
    failed = ci.ask().answers(1, 500)
    window = ci.account.lines(ci.now)[0].window
    assert (failed.launched, window.reserved_cost) == (["a", "b"], 10**6)
    failed.answers(2, 200, whole(1, 999))
    assert (window.cost, window.reserved_cost) == (10**6, 0)


def test_an_exchange_that_is_discarded_gives_everything_back() -> None:
    ci = ClientHarness(TWO, client={"budgets": [{"usd": 1, "per": "day"}], "limits": {"concurrency": 1}})
    ci.ask().exchange.plan.discard()
    assert (ci.account.reserved, ci.clients.limits.running("ci")) == (0, 0)


def test_without_budgets_usage_and_cost_are_counted_all_the_same() -> None:
    ci = ClientHarness(TWO | {"c": priced("c", None, "unpriced")})
    ci.ask().answers(1, 200, whole(10, 20))
    ci.ask(model="unpriced").answers(1, 200, whole(1, 2), JSON)
    told = ci.told()
    assert (told["requests"], told["cost_usd"], told["unpriced"], told["budgets"]) == (2, "0.0003", 1, [])
    assert (told["usage"]["input"], told["usage"]["output"], told["last_used"]) == (11, 22, ci.now)
