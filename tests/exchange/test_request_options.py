"""What a request's own options change in its exchange, in virtual time."""

import pytest

from exchange.exchange_harness import DONE, STOP, ExchangeHarness, event
from pointsman.domain.failure_rows import Failure
from pointsman.wire.request_options import RequestOptions


@pytest.mark.parametrize("stream", [True, False])
def test_the_time_to_the_first_content_is_the_clients(stream: bool) -> None:
    stage = ExchangeHarness(options=RequestOptions(timeout=3.0), stream=stream).start().connected(1)
    stage.wait(1).failed(1).connected(2).wait(1.9)
    assert not stage.ended
    stage.wait(0.2)
    assert stage.response.status == 504
    assert b"No content within 3 s, as the request asks." in stage.sent
    assert stage.cancelled == [2]
    assert (stage.records[1].error, stage.records[1].failure) == ("client_timeout", Failure.OURS)
    assert not stage.router.cooldowns.target_cooldown("b/m", stage.now), "which had no time to answer"


def test_after_the_first_content_it_no_longer_counts() -> None:
    stage = ExchangeHarness(options=RequestOptions(timeout=3.0)).start().head(1).data(1, event("x")).wait(10)
    assert stage.data(1, STOP, DONE).sent.endswith(STOP + DONE)


def test_without_fallback_the_client_gets_the_providers_own_answer() -> None:
    stage = ExchangeHarness(options=RequestOptions(fallback=False)).start().connected(1)
    stage.answers(1, 503, b'{"error":{"message":"overloaded"}}')
    assert stage.launched == ["a"]
    assert stage.response.status == 503
    assert b"overloaded" in stage.sent


def test_without_fallback_a_broken_connection_is_an_error_of_the_routers() -> None:
    stage = ExchangeHarness(options=RequestOptions(fallback=False)).start().connected(1).failed(1)
    assert (stage.launched, stage.response.status) == (["a"], 502)


@pytest.mark.parametrize(("options", "launched"), [(RequestOptions(), 2), (RequestOptions(hedge=False), 1)])
def test_a_hedge_may_be_declined(options: RequestOptions, launched: int) -> None:
    stage = ExchangeHarness(options=options, hedge={"after": "1s", "max_parallel": 2}).start().connected(1).wait(1.5)
    assert len(stage.launched) == launched
