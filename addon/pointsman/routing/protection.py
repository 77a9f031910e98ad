"""Protection: what a failure costs its target within the session that suffered it. One function decides.

`provider-ban`: whatever moves an exchange on, or breaks an answer off, bans at once, and the ban holds. `model-skip`:
the second failure in a row that counts there bans the target; that ban gives way when nothing else is left, for another
key of the target too. `off`: nothing is recorded for the session. What was wrong with the request bans nothing at any
level.
"""

from dataclasses import dataclass
from typing import NamedTuple, assert_never

from pointsman.config.enums import ProtectionLevel
from pointsman.domain.failures import FAILURE_POLICIES, Failure, FailurePolicy, SkipScope
from pointsman.domain.targets import Target

FAILURES_TO_BAN = 2
"""Failures in a row that ban at `model-skip`."""


@dataclass(frozen=True, slots=True)
class FailureContext:
    """One failure. `in_a_row`: how many of the target in this session have counted since its last success, with this
    one; 0 where there is no session, or where other clients see the failure too. `label`: the failure in a word, for
    people.
    """

    level: ProtectionLevel
    failure: Failure
    in_a_row: int = 0
    label: str = ""


class ProtectionAction(NamedTuple):
    """`bans`: the level's scope is banned. `skip_target`: no further key of it in this exchange. `reason` is why
    something is banned, for people.
    """

    bans: bool
    skip_target: bool
    clear_pin: bool
    reason: str = ""


def evaluate(context: FailureContext) -> ProtectionAction:
    """What follows within the session and the exchange."""
    policy = FAILURE_POLICIES[context.failure]
    skips = policy.skip in (SkipScope.TARGET, SkipScope.SMALLER, SkipScope.ALL)
    match context.level:
        case ProtectionLevel.OFF:
            return ProtectionAction(False, skips, policy.clears_pin)
        case ProtectionLevel.MODEL_SKIP if policy.counts_as_strike and context.in_a_row >= FAILURES_TO_BAN:
            return ProtectionAction(True, skips, True, f"{context.label}, {context.in_a_row} failures in a row")
        case ProtectionLevel.MODEL_SKIP:
            return ProtectionAction(False, skips, policy.clears_pin)
        case ProtectionLevel.PROVIDER_BAN if _speaks_of_provider(context.failure, policy):
            return ProtectionAction(True, True, True, f"{context.label}, {ProtectionLevel.PROVIDER_BAN}")
        case ProtectionLevel.PROVIDER_BAN:
            return ProtectionAction(False, skips, False)
        case _ as never:
            assert_never(never)


def _speaks_of_provider(failure: Failure, policy: FailurePolicy) -> bool:
    """A refusal without a reason may be the provider turning against the conversation."""
    return policy.moves_pin or failure is Failure.FORBIDDEN


def ban_scope(target: Target) -> str:
    """What a ban at the target's level excludes: its provider, where it is guarded as a whole; else it alone."""
    return target.scope if target.protection_level is ProtectionLevel.PROVIDER_BAN else target.label


def is_pin_paused(pinned: Target | None, used: float, automatic: bool, rest: float, now: float) -> bool:
    """The pinned target, last used then, is not preferred for this request: it is guarded, and has served this session
    less than `rest` seconds ago. A model requested by name is used anyway (`automatic` is false).
    """
    return (
        automatic
        and pinned is not None
        and pinned.protection_level is ProtectionLevel.PROVIDER_BAN
        and now < used + rest
    )
