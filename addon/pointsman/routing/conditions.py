"""The condition of each provider, target and key, in a closed set of states with the facts of each.

These are the words that `pointsman status`, `/internal/health`, `top` and the dashboard show.
"""

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any, NamedTuple, assert_never

from pointsman.domain.targets import Candidate, KeyId, Target
from pointsman.routing.cooldowns import KEY_INVALID, Cooldown
from pointsman.routing.state import RoutingState
from pointsman.routing.tallies import NO_TALLY, RecentCounts, Tally

MIN_STREAK = 3
"""Failures in a row that count as failing, whatever was before."""
FAILING_BELOW = 0.5
"""The share of successes in the last hour."""


class State(StrEnum):
    DISABLED = "disabled"
    NO_KEY = "no_key"
    UNREACHABLE = "unreachable"
    KEY_REFUSED = "key_refused"
    """All of its keys were refused, the last time that each was used."""
    COOLING = "cooling"
    LIMITED = "limited"
    """A configured rate limit is used up."""
    FAILING = "failing"
    WORKS = "works"
    FAILED = "failed"
    """Nothing within the hour; the last attempt before it failed."""
    WORKED = "worked"
    """Nothing within the hour; the last attempt before it succeeded."""
    UNCLEAR = "unclear"
    """It was asked, but no answer says whether it works."""
    UNTRIED = "untried"


type ClockText = Callable[[float], str]
"""Says a Unix time as people read it: `14:05`."""


class Condition(NamedTuple):
    """`until` and `at` are Unix times: when it may be used again, and when it was last used."""

    state: State
    reason: str = ""
    until: float | None = None
    at: float | None = None
    recent: RecentCounts = RecentCounts(0, 0)
    streak: int = 0
    """Failures in a row."""

    def text(self, clock: ClockText) -> str:
        """In words.

        >>> Condition(State.WORKS, recent=RecentCounts(235, 5)).text(clock)
        'works (97 % of 240 in the last hour)'
        """
        ending = f": {self.reason}" if self.reason else ""
        match self.state:
            case State.DISABLED:
                return "disabled"
            case State.NO_KEY:
                return "no key is enabled"
            case State.UNREACHABLE:
                return f"unreachable{ending}"
            case State.KEY_REFUSED:
                return "key refused last time"
            case State.COOLING:
                return f"cooling until {clock(self.until or 0)}{ending}"
            case State.LIMITED:
                return f"limit used up until {clock(self.until or 0)}"
            case State.FAILING:
                return f"failing ({self._failing()}){ending}"
            case State.WORKS:
                return f"works ({self._share()})"
            case State.FAILED:
                return f"failed last time, {clock(self.at or 0)}{ending}"
            case State.WORKED:
                return f"worked last time, {clock(self.at or 0)}"
            case State.UNCLEAR:
                return "no result yet"
            case State.UNTRIED:
                return "not tried yet"
            case _ as never:
                assert_never(never)

    def _failing(self) -> str:
        is_streak = self.recent.successes and self.streak >= MIN_STREAK
        return f"the last {self.streak} failed" if is_streak else self._share()

    def _share(self) -> str:
        """The percentage is never rounded up."""
        attempts, successes = self.recent.attempts, self.recent.successes
        share = f"{successes * 100 // max(1, attempts)} %" if successes else "0"
        return f"{share} of {attempts} in the last hour"

    def to_dict(self, clock: ClockText) -> dict[str, Any]:
        """In plain JSON types."""
        return {
            "state": self.state.value,
            "text": self.text(clock),
            "reason": self.reason or None,
            "until": self.until,
            "last_used": self.at,
            "successes": self.recent.successes,
            "attempts": self.recent.attempts,
        }


class Closed(NamedTuple):
    """Why a candidate gets no requests; `until` is on the routing clock, None if no time is set."""

    state: State
    reason: str
    until: float | None


