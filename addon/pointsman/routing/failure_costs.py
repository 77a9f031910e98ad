"""How long a failure cools, and what: the policy of its row, with what the configuration and the fault say."""

import ipaddress
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple, assert_never
from urllib.parse import urlsplit

from pointsman.config import CooldownSettings, Provider
from pointsman.config.enums import FailureScope, LimitsScope
from pointsman.config.settings import FailureRule
from pointsman.domain.failures import FAILURE_POLICIES, CooldownLength, Failure, Scope
from pointsman.enum_tables import require_total
from pointsman.routing.cooldowns import MAX_RATE_LIMIT_COOLDOWN, Wait, within_bounds
from pointsman.wire.errors import Fault, FaultKind

CONCURRENCY_COOLDOWN = 2.0
HOUR = 3600.0
GONE_COOLDOWN, MAX_GONE_COOLDOWN = 300.0, HOUR
MAX_NEARBY_COOLDOWN = 5.0
"""Seconds at most that a provider on this machine or network cools unless `cooldowns.transient` is written: it is back
in a moment, or dead for good.
"""
NO_RULES: Mapping[str, FailureRule] = MappingProxyType({})
SCOPES: Mapping[FailureScope, Scope] = {
    FailureScope.MODEL: Scope.MODEL_OF_KEY,
    FailureScope.KEY: Scope.KEY,
    FailureScope.PROVIDER: Scope.PROVIDER,
}
require_total(SCOPES, FailureScope, "routing.failure_costs.SCOPES")
LIMITS = frozenset({CooldownLength.RATE_LIMIT, CooldownLength.QUOTA})


class Cost(NamedTuple):
    """What cools down, why, and for how long."""

    scope: Scope
    reason: str
    wait: Wait


def cooldown_of(
    failure: Failure,
    fault: Fault,
    provider: Provider,
    durations: CooldownSettings,
    wall: float,
    rules: Mapping[str, FailureRule] = NO_RULES,
) -> Cost | None:
    """The cooldown for all exchanges that such a failure at this provider causes, if any; `wall` is Unix time. A rule
    for its status holds as written, whatever the provider states.
    """
    if rule := rule_for(fault, rules):
        return Cost(SCOPES[rule.scope], str(fault.status), Wait(rule.cool, is_stated=True)) if rule.cool else None
    policy = FAILURE_POLICIES[failure]
    if policy.cooldown is None:
        return None
    length = policy.cooldown
    scope = policy.scope
    if scope is Scope.MODEL_OF_KEY and length in LIMITS and provider.limits_scope is LimitsScope.KEY:
        scope = Scope.KEY
    return Cost(scope, _reason(length, failure, fault), _wait(length, fault, provider, durations, wall))


def rule_for(fault: Fault, rules: Mapping[str, FailureRule]) -> FailureRule | None:
    """The configured rule for the status that a provider has answered."""
    return rules.get(str(fault.status)) if rules and fault.kind is FaultKind.STATUS else None


def _reason(length: CooldownLength, failure: Failure, fault: Fault) -> str:
    match length:
        case CooldownLength.TRANSIENT:
            return fault.label
        case CooldownLength.RATE_LIMIT:
            return "rate_limit"
        case CooldownLength.QUOTA:
            return "quota"
        case _:
            return failure.value


def _wait(length: CooldownLength, fault: Fault, provider: Provider, durations: CooldownSettings, wall: float) -> Wait:
    stated = None if fault.retry_after is None else Wait(within_bounds(fault.retry_after), is_stated=True)
    match length:
        case CooldownLength.TRANSIENT:
            return stated or Wait(_transient(provider, durations))
        case CooldownLength.RATE_LIMIT:
            return stated or Wait(durations.rate_limit, MAX_RATE_LIMIT_COOLDOWN)
        case CooldownLength.CONCURRENCY:
            return stated or Wait(CONCURRENCY_COOLDOWN)
        case CooldownLength.QUOTA:
            return stated or Wait(provider.quota_reset.seconds_until(wall), is_guess=True)
        case CooldownLength.ACCOUNT:
            return stated or Wait(HOUR)
        case CooldownLength.NO_ACCESS:
            return Wait(HOUR)
        case CooldownLength.KEY_INVALID:
            return Wait(durations.key_invalid)
        case CooldownLength.GONE:
            return Wait(GONE_COOLDOWN, MAX_GONE_COOLDOWN)
        case _ as never:
            assert_never(never)


def _transient(provider: Provider, durations: CooldownSettings) -> float:
    """What the file writes holds as written."""
    if "transient" in durations.model_fields_set or not is_nearby(provider.base_url):
        return durations.transient
    return min(durations.transient, MAX_NEARBY_COOLDOWN)


@lru_cache(maxsize=1024)
def is_nearby(base_url: str) -> bool:
    """The provider is on this machine or in a private network."""
    host = urlsplit(base_url).hostname or ""
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_private or address.is_loopback
