"""The wait that an error states: the one that providers state, and at most a minute where they do not."""

from collections.abc import Sequence
from typing import Any

import pytest

from pointsman.config.enums import Dialect
from pointsman.domain.failures import classify
from pointsman.domain.records import Outcome
from pointsman.routing.exclusions import MAX_GUESS
from pointsman.routing.router import Router
from pointsman.wire.errors import Fault, FaultKind
from routing.routing_builders import request, status
from routing.session_driver import SessionDriver
from support.audit_records import attempt_record
from support.clients_in_core import SECRET, caller
from support.settings import provider, settings

NOW = 6000.0
WALL = 1_700_000_000.0


def told(faults: Sequence[Fault], router: Router | None = None, **sections: Any) -> float | None:
    """The wait after an exchange in which each provider failed once, the first with the first fault, and so on."""
    names = "abcdef"[: len(faults)]
    own = {name: provider(f"https://{name}.test/v1", keys=[f"sk-{name}-secret"]) for name in names}
    router = router or Router(settings(own, **sections), SECRET)
    plan = router.plan(request(), Dialect.OPENAI_CHAT, caller(), NOW)
    for n, fault in enumerate(faults):
        candidate = plan.next_candidate(NOW)
        assert candidate
        plan.on_launched(n, candidate, NOW)
        record = attempt_record(
            n=n, outcome=Outcome.RETRY_FAILED, failure=classify(fault), first_content_ms=None, started=WALL
        )
        plan.on_settled(candidate, record, fault, NOW)
    return plan.final_error(NOW, WALL).retry_after


LONG = {"transient": "10m", "rate_limit": "10m", "key_invalid": "1h"}


@pytest.mark.parametrize("number", [401, 402, 429, 500, 503, 529])
def test_a_guess_is_promised_for_a_minute_at_most(number: int) -> None:
    assert told([status(number)], cooldowns=LONG) == MAX_GUESS
    assert told([status(404, code="model_not_found")], cooldowns=LONG) == MAX_GUESS
    assert told([Fault(FaultKind.REFUSED)], cooldowns=LONG) == MAX_GUESS


@pytest.mark.parametrize("number", [402, 403, 429, 500, 503, 529])
@pytest.mark.parametrize("stated", [7.0, 7200.0])
def test_a_stated_wait_is_passed_on(number: int, stated: float) -> None:
    assert told([status(number, retry_after=stated)], cooldowns=LONG) == stated


@pytest.mark.parametrize(
    ("faults", "wait"),
    [
        ([status(429, retry_after=7200.0), status(429, retry_after=40.0)], 40.0),
        ([status(429, retry_after=7200.0), status(429)], MAX_GUESS),
        ([status(429, retry_after=30.0), status(429)], 30.0),
        ([status(429, retry_after=7200.0), status(503, retry_after=300.0)], 300.0),
        ([status(429, retry_after=7200.0), status(403)], MAX_GUESS),
        ([status(429, retry_after=30.0), status(403)], 30.0),
        ([status(403), status(403)], None),
    ],
)
def test_it_is_never_longer_than_until_the_first_that_may_work(faults: list[Fault], wait: float | None) -> None:
    assert told(faults, cooldowns=LONG) == wait


def test_a_stated_wait_stays_one_though_a_guess_follows() -> None:
    router = Router(settings({"a": provider("https://a.test/v1", keys=["sk-a-secret"])}), SECRET)
    [candidate] = router.plan(request(), Dialect.OPENAI_CHAT, caller(), NOW).ranked_candidates(NOW)
    for fault in (status(429, retry_after=7200.0), status(429)):
        router.state.on_failure(candidate, classify(fault), fault, False, WALL, NOW)
    assert told([], router) == 7200.0
    router.state.on_failure(candidate, classify(status(402)), status(402, retry_after=9000.0), False, WALL, NOW)
    assert told([], router) == 9000.0


def test_a_configured_limit_is_known_exactly() -> None:
    limited = provider("https://a.test/v1", keys=["sk-a-secret"]) | {"models": [{"id": "m", "limits": {"rpd": 1}}]}
    router = Router(settings({"a": limited}), SECRET)
    plan = router.plan(request(), Dialect.OPENAI_CHAT, caller(), NOW)
    [candidate] = plan.ranked_candidates(NOW)
    plan.on_launched(1, candidate, NOW)
    plan.on_settled(candidate, attempt_record(started=WALL, settled_ms=0.0), None, NOW)
    wait = told([], router)
    assert wait is not None
    assert wait > 3600.0


def test_a_ban_that_gives_way_is_no_reason_to_wait() -> None:
    driver = SessionDriver({"a": provider("https://a.test/v1")}, cooldowns={"transient": "9s"})
    for said in ("one", "two", "three"):
        exchange = driver.ask(said=said)
        assert exchange.fail_everywhere(status(503)) == ["a/m"]
        assert exchange.plan.final_error(driver.now, WALL).retry_after == 9.0
    assert driver.bans() == {"a/m"}
