"""Which key of a target goes first, and which not at all."""

from typing import Any

import pytest

from pointsman.config.enums import Dialect
from pointsman.domain.failures import classify
from pointsman.domain.records import Outcome
from pointsman.routing.exclusions import MAX_GUESS
from pointsman.routing.plan import Plan
from pointsman.routing.router import Router
from pointsman.wire.errors import Code, Fault
from pointsman.wire.frames import Usage
from routing.routing_builders import called, candidate_of, pin_on, request, status
from routing.session_driver import SessionDriver
from support.audit_records import attempt_record
from support.clients_in_core import SECRET, caller
from support.settings import provider, settings

NOW = 6000.0
WALL = 1_700_000_000.0
THREE = ["first-secret", "second-secret", "third-secret"]


class Yard:
    """Provider a with three keys, b with one; a's model has these limits."""

    def __init__(self, **limits: int) -> None:
        a = provider("https://a.test/v1", keys=THREE) | {"models": [{"id": "m", "limits": limits}]}
        self.router = Router(settings({"a": a, "b": provider("https://b.test/v1", keys=["sk-b-secret"])}), SECRET)

    def plan(self, now: float = NOW, tokens: int = 10, **known: Any) -> Plan:
        return self.router.plan(request(tokens=tokens), Dialect.OPENAI_CHAT, caller(**known), now)

    def order(self, now: float = NOW, **known: Any) -> list[str]:
        return called(self.plan(now, **known).ranked_candidates(now))

    def ask(self, now: float = NOW, fault: Fault | None = None, tokens: int = 10, **record: Any) -> str:
        """One exchange's first attempt. Returns the key's label."""
        own = self.plan(now, tokens)
        candidate = own.next_candidate(now)
        assert candidate
        own.on_launched(1, candidate, now)
        outcome = Outcome.RETRY_FAILED if fault else Outcome.REQUEST_SUCCESS
        made = {"outcome": outcome, "failure": fault and classify(fault), "started": WALL, "settled_ms": 0.0, **record}
        own.on_settled(candidate, attempt_record(**{"first_content_ms": None if fault else 1.0, **made}), fault, now)
        return str(candidate.key_label)


def test_without_limits_they_take_turns() -> None:
    yard = Yard()
    assert [yard.ask() for _ in range(4)] == ["key-1", "key-2", "key-3", "key-1"]


def test_the_one_with_most_room_goes_first() -> None:
    yard = Yard(tpm=1000)
    yard.ask(usage=Usage(input=700, output=100))
    yard.ask(usage=Usage(input=200, output=100))
    assert yard.order()[:3] == ["a/m#key-3", "a/m#key-2", "a/m#key-1"]


def test_the_one_whose_daily_quota_lasts_longest_goes_before_those_with_more_room_now() -> None:
    """Most of what the first key has used is a day old within the hour."""
    yard, hour, now = Yard(rpd=40), 3600.0, NOW + 100_000
    for key, ago, times in (("key-1", 23 * hour, 25), ("key-2", 2 * hour, 20), ("key-3", 5 * hour, 36)):
        for _ in range(times):
            yard.router.state.lease(candidate_of(yard.router, "a/m", key), 10, now - ago)
    assert yard.order(now)[:3] == ["a/m#key-1", "a/m#key-2", "a/m#key-3"]


def test_the_sessions_own_goes_before_that() -> None:
    yard, session = Yard(tpm=1000), {"headers": {"x-session-id": "conversation"}}
    plan = yard.plan(**session)
    plan.binding.set_pin(pin_on(yard.router, "a/m", "key-1"), NOW)
    yard.ask(usage=Usage(input=700, output=100))
    assert yard.order(**session)[0] == "a/m#key-1"
    assert yard.order()[0] != "a/m#key-1"


def test_one_that_was_refused_goes_last_until_it_works() -> None:
    yard = Yard()
    assert yard.ask(fault=status(401)) == "key-1"
    assert "a/m#key-1" not in yard.order()
    later = NOW + 301
    assert yard.ask(later) == "key-2"
    assert yard.order(later)[:3] == ["a/m#key-3", "a/m#key-2", "a/m#key-1"]
    yard.router.cooldowns.on_success(candidate_of(yard.router, "a/m", "key-1"), later)
    assert yard.order(later)[:3] == ["a/m#key-3", "a/m#key-1", "a/m#key-2"]


def test_one_without_room_is_left_out_with_its_reason_and_when_it_is_back() -> None:
    yard = Yard(rpm=1)
    assert [yard.ask() for _ in range(3)] == ["key-1", "key-2", "key-3"]
    assert yard.order() == ["b/m#key-1"]
    [row, *_] = yard.plan().exclusion_dicts(NOW, WALL)
    assert row == {
        "provider": "a", "model": "m", "key": "key-1", "reason": "rate_limited", "detail": "limit", "until": WALL + 61,
    }  # fmt: skip
    assert len(yard.order(NOW + 61)) == 4


def test_room_is_asked_for_with_the_requests_size() -> None:
    yard = Yard(tpm=100)
    yard.ask(tokens=50, usage=None)
    assert "a/m#key-1" in called(yard.plan(tokens=50).ranked_candidates(NOW))
    assert "a/m#key-1" not in called(yard.plan(tokens=51).ranked_candidates(NOW))


