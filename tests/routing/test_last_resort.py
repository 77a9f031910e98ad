"""When nothing else is left: what may work all the same is tried, in order, and what names a time is not."""

import pytest

from pointsman.config.enums import Dialect
from pointsman.domain.failures import Scope, classify
from pointsman.routing.plan import Plan
from pointsman.routing.router import Router
from pointsman.sessions.store import Pin
from pointsman.wire.errors import Fault, FaultKind
from routing.routing_builders import called, cool, request, status
from routing.session_driver import SessionDriver
from support.audit_records import attempt_record
from support.clients_in_core import SECRET, caller
from support.settings import provider, settings

NOW = 1000.0
WALL = 1_700_000_000.0
SESSION = {"x-session-id": "conversation"}


@pytest.fixture
def router() -> Router:
    return Router(settings({name: provider(f"https://{name}.test/v1", keys=["sk-secret"]) for name in "abc"}), SECRET)


def plan(router: Router, now: float = NOW) -> Plan:
    return router.plan(request(), Dialect.OPENAI_CHAT, caller(headers=SESSION), now)


def fail(router: Router, name: str, fault: Fault, now: float = NOW) -> None:
    """Another exchange has suffered it."""
    own = router.plan(request(f"{name}/m"), Dialect.OPENAI_CHAT, caller(), now)
    [candidate] = own.ranked_candidates(now)
    own.on_launched(1, candidate, now)
    own.on_settled(candidate, attempt_record(failure=classify(fault), first_content_ms=None), fault, now)


def chosen(own: Plan, now: float = NOW) -> tuple[str, str] | None:
    candidate = own.next_candidate(now)
    return (candidate.target.label, own.selection_reason(candidate, now, WALL).partition(",")[0]) if candidate else None


def test_the_usual_reasons_are_said(router: Router) -> None:
    own = plan(router)
    assert chosen(own) == ("a/m", "rank 1")
    own.binding.set_pin(Pin("b", "m", "key-1"), NOW)
    assert chosen(plan(router)) == ("b/m", "pin")


def test_a_cooling_target_overrides_a_pin(router: Router) -> None:
    plan(router).binding.set_pin(Pin("b", "m", "key-1"), NOW)
    fail(router, "b", status(503))
    assert chosen(plan(router)) == ("a/m", "rank 1")
    assert chosen(plan(router, NOW + 16), NOW + 16) == ("b/m", "pin"), "the pin itself has stayed"


def test_an_exchange_that_runs_already_avoids_what_another_has_just_cooled(router: Router) -> None:
    own = plan(router)
    assert chosen(own) == ("a/m", "rank 1")
    fail(router, "a", Fault(FaultKind.REFUSED))
    assert chosen(own) == ("b/m", "rank 2")


def test_the_earliest_to_recover_is_tried_first_and_the_reason_is_said(router: Router) -> None:
    fail(router, "a", status(503, retry_after=40.0))
    fail(router, "b", status(503, retry_after=20.0))
    fail(router, "c", Fault(FaultKind.EMPTY), NOW + 10)
    now = NOW + 10
    own = plan(router, now)
    tried = []
    for n in range(3):
        candidate = own.next_candidate(now)
        assert candidate
        tried.append((candidate.target.label, own.selection_reason(candidate, now, WALL)))
        own.on_launched(n, candidate, now)
        own.on_settled(
            candidate, attempt_record(n=n, failure=classify(status(503)), first_content_ms=None), status(503), now
        )
    assert tried == [
        ("b/m", "last_resort: cooling until 2023-11-14T22:13:30+00:00 (503)"),
        ("c/m", "last_resort: cooling until 2023-11-14T22:13:35+00:00 (empty)"),
        ("a/m", "last_resort: cooling until 2023-11-14T22:13:50+00:00 (503)"),
    ]
    assert own.next_candidate(now) is None, "each was tried once"


@pytest.mark.parametrize("fault", [status(429), status(401), status(402)])
def test_key_cooldowns_never_give_way(router: Router, fault: Fault) -> None:
    for name in "abc":
        fail(router, name, fault)
    assert chosen(plan(router)) is None


def test_a_target_whose_keys_are_closed_is_no_last_resort(router: Router) -> None:
    fail(router, "a", status(429, retry_after=2.0))
    fail(router, "a", Fault(FaultKind.REFUSED), NOW + 2)
    fail(router, "b", status(429))
    fail(router, "c", status(429))
    assert chosen(plan(router), NOW + 3) is not None
    cool(router, Scope.KEY, "a/m", "rate_limit", 90.0, NOW + 3)
    assert chosen(plan(router), NOW + 3) is None


def test_nothing_cooling_is_raced_beside_what_runs(router: Router) -> None:
    for name in "ab":
        fail(router, name, status(503))
    own = plan(router)
    [only] = own.ranked_candidates(NOW)
    assert called([only]) == ["c/m#key-1"]
    assert own.next_candidate(NOW, [only]) is None


def test_a_model_that_is_gone_is_the_very_last_resort(router: Router) -> None:
    for name in "abc":
        fail(router, name, status(404, code="model_not_found"))
    found = chosen(plan(router))
    assert found
    assert found[0] == "a/m"
    assert found[1].startswith("last_resort: model_gone until ")


def test_a_ban_leaves_the_keys_that_were_not_tried_as_a_last_resort() -> None:
    talks = SessionDriver({"a": provider("https://a.test/v1", keys=["sk-first-secret", "sk-second-secret"])})
    assert talks.ask(said="one").fail_everywhere(status(500)) == ["a/m#key-1", "a/m#key-2"]
    talks.now += 60
    own = talks.ask(said="two")
    assert own.fail(status(500)) == "a/m#key-1"
    assert talks.bans() == {"a/m"}
    assert own.succeed() == "a/m#key-2"
    assert talks.bans() == set()
