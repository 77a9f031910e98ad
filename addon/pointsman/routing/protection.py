"""Thread protection: what a failure costs its provider within the session that suffered it. One function decides.

`provider-ban`: whatever moves an exchange on, or breaks an answer off, bans at once. `model-skip`: the failure table
stands as it is, and the second failure in a row that counts there bans. `off`: the session learns nothing.

What is banned is the target's *scope*: its provider, or the target alone where the configuration gives it a level of
its own.
"""

from dataclasses import dataclass
from typing import NamedTuple, assert_never

from pointsman.config.enums import Level
from pointsman.domain.failures import LESSONS, Failure, Skip
from pointsman.domain.targets import Target

STRIKES = 2
"""Failures in a row that ban at `model-skip`."""
NOT_THEIRS = frozenset({Failure.OURS, Failure.REQUEST})
"""Faults of the router and of the request: no reason to stay away from anybody."""


@dataclass(frozen=True, slots=True)
class Context:
    """One failure. `in_a_row`: how many of the scope in this session have counted since its last success, with this
    one; 0 where there is no session. `what`: the failure in a word, for people.
    """

    level: Level
    failure: Failure
    in_a_row: int = 0
    what: str = ""


class Action(NamedTuple):
    """`skip_target`: no further key of it in this exchange. `reason` is why something is banned, for people."""

    ban_provider: bool
    skip_target: bool
    clear_pin: bool
    reason: str = ""


def evaluate(context: Context) -> Action:
    """What follows within the session and the exchange."""
    lesson = LESSONS[context.failure]
    skips = lesson.skip in (Skip.TARGET, Skip.SMALLER, Skip.ALL)
    match context.level:
        case Level.OFF:
            return Action(False, skips, False)
        case Level.MODEL_SKIP if lesson.counts and context.in_a_row >= STRIKES:
            return Action(True, True, True, f"{context.what}, {context.in_a_row} failures in a row")
        case Level.MODEL_SKIP:
            return Action(False, skips, lesson.unpins)
        case Level.PROVIDER_BAN if context.failure in NOT_THEIRS:
            return Action(False, skips, False)
        case Level.PROVIDER_BAN:
            return Action(True, True, True, f"{context.what}, {Level.PROVIDER_BAN}")
        case _ as never:
            assert_never(never)


def rests(pinned: Target | None, used: float, automatic: bool, rest: float, now: float) -> bool:
    """The pinned target, last used then, is not preferred for this request: it is guarded, and has served this session
    less than `rest` seconds ago. Who names a model gets it (`automatic` is false).
    """
    return automatic and pinned is not None and pinned.level is Level.PROVIDER_BAN and now < used + rest
