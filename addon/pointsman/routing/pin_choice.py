"""Whether an exchange keeps its session's pin, or gives it up for a target that is expected to cost less.

A pin is kept whatever it costs where moving would do harm: at a guarded provider, with parts that only their issuer
accepts, and for what only one account holds. It is kept, too, as long as its target has reported no usage.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from pointsman.config.enums import CachePolicy, Dialect, Kind, Mode, ProtectionLevel
from pointsman.domain.targets import Target
from pointsman.prices.rates import PICO, dollars
from pointsman.routing.cache_choice import Alternative, CacheEstimator, Expected, PinContest
from pointsman.routing.pools import CandidateSet
from pointsman.routing.state import RoutingState
from pointsman.routing.strategies.base import TargetOrder
from pointsman.sessions.binding import SessionBinding
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.request_facts import RequestFacts
from pointsman.wire.thinking_signatures import part_ids

MAX_ALTERNATIVES = 16
"""Targets that are compared with the pinned one, those with the lowest prices; it bounds what choosing costs."""

MIN_PROMPT = 1024
"""Tokens. A shorter one is cached nowhere, and what a move would save is not worth another model's answers."""


@dataclass(slots=True)
class PinChoice:
    """Decided once for each exchange, when it is first asked for a candidate."""

    mode: Mode
    facts: RequestFacts
    dialect: Dialect
    binding: SessionBinding
    state: RoutingState
    candidates: CandidateSet
    strategy: TargetOrder
    target: Target | None = None
    """What the pin is given up for."""
    reason: str = ""
    """In words, where it is given up."""
    _is_decided: bool = field(default=False)

    def instead_of(self, pinned: Target, is_usable: Callable[[Target], bool], now: float, wall: float) -> Target | None:
        """The target to ask before the pinned one; None: the pin is kept."""
        if not self._is_decided:
            self._is_decided = True
            self._decide(pinned, is_usable, now, wall)
        return self.target

    def key_on(self, target: Target) -> str | None:
        """The id of the key that the conversation was cached with, where the pin is given up for the target."""
        entry = self.binding.caches.by_target.get(target.label) if self.binding.caches else None
        return entry.key if entry and target is self.target else None

    def estimator(self, now: float, wall: float) -> CacheEstimator | None:
        """None where nothing was reported of the conversation."""
        if (caches := self.binding.caches) is None:
            return None
        return CacheEstimator(caches, self.state.cache_statistics, self.facts.tokens, now, wall)

    def _decide(self, pinned: Target, is_usable: Callable[[Target], bool], now: float, wall: float) -> None:
        estimator = self.estimator(now, wall)
        if estimator is None or not self._may_leave(pinned) or not is_usable(pinned):
            return
        contest = PinContest.of(estimator, pinned, self.state.settings, self.mode)
        alternatives = list(islice(self._alternatives(pinned, now, wall), MAX_ALTERNATIVES))
        winner = next((each for each in contest.winners(alternatives) if is_usable(each)), None)
        if winner and not part_ids(DIALECTS[self.dialect], self.facts.document):
            self.target = winner
            self.reason = _reason(pinned, estimator.expected(pinned), estimator.expected(winner))

    def _may_leave(self, pinned: Target) -> bool:
        is_wanted = self.state.settings.sticky.cache is CachePolicy.AUTO and self.facts.kind is Kind.CHAT
        if self.facts.tokens < MIN_PROMPT:
            return False
        caches = self.binding.caches
        return is_wanted and caches is not None and pinned.label in caches.by_target and not _is_guarded(pinned)

    def _alternatives(self, pinned: Target, now: float, wall: float) -> Iterator[Alternative]:
        """Of the pinned target's tier and of better ones, by price; none whose answers have to be converted where the
        pinned one's have not.
        """
        own = next((place for place, tier in enumerate(self.candidates.tiers) if pinned in tier), -1)
        for place, tier in enumerate(self.candidates.tiers[: own + 1]):
            against = pinned if place == own else None
            for target in self.state.ranking.by_price(tier):
                least = None if target is pinned else self.strategy.least_saving(target, against, now, wall)
                if least is not None and self._may_be_gone_to(target, pinned):
                    yield Alternative(target, least)

    def _may_be_gone_to(self, target: Target, pinned: Target) -> bool:
        is_native = pinned.needs_conversion(self.dialect) or not target.needs_conversion(self.dialect)
        return is_native and target.enabled and not _is_guarded(target)


def _is_guarded(target: Target) -> bool:
    return target.protection_level is ProtectionLevel.PROVIDER_BAN


def _reason(pinned: Target, staying: Expected, moving: Expected) -> str:
    return f"pin moved, {_amount(moving)} instead of {_amount(staying)} at {pinned.label}"


def _amount(expected: Expected) -> str:
    if not expected.has_price:
        return f"{expected.turn:.0f} uncached tokens now and {expected.later:.0f} later"
    return f"${dollars(round(expected.turn / PICO))} now and ${dollars(round(expected.later / PICO))} later"
