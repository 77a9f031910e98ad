"""The ranking: which targets come first for a mode, by their scores.

`Ranking` belongs to one inventory and keeps what changes slowly: the terms of each target's score. `Hand` belongs to
one exchange: it draws each target's reliability once, so that an exchange is consistent from its first attempt to its
last and can be explained afterwards, and looks at everything else (limits, exclusions) anew at each question.
"""

from collections.abc import Callable, Iterator, Sequence
from heapq import heapify, heappop, heappush
from random import Random
from typing import NamedTuple

from pointsman.config import Settings
from pointsman.config.enums import Dialect, Mode
from pointsman.domain.targets import Inventory, Target
from pointsman.routing import pools
from pointsman.routing.limits import Limits
from pointsman.routing.pools import Field
from pointsman.routing.recent_outcomes import Recent
from pointsman.routing.resolve import Resolution
from pointsman.routing.scoring import (
    RULE,
    Belief,
    Line,
    Lot,
    Qualities,
    Rule,
    Scale,
    Score,
    headroom,
    penalty,
    qualities,
)
from pointsman.routing.target_stats import Figures

FRESH = 20.0
"""Seconds for which the terms of a target that has learnt nothing are good."""
AT_ONCE = 16
"""Stale terms that one exchange brings up to date; the rest wait for the next one, so that none pays for all."""

type Past = Callable[[str, float], Figures]
"""What is known of a target, by its label, at a time on the wall clock."""


class Terms(NamedTuple):
    """Of one target in one mode, good from `since` until `until` on the wall clock."""

    belief: Belief
    lot: Lot
    qualities: Qualities
    line: Line
    penalty: float
    since: float
    until: float


class Ranking:
    """Scores the targets of one inventory."""

    def __init__(
        self,
        inventory: Inventory,
        settings: Settings,
        limits: Limits,
        past: Past,
        recent: Recent,
        chance: Random,
        rule: Rule = RULE,
    ) -> None:
        enabled = [target for target in inventory.targets if target.enabled]
        self._inventory = inventory
        self._weights = settings.routing.weights
        self._limits = limits
        self._past, self._recent, self._rule = past, recent, rule
        self._chance = chance
        self._intelligence = Scale.of(target.model.intelligence for target in enabled)
        self._speed = Scale.of(target.model.speed for target in enabled)
        self._fields = {mode: pools.automatic(mode, inventory) for mode in Mode}
        self._terms: dict[Mode, dict[Target, Terms]] = {mode: {} for mode in Mode}  # bounded by the inventory

    def field(self, resolution: Resolution) -> Field:
        """Who takes part."""
        return self._fields[resolution.mode] if resolution.automatic else pools.named(resolution)

    def hand(self, mode: Mode, chance: Random | None = None, dialect: Dialect | None = None) -> "Hand":
        """For one exchange, whose client speaks `dialect`; its luck comes from the router's generator unless another
        one is given.
        """
        return Hand(self, mode, chance or self._chance, dialect)

    def learnt(self, target: Target) -> None:
        """There is news of a target: what is known of it is worked out anew."""
        for terms in self._terms.values():
            terms.pop(target, None)

    def terms(self, target: Target, mode: Mode, wall: float) -> Terms:
        """Worked out now."""
        past = self._past(target.label, wall)
        model = target.model
        found = qualities(past, self._speed.place(model.speed), self._intelligence.place(model.intelligence))
        belief = self._rule.evidence(past, self._recent.of(target.label, wall))
        line = self._rule.line(found, self._weights[mode])
        return Terms(belief, Lot.of(belief), found, line, penalty(past.rate_limited), wall, wall + FRESH)

    def kept_terms(self, targets: Sequence[Target], mode: Mode, wall: float) -> list[Terms]:
        """One for each target, a little old at most."""
        kept, renewed, found = self._terms[mode], 0, []
        for target in targets:
            terms = kept.get(target)
            if terms is None or (renewed < AT_ONCE and not terms.since <= wall < terms.until):
                terms = kept[target] = self.terms(target, mode, wall)
                renewed += 1
            found.append(terms)
        return found

    def mean(self, target: Target, mode: Mode, now: float, wall: float) -> float:
        """The score that a target may expect."""
        terms = self.kept_terms((target,), mode, wall)[0]
        return terms.line.at(terms.belief.mean) * self.headroom(target, now) - terms.penalty

    def headroom(self, target: Target, now: float) -> float:
        """Of the key that has most; `now` is on the routing clock."""
        limits, room = target.model.limits, self._limits.headroom
        left = [room((target.label, each.key_label), limits, now) for each in self._inventory.keys[target]]
        return headroom(max(left, default=1.0))


class Hand:
    """What chance has dealt one exchange."""

    def __init__(self, ranking: Ranking, mode: Mode, chance: Random, dialect: Dialect | None = None) -> None:
        self._ranking, self._mode, self._chance, self._dialect = ranking, mode, chance, dialect
        self._drawn: dict[Target, float] = {}

    def best_first(self, targets: Sequence[Target], now: float, wall: float) -> Iterator[Target]:
        """By score; among equals those who speak the client's dialect, then the configured order. A score is worked out
        as far as it takes to find the next one: without headroom it is a bound, as headroom only takes away.
        """
        kept = self._ranking.kept_terms(targets, self._mode, wall)
        drawn, random, dialect = self._drawn, self._chance.random, self._dialect
        heap = []
        for target, terms in zip(targets, kept, strict=True):
            draw = drawn.get(target)
            if draw is None:
                draw = drawn[target] = terms.lot.draw(random)
            base, slope = terms.line
            place = dialect is not None and target.is_foreign(dialect), target.rank
            heap.append((terms.penalty - base - slope * draw, place, False, target, terms))
        heapify(heap)
        while heap:
            minus, place, exact, target, terms = heappop(heap)
            if exact or (room := self._ranking.headroom(target, now)) == 1.0:
                yield target
            else:
                minus = terms.penalty - terms.line.at(drawn[target]) * room
                heappush(heap, (minus, place, True, target, terms))

    def score(self, target: Target, now: float, wall: float) -> Score:
        """Every term of a target's score; one that had no draw yet gets it."""
        terms = self._ranking.kept_terms((target,), self._mode, wall)[0]
        draw = self._drawn.get(target)
        if draw is None:
            draw = self._drawn[target] = terms.lot.draw(self._chance.random)
        room = self._ranking.headroom(target, now)
        return Score(terms.belief.mean, draw, terms.qualities, terms.line, room, terms.penalty)
