"""What attempts and exchanges cost: each what it used, by the prices of the model that was sent."""

import json

import pytest

from exchange.exchange_harness import DONE, STOP, ExchangeHarness, event
from pointsman.exchange.summary import summary

PRICES = {"m": {"input": 3, "output": 15, "cache_read": 0.3}}
USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "prompt_tokens_details": {"cached_tokens": 900}}
COST = "0.00207"
"""100 tokens at 3 $, 900 at 0.3 $ and 100 at 15 $ for a million."""


def reported(**more: object) -> bytes:
    return b"data: " + json.dumps({"id": "c", "choices": [], "usage": {**USAGE, **more}}).encode() + b"\n\n"


def answered(*pieces: bytes, prices: object = PRICES) -> ExchangeHarness:
    harness = ExchangeHarness(1, more={"prices": prices}).start().connected(1).head(1)
    return harness.data(1, event("hi"), *pieces)


def costs(harness: ExchangeHarness) -> tuple[object, list[object]]:
    """Of the exchange, and of its attempts."""
    return harness.exchange.to_record().to_dict()["cost_usd"], [each.to_dict()["cost_usd"] for each in harness.records]


def test_an_answer_costs_what_it_used() -> None:
    assert costs(answered(STOP, reported(), DONE)) == (COST, [COST])


@pytest.mark.parametrize("prices", [{}, PRICES])
def test_the_bill_of_the_provider_counts(prices: object) -> None:
    assert costs(answered(STOP, reported(cost=0.0001), DONE, prices=prices)) == ("0.0001", ["0.0001"])


def test_a_price_that_is_not_known_is_null() -> None:
    assert costs(answered(STOP, reported(), DONE, prices={})) == (None, [None])


def test_a_refusal_costs_nothing_and_the_sum_is_of_all_attempts() -> None:
    harness = ExchangeHarness(2, more={"prices": PRICES}).start().connected(1).answers(1, 503)
    harness.connected(2).head(2).data(2, event("hi"), STOP, reported(), DONE)
    assert costs(harness) == (COST, ["0", COST])


def test_a_cut_stream_costs_what_came_of_it() -> None:
    harness = answered().failed(1)
    [record] = harness.records
    assert record.usage
    assert record.usage.is_estimated
    assert record.cost == record.usage.input * 3000 + record.usage.output * 15000


def test_all_of_a_race_is_paid_for() -> None:
    harness = ExchangeHarness(2, more={"prices": PRICES}, hedge={"after": "2s"}).start().connected(1).wait(2)
    harness.connected(2).head(2).data(2, event("hi"), STOP, reported(), DONE)
    asked = harness.exchange.client_request.facts.tokens
    notice, loser, winner = harness.exchange.attempt_log.records
    assert (notice.cost, loser.cost, winner.cost) == (None, asked * 3000, 2_070_000)
    assert harness.exchange.to_record().cost == asked * 3000 + 2_070_000


def test_a_redirected_model_has_the_prices_of_the_name_that_is_sent() -> None:
    redirects = {"a": [{"match": "exact", "source": "m", "target": "sent"}]}
    harness = ExchangeHarness(1, more={"prices": {"m": {"input": 1}, "sent": PRICES["m"]}}, redirects=redirects)
    harness.start().connected(1).head(1).data(1, event("hi"), STOP, reported(), DONE)
    assert costs(harness) == (COST, [COST])


def test_the_line_of_the_log_says_it() -> None:
    assert summary(answered(STOP, reported(), DONE).exchange.to_record()).endswith(f" · ${COST}")
    assert "$" not in summary(answered(STOP, reported(), DONE, prices={}).exchange.to_record())
