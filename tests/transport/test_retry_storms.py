"""A client that repeats a failing request in a hot loop, over real sockets."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from pointsman.demo import behaviours
from pointsman.domain.clock import ManualClock
from pointsman.routing import state
from pointsman.routing.retry_storms import RetryStorms
from support.http_requests import Asked, ask
from transport.chat_client import ANSWER, RouterFixture, session


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    """The clock of retry storms, which stands still unless it is set: how long requests take does not matter."""
    clock = ManualClock()

    class Storms(RetryStorms):
        def required_wait(self, asker: bytes, fingerprint: Callable[[], bytes], now: float) -> float | None:
            return super().required_wait(asker, fingerprint, clock())

        def on_failure(self, asker: bytes, fingerprint: bytes, now: float) -> None:
            super().on_failure(asker, fingerprint, clock())

        def to_dict(self, now: float, wall: float) -> dict[str, Any]:
            return super().to_dict(clock(), wall)

    monkeypatch.setattr(state, "RetryStorms", Storms)
    return clock


@pytest.fixture
async def yard(tmp_path: Path, clock: ManualClock) -> AsyncIterator[RouterFixture]:
    async with AsyncExitStack() as stack:
        own = RouterFixture(tmp_path, stack)
        await own.open("a", cooldowns={"transient": "off"}, protection={"a": "off"})
        own.a.script = behaviours.cut(ANSWER)
        yield own


async def asked(yard: RouterFixture, **known: Any) -> Asked:
    return await ask(yard.router.base_url, **known)


@pytest.mark.parametrize("headers", [session("7"), {}], ids=["with a session id", "known by its words"])
async def test_it_is_turned_away_and_served_again_after_the_pause(
    yard: RouterFixture, clock: ManualClock, headers: dict[str, str]
) -> None:
    answers = [await asked(yard, headers=headers) for _ in range(7)]
    *served, refused = answers
    assert {answer.status for answer in served} == {200}, "their streams end badly"
    assert all(b"stream_broken" in answer.body for answer in served)
    assert (refused.status, refused.headers["retry-after"]) == (429, "1")
    assert refused.json["error"]["code"] == "rate_limited"
    assert refused.headers["x-fallback-attempts"] == "0"
    assert len(yard.a.seen) == 6

    yard.a.script = behaviours.answer(ANSWER)
    assert (await asked(yard, headers=session("8"))).status == 200, "others are served"
    clock.set(1.0)
    assert (await asked(yard, headers=headers)).status == 200
    assert (await asked(yard, headers=headers)).status == 200


async def test_hundreds_of_repeats_reach_no_provider_and_are_counted(yard: RouterFixture) -> None:
    answers = [await asked(yard, stream=False) for _ in range(100)]
    refused = [answer for answer in answers if answer.status == 429]
    assert len(yard.a.seen) == 6
    assert [answer.headers["retry-after"] for answer in refused[:7]] == ["1", "2", "4", "8", "16", "30", "30"]
    storms = (await yard.page("status/protection"))["storms"]
    assert storms["refused"] == 94
    assert [row["refused"] for row in storms["running"]] == [94]


async def test_a_clients_few_retries_are_served(yard: RouterFixture) -> None:
    yard.a.script = [behaviours.status(503), behaviours.status(503), behaviours.answer(ANSWER)]
    answers = [await asked(yard, headers={"x-stainless-retry-count": str(n)}) for n in range(3)]
    assert [answer.status for answer in answers] == [502, 502, 200]
