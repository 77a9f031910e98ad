"""Requests that wait for the trial of a target whose cooldown has ended, in virtual time."""

from typing import Any

import pytest

from exchange.exchange_harness import DONE, STOP, ExchangeHarness, event
from pointsman.routing.router import Router
from pointsman.routing.waiting import MAX_IN_LINE
from pointsman.wire.request_options import RequestOptions
from support.clients_in_core import SECRET
from support.settings import provider, settings

DOWN = (503, b'{"error":{"message":"overloaded"}}')
LIMITED = (429, b'{"error":{"message":"slow down","type":"rate_limit_error"}}')
FAILURES = pytest.mark.parametrize("failure", [DOWN, LIMITED], ids=["of the target", "of the key"])
COOLS = 4.0


class Cast:
    """One provider with one key that has failed, and cooled until now; and the request that tries it."""

    def __init__(self, failure: tuple[int, bytes] = DOWN, **limits: int) -> None:
        models = [{"id": "m", "limits": limits}]
        entry = {**provider("https://a.test/v1", keys=["sk-first-secret"]), "models": models}
        cooldowns = {"transient": f"{COOLS}s", "rate_limit": f"{COOLS}s"}
        self.router = Router(settings({"a": entry}, cooldowns=cooldowns), SECRET)
        self.failure = failure
        first = self.request(None).start().connected(1)
        first.answers(1, *failure)
        self.now = first.now + COOLS
        self.trial = self.request(None).start().connected(1)
        assert self.trial.launched == ["a"]

    now = 1000.0

    def request(self, max_wait: float | None, **more: Any) -> ExchangeHarness:
        options = RequestOptions(max_wait=max_wait, **more.pop("options", {}))
        return ExchangeHarness(1, router=self.router, now=self.now, options=options, **more)

    def waiting(self, number: int = 1, max_wait: float = 10.0) -> list[ExchangeHarness]:
        found = [self.request(max_wait).start() for _ in range(number)]
        assert [each.launched for each in found] == [[]] * number
        return found


def served(one: ExchangeHarness, n: int = 1) -> ExchangeHarness:
    return one.head(n).data(n, event("x"), STOP, DONE)


@FAILURES
def test_it_waits_for_the_first_content_of_the_trial(failure: tuple[int, bytes]) -> None:
    cast = Cast(failure)
    [one] = cast.waiting()
    one.wait(1.5)
    cast.trial.head(1).data(1, event("x"))
    assert one.launched == []
    assert served(one.wait(0).connected(1)).response.status == 200
    assert one.exchange.to_record().waited_ms == pytest.approx(1500, abs=50)
    assert len(cast.router.state.waiting) == 0


@FAILURES
def test_all_that_wait_go_on_once_it_works(failure: tuple[int, bytes]) -> None:
    cast = Cast(failure)
    waiting = cast.waiting(5)
    cast.trial.head(1).data(1, event("x"))
    assert [each.wait(0).launched for each in waiting] == [["a"]] * 5


def test_if_the_trial_fails_they_wait_for_the_cooldown_and_one_of_them_tries() -> None:
    cast = Cast()
    waiting = cast.waiting(3)
    cast.trial.answers(1, *DOWN)
    for each in waiting:
        each.wait(COOLS - 0.1)
    assert [each.launched for each in waiting] == [[], [], []]
    for each in waiting:
        each.wait(0.2)
    assert [each.launched for each in waiting] == [["a"], [], []]
    waiting[0].connected(1).head(1).data(1, event("x"))
    assert [each.wait(0).launched for each in waiting] == [["a"]] * 3


def test_if_the_client_of_the_trial_leaves_the_first_that_waits_tries() -> None:
    cast = Cast()
    waiting = cast.waiting(3)
    cast.trial.client_gone()
    assert [each.wait(0).launched for each in waiting] == [["a"], [], []]


@FAILURES
def test_when_its_time_is_over_it_tries_all_the_same(failure: tuple[int, bytes]) -> None:
    [one] = Cast(failure).waiting(max_wait=3.0)
    assert one.wait(2.9).launched == []
    assert one.wait(0.2).launched == ["a"]
    [record] = served(one.connected(1)).records
    assert record.selection_reason == "last_resort: half_open (another request is trying it)"


def test_so_it_does_if_the_trial_has_failed_meanwhile() -> None:
    cast = Cast()
    [one] = cast.waiting(max_wait=3.0)
    cast.trial.answers(1, *DOWN)
    assert one.wait(2.9).launched == []
    assert one.wait(0.2).launched == ["a"]
    assert served(one.connected(1)).records[0].selection_reason.startswith("last_resort: cooling until ")


def test_if_the_trial_meets_a_limit_that_ends_too_late_the_request_is_refused() -> None:
    cast = Cast(LIMITED)
    [one] = cast.waiting(max_wait=3.0)
    cast.trial.answers(1, *LIMITED, {"content-type": "application/json", "retry-after": "20"})
    assert one.wait(0).response.status == 429


@FAILURES
def test_others_are_not_refused_for_those_that_wait(failure: tuple[int, bytes]) -> None:
    cast = Cast(failure)
    cast.waiting(2)
    assert cast.request(None).start().launched == ["a"]
    cast.trial.client_gone()
    assert cast.request(None).start().launched == ["a"], "before the first of them has noticed"


def test_it_does_not_wait_where_no_time_would_be_left_to_try() -> None:
    cast = Cast()
    assert cast.request(10.0, options={"timeout": 5.0}).start().launched == ["a"]


def test_those_that_find_no_place_in_line_try_at_once() -> None:
    cast = Cast()
    cast.waiting(MAX_IN_LINE)
    assert cast.request(10.0).start().launched == ["a"]


class TestOfATargetWithAllItsPlacesTaken:
    def test_the_limit_is_waited_for_while_another_request_tries(self) -> None:
        cast = Cast(concurrency=1)
        [one] = cast.waiting()
        served(cast.trial)
        assert one.wait(0).launched == ["a"]

    def test_a_request_that_may_not_wait_gets_the_limit_as_an_error(self) -> None:
        one = Cast(concurrency=1).request(None).start()
        assert (one.response.status, one.headers["retry-after"]) == (429, "2")
        assert '"reason": "rate_limited"' in one.sent.decode()
