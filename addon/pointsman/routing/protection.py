"""Thread protection: what a failure costs its provider within the session that suffered it. One function decides.

`provider-ban`: whatever moves an exchange on, or breaks an answer off, bans at once. `model-skip`: the failure table
stands as it is, and the second failure in a row that counts there bans. `off`: nothing is recorded for the session.

What is banned is the target's *scope*: its provider, or the target alone where the configuration gives it a level of
its own.
"""

from dataclasses import dataclass
from typing import NamedTuple, assert_never

from pointsman.config.enums import ProtectionLevel
from pointsman.domain.failures import FAILURE_POLICIES, Failure, SkipScope
from pointsman.domain.targets import Target

FAILURES_TO_BAN = 2
"""Failures in a row that ban at `model-skip`."""
NOT_PROVIDER_FAULTS = frozenset({Failure.OURS, Failure.REQUEST})
"""Faults of the router and of the request: no reason for a ban."""


@dataclass(frozen=True, slots=True)
class FailureContext:
    """One failure. `in_a_row`: how many of the scope in this session have counted since its last success, with this
    one; 0 where there is no session. `label`: the failure in a word, for people.
    """

    level: ProtectionLevel
    failure: Failure
    in_a_row: int = 0
    label: str = ""


class ProtectionAction(NamedTuple):
    """`skip_target`: no further key of it in this exchange. `reason` is why something is banned, for people."""

    ban_provider: bool
    skip_target: bool
    clear_pin: bool
    reason: str = ""


def evaluate(context: FailureContext) -> ProtectionAction:
    """What follows within the session and the exchange."""
    lesson = FAILURE_POLICIES[context.failure]
    skips = lesson.skip in (SkipScope.TARGET, SkipScope.SMALLER, SkipScope.ALL)
    match context.level:
        case ProtectionLevel.OFF:
            return ProtectionAction(False, skips, False)
        case ProtectionLevel.MODEL_SKIP if lesson.counts_as_strike and context.in_a_row >= FAILURES_TO_BAN:
            return ProtectionAction(True, True, True, f"{context.label}, {context.in_a_row} failures in a row")
        case ProtectionLevel.MODEL_SKIP:
            return ProtectionAction(False, skips, lesson.clears_pin)
        case ProtectionLevel.PROVIDER_BAN if context.failure in NOT_PROVIDER_FAULTS:
            return ProtectionAction(False, skips, False)
        case ProtectionLevel.PROVIDER_BAN:
            return ProtectionAction(True, True, True, f"{context.label}, {ProtectionLevel.PROVIDER_BAN}")
        case _ as never:
            assert_never(never)


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
