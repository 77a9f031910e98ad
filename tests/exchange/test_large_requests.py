"""Requests that take long to make: the exchange hands the work out, and goes on when it is done."""

import json

import pytest

from exchange.exchange_harness import DONE, ROLE, STOP, ExchangeHarness, event
from pointsman.config.enums import Dialect
from pointsman.domain.records import Outcome
from pointsman.exchange.effects import Launch, LaunchLarge
from pointsman.wire.conversion.codec import LARGE_CONVERSION, LARGE_COPY
from pointsman.wire.conversion.ir import Inconvertible


def saying(size: int) -> bytes:
    return json.dumps({"model": "m", "stream": True, "messages": [{"role": "user", "content": "x" * size}]}).encode()


LARGE = saying(LARGE_COPY)
SPEAKS = {"a": Dialect.ANTHROPIC}


def test_a_large_request_is_made_elsewhere() -> None:
    stage = ExchangeHarness(1, request=LARGE).start()
    [launch] = stage.effects_of(LaunchLarge)
    assert (launch.n, stage.effects_of(Launch)) == (1, [])
    assert launch.make().body == LARGE
    stage.made(1).connected(1).head(1).data(1, ROLE, event("hi"), STOP, DONE)
    assert (stage.ended, stage.outcomes) == (True, [Outcome.REQUEST_SUCCESS])


@pytest.mark.parametrize(("size", "is_large"), [(LARGE_CONVERSION // 2, False), (LARGE_CONVERSION, True)])
def test_less_is_large_where_it_has_to_be_converted(size: int, is_large: bool) -> None:
    stage = ExchangeHarness(1, request=saying(size), speaks=SPEAKS).start()
    assert bool(stage.effects_of(LaunchLarge)) is is_large
    assert not ExchangeHarness(1, request=saying(size)).start().effects_of(LaunchLarge)


def test_preparing_the_request_does_not_count_against_the_timeouts() -> None:
    """Neither for having no connection, nor for having said nothing."""
    limits = {"connect": "2s", "first_byte": "5s"}
    stage = ExchangeHarness(2, request=LARGE, more={"timeouts": limits}).start()
    stage.wait(4.0).made(1).wait(1.5).connected(1).wait(3.0)
    assert stage.records == []
    stage.wait(1.0)
    assert [record.error for record in stage.records] == ["first_byte_timeout"]


def test_one_that_cannot_be_made_is_the_next_ones() -> None:
    stage = (
        ExchangeHarness(2, request=saying(LARGE_CONVERSION), speaks=SPEAKS)
        .start()
        .not_made(1, str(Inconvertible("no words")))
    )
    assert [(record.provider, record.error, record.message) for record in stage.records] == [
        ("a", "inconvertible", "no words")
    ]
    assert (stage.launched, stage.cancelled) == (["b"], [])


def test_a_client_that_leaves_meanwhile_ends_it() -> None:
    stage = ExchangeHarness(1, request=LARGE).start().client_gone()
    assert (stage.cancelled, stage.ended) == ([1], True)
    effects = len(stage.effects)
    stage.made(1).not_made(1, "too late")
    assert len(stage.effects) == effects
