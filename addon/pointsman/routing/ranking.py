"""The ranking: which targets come first for a mode, by their scores.

`Ranking` belongs to one inventory and caches what changes slowly: the terms of each target's score. `ScoreSample`
belongs to one exchange: it draws each target's reliability once, so that the exchange is consistent from its first
attempt to its last and can be explained afterwards. It reads everything else (limits, exclusions) at each question.
"""

from collections.abc import Callable, Iterator, Sequence
from heapq import heappop, heappush
from math import inf
from random import Random
from typing import NamedTuple

from cachetools import LRUCache

from pointsman.config import Settings
from pointsman.config.enums import Dialect, Kind, Mode
from pointsman.domain.targets import Inventory, Target
from pointsman.routing import pools
from pointsman.routing.limits import RateLimits
from pointsman.routing.pools import CandidateSet
from pointsman.routing.recent_outcomes import RecentOutcomes
from pointsman.routing.resolve import Resolution
from pointsman.routing.scoring import (
    DEFAULT_RULE,
    BetaDistribution,
    BetaSampler,
    Qualities,
    RankScale,
    Score,
    ScoreLine,
    ScoringRule,
    headroom,
    penalty,
    qualities,
    sample_each,
)
from pointsman.routing.target_stats import TargetStats

TERMS_LIFETIME = 20.0
"""Seconds for which the terms of a target without new outcomes are good."""
MAX_TERMS_REFRESHED = 16
"""Stale terms that one exchange updates, at most; the others wait for the next one, to bound the cost of each."""
RIVAL_WORTH = 0.95
"""A pinned conversation goes to no target whose answers are worth less than this part of the pinned one's, whatever
that saves.
"""
RELIABILITY_TOLERANCE = 0.05
"""How much less reliable it may be without saving as much: for the rest, an answer that succeeds must not cost more."""

MAX_ORDERS = 64
"""Sets of targets whose orders by price and among equals are kept; the least recently used goes first."""

type StatsLookup = Callable[[str, float], TargetStats]
"""What is known of a target, by its label, at a time on the wall clock."""

type DriftPenalty = Callable[[str, float], float]
"""What is taken off the score of a target, by its label, at a time on the wall clock."""


class ScoreTerms(NamedTuple):
    """Of one target in one mode, good from `since` until `until` on the wall clock."""

    reliability: BetaDistribution
    sampler: BetaSampler
    qualities: Qualities
    score_line: ScoreLine
    penalty: float
    since: float
    until: float


class Ranking:
    """Scores the targets of one inventory."""

    def __init__(
        self,
        inventory: Inventory,
        settings: Settings,
        limits: RateLimits,
        stats: StatsLookup,
        recent: RecentOutcomes,
        rng: Random,
        rule: ScoringRule = DEFAULT_RULE,
        drift_penalty: DriftPenalty = lambda _label, _wall: 0.0,
    ) -> None:
        enabled = [target for target in inventory.of_kind(Kind.CHAT) if target.enabled]
        self._inventory = inventory
        self._weights = settings.routing.weights
        self._limits = limits
        self._stats, self._recent, self._rule = stats, recent, rule
        self._drift_penalty = drift_penalty
        self._rng = rng
        self._intelligence = RankScale.from_ranks(target.model.intelligence for target in enabled)
        self._speed = RankScale.from_ranks(target.model.speed for target in enabled)
        self._candidate_sets = {mode: pools.for_mode(mode, inventory) for mode in Mode}
        self._by_price: LRUCache[tuple[Target, ...], Sequence[Target]] = LRUCache(MAX_ORDERS)
        self._equals: LRUCache[tuple[tuple[Target, ...], Dialect | None], Sequence[Target]] = LRUCache(MAX_ORDERS)
        self._terms: dict[Mode, dict[Target, ScoreTerms]] = {mode: {} for mode in Mode}  # bounded by the inventory

    def candidate_set(self, resolution: Resolution) -> CandidateSet:
        """Who takes part."""
        if resolution.chain:
            return pools.for_chain([(step.requested, self.candidate_set(step)) for step in resolution.chain])
        return self._candidate_sets[resolution.mode] if resolution.automatic else pools.for_named_model(resolution)

    def sample(self, mode: Mode, rng: Random | None = None, dialect: Dialect | None = None) -> "ScoreSample":
        """For one exchange, whose client speaks `dialect`; its draws come from the router's generator unless another
        one is given.
        """
        return ScoreSample(self, mode, rng or self._rng, dialect)

    def invalidate(self, target: Target) -> None:
        """A target has new outcomes: its terms are computed again."""
        for terms in self._terms.values():
            terms.pop(target, None)

    def compute_terms(self, target: Target, mode: Mode, wall: float) -> ScoreTerms:
        """The terms, computed now."""
        past = self._stats(target.label, wall)
        model = target.model
        found = qualities(past, self._speed.position(model.speed), self._intelligence.position(model.intelligence))
        belief = self._rule.estimate(past, self._recent.counts_for(target.label, wall))
        line = self._rule.score_line(found, self._weights[mode])
        return ScoreTerms(
            belief,
            BetaSampler.from_distribution(belief),
            found,
            line,
            penalty(past.rate_limited) + self._drift_penalty(target.label, wall),
            wall,
            wall + TERMS_LIFETIME,
        )

    def cached_terms(self, targets: Sequence[Target], mode: Mode, wall: float) -> list[ScoreTerms]:
        """One for each target, a little old at most."""
        kept, renewed, found = self._terms[mode], 0, []
        for target in targets:
            terms = kept.get(target)
            if terms is None or (renewed < MAX_TERMS_REFRESHED and not terms.since <= wall < terms.until):
                terms = kept[target] = self.compute_terms(target, mode, wall)
                renewed += 1
            found.append(terms)
        return found

    def rough_worth(self, target: Target, mode: Mode, wall: float) -> float:
        """The worth of an answer that succeeds, by cached terms, which may be old."""
        terms = self._terms[mode].get(target) or self.cached_terms((target,), mode, wall)[0]
        return terms.score_line.at(1.0)

    def by_price(self, targets: tuple[Target, ...]) -> Sequence[Target]:
        """The lowest price of input first, those whose price is not known last."""
        if targets not in self._by_price:
            self._by_price[targets] = sorted(targets, key=_price)
        return self._by_price[targets]

    def equals_first(self, targets: tuple[Target, ...], dialect: Dialect | None) -> Sequence[Target]:
        """In the order of those whose scores are equal: those who speak the dialect, then as configured."""
        known = targets, dialect
        if known not in self._equals:

            def place(target: Target) -> tuple[bool, int]:
                return dialect is not None and target.needs_conversion(dialect), target.rank

            self._equals[known] = sorted(targets, key=place)
        return self._equals[known]

    def expected_score(self, target: Target, mode: Mode, now: float, wall: float) -> float:
        """The score that a target may expect."""
        terms = self.cached_terms((target,), mode, wall)[0]
        return terms.score_line.at(terms.reliability.mean) * self.headroom(target, now) - terms.penalty

    def headroom(self, target: Target, now: float) -> float:
        """The headroom, from 0 to 1, of the key that has most; `now` is on the routing clock."""
        limits, room = target.model.limits, self._limits.headroom
        left = [room(each.pair_id, limits, now) for each in self._inventory.keys[target]]
        return headroom(max(left, default=1.0))


