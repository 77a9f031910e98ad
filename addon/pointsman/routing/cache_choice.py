"""Whether a conversation stays where its cache is warm: what its next turns would cost there and elsewhere.

    cached  = tokens seen × share that is read at this age
    turn    = (prompt - cached) × price of uncached tokens + cached × price of a cache read + answer × price of output
    value   = this turn + turns left × a later turn, with a prompt that has grown by turns left + 1 times the growth
              of a turn, and a cache that is as warm as pauses and shares let it be
    gain    = (value of the pin - value) / value of the pin + latency weight × (latency - latency of the pin)

Latency is the T of the score, from 0 to 1. The pin is given up for the target with the lowest value of those that gain
more than MIN_GAIN and do not cost more. Where no price is known, an uncached token costs 1, all else nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pointsman.config import Settings
from pointsman.config.enums import Mode
from pointsman.domain.targets import Target
from pointsman.prices.rates import PICO, Tier
from pointsman.routing.cache_statistics import CacheStatistics, TargetCache
from pointsman.routing.model_redirects import apply_redirects
from pointsman.routing.scoring import latency, total_weight
from pointsman.sessions.prompt_caches import BANDS, CachedPrompt, PromptCaches, band_of

MIN_GAIN = 0.05
"""Estimates are not more exact than that."""
EQUAL_COST = 1.01
"""What costs so many times as much, or less, may still be worth it for being faster."""
PAUSES_WEIGHT = 4.0
"""Pauses that those of all conversations count as in one of them."""
TOKENS = Tier(above=0, input=1, output=0, cache_read=0)
"""Prices where none is known."""


class Alternative(NamedTuple):
    """A target that the pin may be given up for, if that saves this part of the cost at least."""

    target: Target
    least_saving: float


class Expected(NamedTuple):
    """Of one target, if the next request went there. `turn` and `later` are picodollars, or uncached tokens
    where no price is known; `cached` are tokens. `first_content`: seconds, None where not known.
    """

    cached: float
    turn: float
    later: float
    first_content: float | None
    has_price: bool

    def value(self, turns_left: float) -> float:
        return self.turn + turns_left * self.later


@dataclass(slots=True)
class CacheEstimator:
    """For the next request of one session, of `prompt` estimated tokens, on the given clocks."""

    caches: PromptCaches
    statistics: CacheStatistics
    prompt: int
    now: float
    wall: float
    turns_left: float = field(init=False)
    _output: float = field(init=False)
    """Tokens of an answer."""
    _later_prompt: float = field(init=False)
    _later_seen: float = field(init=False)
    """Tokens of a later prompt, and those of them that its target has seen before."""
    _pauses: Sequence[tuple[int, float]] = field(init=False)
    """How likely the pause before a later turn is of each band."""

    def __post_init__(self) -> None:
        known = self.statistics
        self.turns_left = known.turns_left
        self._output = self.caches.output(known.output.mean)
        growth = self.caches.growth(self.prompt, known.growth.mean)
        self._later_prompt = self.prompt + growth * (self.turns_left + 1)
        self._later_seen = self._later_prompt - max(0.0, growth - self._output)
        shares = known.pause_shares(self.caches.pauses, PAUSES_WEIGHT)
        self._pauses = [(band, share) for band, share in zip(BANDS, shares, strict=True) if share]

    def expected(self, target: Target) -> Expected:
        known, entry = self.statistics.of(target.label), self.caches.by_target.get(target.label)
        listed = _tier(target, self.prompt, self.wall)
        tier = listed or TOKENS
        cached = self._cached_now(entry, known, tier)
        later = self._later_seen * sum(share * self._share(entry, known, band, tier) for band, share in self._pauses)
        return Expected(
            cached,
            self._turn(self.prompt, cached, tier, known),
            self._turn(self._later_prompt, later, tier, known),
            known.first_content(cached / self.prompt if self.prompt else 0.0),
            listed is not None,
        )

    def move(self, target: Target, cached: float, pinned_cached: float) -> tuple[float, int | None]:
        """Tokens that the pinned target would have in its cache and this one would not, and what they cost more than
        read from a cache, in nano-dollars; None: the price is not known.
        """
        tokens = max(0.0, pinned_cached - cached)
        tier = _tier(target, self.prompt, self.wall)
        if tier is None:
            return tokens, None
        return tokens, round(tokens * (tier.input - _read_price(tier)) / PICO)

    def _cached_now(self, entry: CachedPrompt | None, known: TargetCache, tier: Tier) -> float:
        if entry is None:
            return 0.0
        return min(entry.tokens, self.prompt) * self._share(entry, known, band_of(self.now - entry.at), tier)

    def _share(self, entry: CachedPrompt | None, known: TargetCache, band: int, tier: Tier) -> float:
        has_cache = tier is not TOKENS and _read_price(tier) < tier.input
        return min(1.0, self.caches.factor * known.share(entry, band, has_cache, self.now))

    def _turn(self, prompt: float, cached: float, tier: Tier, known: TargetCache) -> float:
        return (
            (prompt - cached) * _fresh_price(tier, known)
            + cached * _read_price(tier)
            + self._output * (tier.output or 0)
        )


def _read_price(tier: Tier) -> int:
    return tier.input if tier.cache_read is None else tier.cache_read


def _fresh_price(tier: Tier, known: TargetCache) -> float:
    """Of a token that is not in the cache: some of them are written to it."""
    short, long = known.written_5m.mean or 0.0, known.written_1h.mean or 0.0
    price_5m = tier.input if tier.cache_write_5m is None else tier.cache_write_5m
    price_1h = price_5m if tier.cache_write_1h is None else tier.cache_write_1h
    return tier.input * (1 - short - long) + short * price_5m + long * price_1h


def _tier(target: Target, prompt: int, wall: float) -> Tier | None:
    """None: what it costs is not known."""
    redirect = apply_redirects(target.provider, target.model.id)
    rates = target.rates.get(redirect.redirected_model if redirect else target.model.id)
    tier = rates.tier(prompt, wall) if rates else None
    return tier if tier and tier.output is not None else None


@dataclass(slots=True)
class PinContest:
    """Compares the pinned target with others."""

    estimator: CacheEstimator
    pinned: Target
    latency_weight: float
    """From 0 to 1."""

    @classmethod
    def of(cls, estimator: CacheEstimator, pinned: Target, settings: Settings, mode: Mode) -> "PinContest":
        weights = settings.routing.weights[mode]
        return cls(estimator, pinned, weights.latency / total_weight(weights))

    def winners(self, alternatives: Sequence[Alternative]) -> Iterator[Target]:
        """Those that are worth giving up the pin for, the cheapest first."""
        turns = self.estimator.turns_left
        pin = self.estimator.expected(self.pinned)
        worth = []
        for place, alternative in enumerate(alternatives):
            other = self.estimator.expected(alternative.target)
            least = max(MIN_GAIN, alternative.least_saving)
            if other.has_price is pin.has_price and self.gain(pin, other, turns) > least:
                worth.append((other.value(turns), place, alternative.target))
        return (alternative for _, _, alternative in sorted(worth, key=lambda each: each[:2]))

    def gain(self, pin: Expected, other: Expected, turns: float) -> float:
        """As a part of what staying costs; 0 for what costs more."""
        staying, moving = pin.value(turns), other.value(turns)
        if moving > EQUAL_COST * staying:
            return 0.0
        saved = (staying - moving) / staying if staying else 0.0
        if pin.first_content is None or other.first_content is None:
            return saved
        return saved + self.latency_weight * (latency(other.first_content) - latency(pin.first_content))
