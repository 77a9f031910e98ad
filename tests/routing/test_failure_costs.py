"""What a failure cools and for how long, by its row, what is written and what the provider states."""

from typing import Any

import pytest

from pointsman import config
from pointsman.config.enums import Dialect
from pointsman.config.errors import ConfigError
from pointsman.domain.failures import FAILURE_POLICIES, CooldownLength, Failure, Scope
from pointsman.routing.cooldowns import Wait
from pointsman.routing.failure_costs import Cost, cooldown_of
from pointsman.routing.router import Router
from pointsman.wire.errors import Fault
from routing.routing_builders import called, candidate_of, request, status
from support.clients_in_core import SECRET, caller
from support.settings import provider, settings

NOON = 86_400.0 * 20_000 + 43_200
HOUR = 3600.0


def cost(failure: Failure, fault: Fault | None = None, cooldowns: dict[str, Any] | None = None, **more: Any) -> Cost:
    url = more.pop("base_url", "https://a.test/v1")
    made = settings({"a": provider(url) | more}, cooldowns=cooldowns or {})
    found = cooldown_of(failure, fault or status(429), made.providers["a"], made.cooldowns, NOON)
    assert found
    return found


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (Failure.RATE_LIMIT, Cost(Scope.MODEL_OF_KEY, "rate_limit", Wait(90.0, HOUR))),
        (Failure.KEY_RATE_LIMIT, Cost(Scope.KEY, "rate_limit", Wait(90.0, HOUR))),
        (Failure.CONCURRENCY, Cost(Scope.MODEL_OF_KEY, "concurrency", Wait(2.0))),
        (Failure.QUOTA, Cost(Scope.MODEL_OF_KEY, "quota", Wait(12 * HOUR, is_guess=True))),
        (Failure.KEY_QUOTA, Cost(Scope.KEY, "quota", Wait(12 * HOUR, is_guess=True))),
        (Failure.ACCOUNT, Cost(Scope.KEY, "account", Wait(HOUR))),
        (Failure.NO_ACCESS, Cost(Scope.MODEL_OF_KEY, "no_access", Wait(HOUR))),
        (Failure.REGION, Cost(Scope.MODEL_OF_KEY, "region", Wait(HOUR))),
        (Failure.KEY_INVALID, Cost(Scope.KEY, "key_invalid", Wait(300.0))),
        (Failure.MODEL_GONE, Cost(Scope.TARGET, "model_gone", Wait(300.0, HOUR))),
    ],
)
def test_each_row_has_its_scope_and_length(failure: Failure, expected: Cost) -> None:
    assert cost(failure) == expected


def test_a_failure_without_a_cooldown_policy_starts_none() -> None:
    made = settings({"a": provider()})
    free = [failure for failure, policy in FAILURE_POLICIES.items() if policy.cooldown is None]
    assert free
    for failure in free:
        assert cooldown_of(failure, status(429), made.providers["a"], made.cooldowns, NOON) is None


@pytest.mark.parametrize(
    ("length", "stated"),
    [
        (CooldownLength.TRANSIENT, 40.0),
        (CooldownLength.RATE_LIMIT, 40.0),
        (CooldownLength.CONCURRENCY, 40.0),
        (CooldownLength.QUOTA, 40.0),
        (CooldownLength.ACCOUNT, 40.0),
    ],
)
def test_a_stated_wait_comes_first(length: CooldownLength, stated: float) -> None:
    for failure, policy in FAILURE_POLICIES.items():
        if policy.cooldown is length:
            assert cost(failure, status(429, retry_after=stated)).wait == Wait(stated, is_stated=True)


def test_an_account_cools_for_an_hour_unless_its_provider_names_a_time() -> None:
    assert cost(Failure.ACCOUNT, status(402)).wait == Wait(HOUR)
    assert cost(Failure.ACCOUNT, status(402, retry_after=5.0)).wait == Wait(5.0, is_stated=True)
    assert cost(Failure.ACCOUNT, status(402, retry_after=2 * HOUR)).wait == Wait(2 * HOUR, is_stated=True)


@pytest.mark.parametrize("failure", [Failure.RATE_LIMIT, Failure.QUOTA])
def test_limits_of_a_whole_key_close_the_key(failure: Failure) -> None:
    assert cost(failure, limits_scope="key").scope is Scope.KEY
    assert cost(failure, limits_scope="model").scope is Scope.MODEL_OF_KEY


def test_they_leave_other_failures_as_they_are() -> None:
    assert cost(Failure.NO_ACCESS, limits_scope="key").scope is Scope.MODEL_OF_KEY
    assert cost(Failure.CONCURRENCY, limits_scope="key").scope is Scope.MODEL_OF_KEY