class TestStatedLimits:
    HOUR = "x-ratelimit-limit-requests"

    def hear(self, yard: Yard, **headers: str) -> None:
        own = yard.plan()
        candidate = own.next_candidate(NOW)
        assert candidate
        own.on_head(candidate, {name.replace("_", "-"): value for name, value in headers.items()}, NOW, WALL)

    def test_a_lower_one_counts(self) -> None:
        yard = Yard(rpm=30)
        self.hear(yard, x_ratelimit_limit_requests="1", x_ratelimit_reset_requests="2s")
        assert [yard.ask() for _ in range(4)] == ["key-1", "key-2", "key-3", "key-2"], "key-1 has had its one"

    @pytest.mark.parametrize(("limit", "reset"), [("40", "2s"), ("1", "2h")])
    def test_a_higher_one_and_one_that_is_not_configured_do_not(self, limit: str, reset: str) -> None:
        yard = Yard(rpm=30)
        self.hear(yard, x_ratelimit_limit_requests=limit, x_ratelimit_reset_requests=reset)
        yard.ask()
        assert "a/m#key-1" in yard.order()


class TestExhausted:
    def test_it_is_worth_waiting_for_the_first_candidate_that_frees_up(self) -> None:
        yard = Yard()
        for wait in (90.0, 7.0, 30.0, 60.0):
            yard.ask(fault=status(429, retry_after=wait))
        own = yard.plan()
        assert own.next_candidate(NOW) is None
        problem = own.final_error(NOW, WALL)
        assert (problem.code, problem.retry_after) == (Code.RATE_LIMITED, 7.0)
        reasons = dict(problem.details)["reasons"]
        assert isinstance(reasons, list)
        assert [(row["key"], row["until"] - WALL) for row in reasons] == [
            ("key-1", 90.0), ("key-2", 7.0), ("key-3", 30.0), ("key-1", 60.0),
        ]  # fmt: skip

    def test_a_key_that_frees_up_while_its_target_cools_does_not_help_and_guesses_are_bounded(self) -> None:
        router = Router(settings({"a": provider("https://a.test/v1", keys=["first-secret"])}), SECRET)
        own = router.plan(request(), Dialect.OPENAI_CHAT, caller(), NOW)
        [candidate] = own.ranked_candidates(NOW)
        gone = status(404, code="model_not_found")
        router.state.on_failure(candidate, classify(gone), gone, False, WALL, NOW)
        router.state.on_failure(candidate, classify(status(429)), status(429, retry_after=9.0), False, WALL, NOW)
        assert own.final_error(NOW, WALL).retry_after == MAX_GUESS

    def test_where_no_end_is_known_no_wait_is_stated(self) -> None:
        router = Router(settings({"a": provider(enabled=False)}), SECRET)
        own = router.plan(request(), Dialect.OPENAI_CHAT, caller(), NOW)
        assert own.final_error(NOW, WALL).retry_after is None


class TestTheLastKey:
    """Its failure is its target's."""

    def test_is_the_one_that_is_left_when_the_others_have_failed_in_this_exchange(self) -> None:
        own = Yard().plan()
        seen = []
        for n in range(1, 4):
            candidate = own.next_candidate(NOW)
            assert candidate
            own.on_launched(n, candidate, NOW)
            seen.append(own.is_last_key(candidate, NOW))
            record = attempt_record(n=n, outcome=Outcome.RETRY_FAILED, failure=classify(status(429)))
            own.on_settled(candidate, record, status(429), NOW)
        assert seen == [False, False, True]

    def test_is_the_one_that_is_left_when_the_others_rest(self) -> None:
        yard = Yard()
        for _ in range(2):
            yard.ask(fault=status(401))
        own = yard.plan()
        candidate = own.next_candidate(NOW)
        assert candidate
        assert own.is_last_key(candidate, NOW)
        assert not yard.plan(NOW + 3600).is_last_key(candidate, NOW + 3600)

    def test_is_the_only_one_of_a_provider_with_one(self) -> None:
        own = Yard().plan()
        [only] = [each for each in own.ranked_candidates(NOW) if each.target.provider.name == "b"]
        assert own.is_last_key(only, NOW)


@pytest.mark.parametrize(("keys", "models"), [(9, 1), (1, 9), (3, 3)])
@pytest.mark.parametrize("number", [403, 429, 503])
def test_a_provider_that_fails_often_does_not_use_up_the_attempts(number: int, keys: int, models: int) -> None:
    listed = [{"id": f"m{n}", "intelligence": 10} for n in range(models)]
    a = provider("https://a.test/v1", keys=[f"sk-{n}-a-secret" for n in range(keys)]) | {"models": listed}
    b = provider("https://b.test/v1", "z", keys=["sk-b-secret"])
    plan = Router(settings({"a": a, "b": b}), SECRET).plan(request("auto-smart"), Dialect.OPENAI_CHAT, caller(), NOW)
    fault, tried = status(number), []
    while candidate := plan.next_candidate(NOW):
        tried.append(candidate.target.provider.name)
        plan.on_launched(len(tried), candidate, NOW)
        record = attempt_record(
            n=len(tried), outcome=Outcome.RETRY_FAILED, failure=classify(fault), first_content_ms=None
        )
        plan.on_settled(candidate, record, fault, NOW)
    assert tried.index("b") <= 5
    assert len(tried) == 1 + (models if number == 403 else keys * models)


def test_four_keys_that_a_server_fails_speak_for_all() -> None:
    a = provider("https://a.test/v1", keys=[f"sk-{n}-a-secret" for n in range(9)])
    driver = SessionDriver({"a": a, "b": provider("https://b.test/v1", keys=["sk-b-secret"])})
    exchange = driver.ask(said="one")
    assert [exchange.fail(status(503)) for _ in range(3)] == ["a/m#key-1", "a/m#key-2", "a/m#key-3"]
    assert driver.ask("8").launch() == "a/m#key-4"
    assert exchange.fail(status(503)) == "a/m#key-5"
    assert driver.ask("9").launch() == "b/m#key-1"
