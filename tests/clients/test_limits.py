"""What a client may use at a time, and what gives it room again."""

import pytest

from pointsman.clients.limits import LimitReached, RequestLimits, Slot
from pointsman.config.clients import ClientLimits

NOW = 1000.0


def limited(**limits: int) -> ClientLimits:
    return ClientLimits.model_validate(limits)


def begun(limits: RequestLimits, own: ClientLimits, tokens: int = 10, now: float = NOW) -> Slot:
    slot = limits.begin("ci", own, tokens, now)
    assert isinstance(slot, Slot)
    return slot


def test_requests_at_once_make_room_when_they_end_and_only_once() -> None:
    limits, own = RequestLimits(), limited(concurrency=2)
    first, _ = begun(limits, own), begun(limits, own)
    assert limits.begin("ci", own, 10, NOW) == LimitReached("concurrency", 2, 2.0)
    assert isinstance(limits.begin("another", own, 10, NOW), Slot)
    first.end(5)
    first.end(5)
    begun(limits, own)
    assert isinstance(limits.begin("ci", own, 10, NOW), LimitReached)


def test_requests_a_minute_are_those_that_were_begun() -> None:
    limits, own = RequestLimits(), limited(rpm=2)
    for _ in range(2):
        begun(limits, own).end(10)
    refused = limits.begin("ci", own, 10, NOW + 10)
    assert isinstance(refused, LimitReached)
    assert (refused.name, 50 < refused.wait <= 52) == ("rpm", True)
    for _ in range(2):
        begun(limits, own, now=NOW + 62)


@pytest.mark.parametrize(("used", "left"), [(10, 90), (100, 0), (0, 100)])
def test_tokens_a_minute_are_an_estimate_until_the_request_ends(used: int, left: int) -> None:
    limits, own = RequestLimits(), limited(tpm=100)
    slot = begun(limits, own, 60)
    assert isinstance(limits.begin("ci", own, 41, NOW), LimitReached)
    slot.end(used)
    assert isinstance(limits.begin("ci", own, left + 1, NOW), LimitReached if left < 100 else Slot)
    assert left == 0 or isinstance(RequestLimits().begin("ci", own, left, NOW), Slot)


def test_a_refused_request_counts_for_nothing() -> None:
    limits, own = RequestLimits(), limited(rpm=5, concurrency=1)
    slot = begun(limits, own)
    for _ in range(20):
        assert isinstance(limits.begin("ci", own, 10, NOW), LimitReached)
    slot.end(0)
    for _ in range(4):
        begun(limits, own).end(0)


def test_of_several_limits_the_longest_wait_is_stated() -> None:
    limits, own = RequestLimits(), limited(rpm=1, concurrency=1)
    begun(limits, own)
    refused = limits.begin("ci", own, 10, NOW)
    assert isinstance(refused, LimitReached)
    assert refused.name == "rpm"


def test_a_limit_that_comes_while_requests_run_counts_them() -> None:
    limits = RequestLimits()
    begun(limits, limited())
    assert isinstance(limits.begin("ci", limited(concurrency=1), 10, NOW), LimitReached)
    limits.keep_only(["another"])
    assert limits.running("ci") == 1, "its request still runs"