def test_a_quota_ends_by_the_providers_clock() -> None:
    assert cost(Failure.QUOTA, quota_reset="13:00 UTC").wait.seconds == HOUR
    google = config.build({"providers": {"google": {"keys": ["sk-some-secret"]}}}, {}).providers["google"]
    found = cooldown_of(Failure.QUOTA, status(429), google, settings({}).cooldowns, NOON)
    assert found
    assert found.wait.seconds in (19 * HOUR, 20 * HOUR), "midnight Pacific, in summer or in winter"


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:9/v1", "http://10.1.2.3/v1", "https://a.test/v1"])
@pytest.mark.parametrize("written", ["20s", "15s", "off"])
def test_what_is_written_holds_as_written(base_url: str, written: str) -> None:
    seconds = {"20s": 20.0, "15s": 15.0, "off": 0.0}[written]
    assert cost(Failure.CONNECT, cooldowns={"transient": written}, base_url=base_url).wait == Wait(seconds)


def test_the_default_is_shorter_for_a_provider_nearby() -> None:
    assert cost(Failure.CONNECT, base_url="http://127.0.0.1:9/v1").wait == Wait(5.0)
    assert cost(Failure.CONNECT, base_url="http://127.0.0.1:9/v1", cooldowns={"rate_limit": "1s"}).wait == Wait(5.0)
    assert cost(Failure.CONNECT).wait == Wait(15.0)


def ruled(rule: dict[str, Any], code: int, **more: Any) -> Cost | None:
    made = settings({"a": provider("https://a.test/v1")}, routing={"failures": {429: rule}})
    fault = status(code, **more)
    return cooldown_of(Failure.RATE_LIMIT, fault, made.providers["a"], made.cooldowns, NOON, made.routing.failures)


def test_a_rule_for_a_status_holds_as_written() -> None:
    assert ruled({"cool": "5m", "scope": "key"}, 429, retry_after=2.0) == Cost(
        Scope.KEY, "429", Wait(300.0, is_stated=True)
    )
    assert ruled({"cool": "1m"}, 429) == Cost(Scope.MODEL_OF_KEY, "429", Wait(60.0, is_stated=True))
    assert ruled({"cool": 0}, 429) is None
    assert ruled({"cool": "5m"}, 430) == Cost(Scope.MODEL_OF_KEY, "rate_limit", Wait(90.0, HOUR)), "of another status"


@pytest.mark.parametrize(
    ("scope", "cooling"), [("model", ["a/m#one"]), ("key", ["a/m#one", "a/n#one"]), ("provider", 4)]
)
def test_it_is_charged_to_what_the_rule_says(scope: str, cooling: object) -> None:
    keys = [{"value": f"secret-{name}", "label": name} for name in ("one", "two")]
    own = Router(
        settings(
            {"a": provider("https://a.test/v1", "m", "n", keys=keys)},
            routing={"failures": {503: {"cool": "5m", "scope": scope}}},
        ),
        SECRET,
    )
    own.state.on_failure(candidate_of(own, "a/m", "one"), Failure.SERVER_ERROR, status(503), False, NOON, 0.0)
    candidates = [each for target in own.inventory.targets for each in own.inventory.keys[target]]
    found = called(each for each in candidates if own.cooldowns.candidate_cooldown(each, 299.0))
    assert found == (called(candidates) if scope == "provider" else cooling)


@pytest.mark.parametrize(
    ("code", "reason", "left"), [(429, "rate_limited", 0), (402, "rate_limited", 0), (404, "cooling", 1)]
)
def test_what_is_no_limit_is_not_called_one_and_is_the_last_resort(code: int, reason: str, left: int) -> None:
    rules = {"failures": {code: {"cool": "5m"}}}
    own = Router(settings({"a": provider("https://a.test/v1", keys=["secret-one"])}, routing=rules), SECRET)
    own.state.on_failure(candidate_of(own, "a/m", "key-1"), Failure.NOT_FOUND, status(code), False, NOON, 0.0)
    plan = own.plan(request("m"), Dialect.OPENAI_CHAT, caller(), 1.0, NOON)
    assert [each.reason for each in plan.exclusions(1.0)] == [reason]
    assert len([each for each in [plan.next_candidate(1.0)] if each]) == left
    assert own.busy_providers(1.0) == (frozenset() if left else {"a"})


@pytest.mark.parametrize("status", [200, 600, "often"])
def test_a_rule_is_for_an_error_status(status: object) -> None:
    with pytest.raises(ConfigError, match=r"must be an error status, 400 to 599"):
        settings({"a": provider()}, routing={"failures": {status: {"cool": "5m"}}})