def _price(target: Target) -> float:
    rates = target.rates.get(target.model.id)
    return rates.periods[0].tiers[0].input if rates else inf


class ScoreSample:
    """The random draws of one exchange."""

    def __init__(self, ranking: Ranking, mode: Mode, rng: Random, dialect: Dialect | None = None) -> None:
        self._ranking, self._mode, self._rng, self._dialect = ranking, mode, rng, dialect
        self._draws: dict[Target, float] = {}
        self._pinned: Score | None = None

    def best_first(self, targets: Sequence[Target], now: float, wall: float) -> Iterator[Target]:
        """By score; among equals those who speak the client's dialect, then the configured order. A score is worked out
        as far as it takes to find the next one: without headroom it is a bound, as headroom only takes away.
        """
        targets = self._ranking.equals_first(tuple(targets), self._dialect)
        kept = self._ranking.cached_terms(targets, self._mode, wall)
        draws = self._drawn(targets, kept)
        bounds = [
            terms.penalty - terms.score_line.base - terms.score_line.slope * draw
            for terms, draw in zip(kept, draws, strict=True)
        ]
        exact: list[tuple[float, int]] = []
        """Negative scores and places, of those that are worked out in full and not yet given."""
        for place in sorted(range(len(bounds)), key=bounds.__getitem__):
            while exact and exact[0] < (bounds[place], place):
                yield targets[heappop(exact)[1]]
            target, terms = targets[place], kept[place]
            if (room := self._ranking.headroom(target, now)) == 1.0:
                yield target
            else:
                heappush(exact, (terms.penalty - terms.score_line.at(draws[place]) * room, place))
        while exact:
            yield targets[heappop(exact)[1]]

    def _drawn(self, targets: Sequence[Target], terms: Sequence[ScoreTerms]) -> Sequence[float]:
        """Each one's draw; those that had none yet get it."""
        known = self._draws
        if not known:
            draws = sample_each([each.sampler for each in terms], self._rng.random)
            known.update(zip(targets, draws, strict=True))
            return draws
        for target, each in zip(targets, terms, strict=True):
            if target not in known:
                known[target] = each.sampler.sample(self._rng.random)
        return [known[target] for target in targets]

    def on_launched(self, target: Target) -> None:
        """The score does not depend on earlier choices."""

    def least_saving(self, target: Target, pinned: Target | None, now: float, wall: float) -> float | None:
        """The saving that the target must offer; None if its answers are not about as good as the pinned one's. A
        target that fails more often has to save more.
        """
        if pinned is None:
            return 0.0
        if self._pinned is None:
            self._pinned = self.score(pinned, now, wall)
        own = self._pinned
        if self._ranking.rough_worth(target, self._mode, wall) < RIVAL_WORTH * own.worth:
            return None
        certainty = self.score(target, now, wall).certainty
        return max(0.0, 1 - RELIABILITY_TOLERANCE - certainty / own.certainty) if own.certainty else 0.0

    def why(self, target: Target, now: float, wall: float) -> str:
        return f"score {self.score(target, now, wall).value:.2f}"

    def score(self, target: Target, now: float, wall: float) -> Score:
        """Every term of a target's score; one that had no draw yet gets it."""
        terms = self._ranking.cached_terms((target,), self._mode, wall)[0]
        draw = self._draws.get(target)
        if draw is None:
            draw = self._draws[target] = terms.sampler.sample(self._rng.random)
        room = self._ranking.headroom(target, now)
        return Score(terms.reliability.mean, draw, terms.qualities, terms.score_line, room, terms.penalty)