class Conditions:
    """The conditions at `now` on the routing clock, which is `wall` in Unix time."""

    def __init__(self, state: RoutingState, now: float, wall: float) -> None:
        self._state, self._now, self._wall = state, now, wall
        self._targets: dict[str, list[Target]] = {}
        """The enabled targets of each provider."""
        for target in state.inventory.targets:
            if target.enabled:
                self._targets.setdefault(target.provider.name, []).append(target)

    def of_provider(self, name: str) -> Condition:
        state, tally = self._state, self._state.tallies.providers.get(name, NO_TALLY)
        enabled = self._targets.get(name)
        if not enabled:
            return self._made(Closed(State.DISABLED, "", None), tally)
        if outage := state.health.outage(name):
            return self._made(Closed(State.UNREACHABLE, outage.reason, None), tally)
        return self._made(_first_to_end(self._target_closed(target) for target in enabled), tally)

    def of_target(self, target: Target) -> Condition:
        tally = self._state.tallies.targets.get(target.label, NO_TALLY)
        if not target.enabled:
            return self._made(Closed(State.DISABLED, "", None), tally)
        if outage := self._state.health.outage(target.provider.name):
            return self._made(Closed(State.UNREACHABLE, outage.reason, None), tally)
        return self._made(self._target_closed(target), tally)

    def of_key(self, name: KeyId, is_enabled: bool) -> Condition:
        """The condition of a key, whatever the model."""
        tally = self._state.tallies.keys.get(name, NO_TALLY)
        if not is_enabled:
            return self._made(Closed(State.DISABLED, "", None), tally)
        candidates = [each for each in self._candidates(name[0]) if each.key_id == name]
        return self._made(_first_to_end(self._candidate_closed(each) for each in candidates), tally)

    def of_pair(self, candidate: Candidate) -> Condition:
        """The condition of one model of a key."""
        tally = self._state.tallies.pairs.get(candidate.pair_id, NO_TALLY)
        return self._made(self._candidate_closed(candidate), tally)

    def _candidates(self, provider: str) -> Iterable[Candidate]:
        targets = self._targets.get(provider, ())
        return (candidate for target in targets for candidate in self._state.inventory.keys[target])

    def _target_closed(self, target: Target) -> Closed | None:
        candidates = self._state.inventory.keys[target]
        if not candidates:
            return Closed(State.NO_KEY, "", None)
        if cooldown := self._state.cooldowns.target_cooldown(target.label, self._now):
            return Closed(State.COOLING, cooldown.reason, cooldown.until)
        return _first_to_end(self._candidate_closed(each) for each in candidates)

    def _candidate_closed(self, candidate: Candidate) -> Closed | None:
        state, now = self._state, self._now
        cooldown: Cooldown | None = state.cooldowns.candidate_cooldown(candidate, now)
        if candidate.key_id in state.cooldowns.invalid_keys or (cooldown and cooldown.reason == KEY_INVALID):
            return Closed(State.KEY_REFUSED, "", cooldown.until if cooldown else None)
        if cooldown:
            return Closed(State.COOLING, cooldown.reason, cooldown.until)
        frees = state.limits.room_at(candidate.pair_id, candidate.target.model.limits, now)
        return Closed(State.LIMITED, "", frees) if frees > now else None

    def _made(self, closed: Closed | None, tally: Tally) -> Condition:
        recent = tally.recent(self._wall)
        if closed is None:
            reason = tally.error.label if tally.error else ""
            state = _state_of(tally, recent)
            shown = reason if state in (State.FAILING, State.FAILED) else ""
            return Condition(state, _words(shown), None, tally.used, recent, tally.failures_in_a_row)
        until = None if closed.until is None else closed.until - self._now + self._wall
        reason = _words(closed.reason)
        error = tally.error
        if closed.state is State.COOLING and error and error.label.isdecimal() and error.label not in reason:
            reason = f"{error.label} {reason}"  # 429 rate limit
        return Condition(closed.state, reason, until, tally.used, recent, tally.failures_in_a_row)


def _state_of(tally: Tally, recent: RecentCounts) -> State:
    """Of what gets requests."""
    if recent.attempts:
        share = recent.successes / recent.attempts
        is_failing = share < FAILING_BELOW or tally.failures_in_a_row >= MIN_STREAK
        return State.FAILING if is_failing else State.WORKS
    if tally.succeeded is not None or tally.failed is not None:
        return State.FAILED if tally.failures_in_a_row else State.WORKED
    return State.UNTRIED if tally.used is None else State.UNCLEAR


def _first_to_end(found: Iterable[Closed | None]) -> Closed | None:
    """None where anything is open; else what ends first. A refused key stands behind all that has a time."""
    closed = []
    for each in found:
        if each is None:
            return None
        closed.append(each)
    if not closed:
        return None
    return min(closed, key=lambda each: (each.state is State.KEY_REFUSED, each.until is None, each.until or 0.0))


def _words(reason: str) -> str:
    return reason.replace("_", " ")
