"""What all conversations have shown of each target's cache, and how long conversations go on."""

from collections.abc import Collection
from dataclasses import dataclass, field
from math import exp2

from pointsman.sessions.prompt_caches import AGES, BANDS, CachedPrompt, CacheObservation, ObservedTurn
from pointsman.wire.frames import Usage

MEMORY = 30.0
"""Observations of a target that count, about."""
WARM_SHARE = 0.5
"""An answer whose prompt was read from a cache to this part is a warm one."""
HALF_LIFE = 6 * 3600.0
"""Seconds in which an observation loses half of its weight."""
PRIOR_WEIGHT = 1.0
"""Observations that an expectation counts as before there are any."""
ENOUGH = 12.0
"""Observations of a band that may speak against a cache."""
UNSEEN_SHARE = 0.5
"""Of what a target would have seen before, where it has a price for reading from a cache and nothing else is known."""
MAX_TURNS_LEFT = 20.0
SESSIONS_MEMORY = 200.0
PRIOR_SESSIONS, PRIOR_TURNS = 5.0, 40.0
"""What conversations are taken to be like before any has been seen: eight more turns after the first one."""


@dataclass(slots=True)
class HitShares:
    """The mean share that was read from a cache, by the band of its age. About the last MEMORY observations count, each
    half as much six hours later: what is believed of a target that is no longer used must not stand for ever.
    """

    _sums: list[float] = field(default_factory=lambda: [0.0 for _ in BANDS])
    _weights: list[float] = field(default_factory=lambda: [0.0 for _ in BANDS])
    _at: list[float] = field(default_factory=lambda: [0.0 for _ in BANDS])
    """When the last one was made."""

    def observe(self, band: int, share: float, now: float) -> None:
        kept = (1 - 1 / MEMORY) * self._left(band, now)
        self._sums[band] = self._sums[band] * kept + share
        self._weights[band] = self._weights[band] * kept + 1
        self._at[band] = now

    def expected(self, band: int, prior: float, now: float) -> float:
        """From 0 to 1; the prior counts as PRIOR_WEIGHT observations. With fewer than ENOUGH observations it is no less
        than the prior: what is left for a few misses would not be observed any more.
        """
        left = self._left(band, now)
        seen = self._weights[band] * left
        share = (self._sums[band] * left + prior * PRIOR_WEIGHT) / (seen + PRIOR_WEIGHT)
        return share if seen >= ENOUGH else max(share, prior)

    def _left(self, band: int, now: float) -> float:
        return exp2(-max(0.0, now - self._at[band]) / HALF_LIFE)


@dataclass(slots=True)
class RunningMean:
    """Of about the last MEMORY values."""

    total: float = 0.0
    weight: float = 0.0

    def observe(self, value: float) -> None:
        kept = 1 - 1 / MEMORY
        self.total, self.weight = self.total * kept + value, self.weight * kept + 1

    @property
    def mean(self) -> float | None:
        return self.total / self.weight if self.weight else None


@dataclass(slots=True)
class TargetCache:
    """`cold` and `warm` are the seconds to the first content; `written_5m` and `written_1h` are the shares of what was
    not read from a cache that were written to one.
    """

    shares: HitShares = field(default_factory=HitShares)
    cold: RunningMean = field(default_factory=RunningMean)
    warm: RunningMean = field(default_factory=RunningMean)
    written_5m: RunningMean = field(default_factory=RunningMean)
    written_1h: RunningMean = field(default_factory=RunningMean)

    def share(self, entry: CachedPrompt | None, band: int, has_price: bool, now: float) -> float:
        """Of what was seen, the share that is read from the cache at an age of this band, in all conversations.

        What is not known yet is expected to be cached where the conversation has been: `entry`. Elsewhere a price for
        reading from a cache is a sign that there is one. What is not read soon after is not expected to be read later.
        """
        lifetime = (entry and entry.lifetime) or AGES[-1]
        expected = 1.0 if entry else UNSEEN_SHARE * has_price
        for each in range(band + 1):
            prior = expected if each < len(AGES) and AGES[each] <= lifetime else 0.0
            expected = self.shares.expected(each, prior, now)
        return expected

    def first_content(self, cached: float) -> float | None:
        """Seconds that are expected with this share of the prompt in the cache; None where nothing was measured."""
        cold, warm = self.cold.mean, self.warm.mean
        if cold is None or warm is None:
            return cold if warm is None else warm
        return cold + (warm - cold) * cached


UNKNOWN = TargetCache()
"""Of a target that has reported nothing. It is not written to."""


class CacheStatistics:
    """Bounded by the labels that are told to it: `keep_only` removes those of other configurations."""

    def __init__(self) -> None:
        self._targets: dict[str, TargetCache] = {}
        self._sessions, self._turns = PRIOR_SESSIONS, PRIOR_TURNS
        self.output, self.growth = RunningMean(), RunningMean()
        """Tokens of an answer, and by which a prompt grows in a turn."""
        self._pauses = [1.0] + [0.0 for _ in BANDS[1:]]
        """By band, how many there were."""

    def of(self, label: str) -> TargetCache:
        return self._targets.get(label, UNKNOWN)

    def keep_only(self, labels: Collection[str]) -> None:
        self._targets = {label: each for label, each in self._targets.items() if label in labels}

    def observe(
        self, label: str, usage: Usage, first_content: float | None, found: CacheObservation | None, now: float
    ) -> None:
        """An answer with a usage that its provider has reported; `first_content` in seconds."""
        own = self._targets.setdefault(label, TargetCache())
        if found:
            own.shares.observe(found.band, found.share, now)
        fresh = usage.input + usage.cache_write
        if fresh:
            own.written_5m.observe(usage.cache_write_5m / fresh)
            own.written_1h.observe(usage.cache_write_1h / fresh)
        if first_content is not None and usage.prompt:
            is_warm = usage.cache_read >= WARM_SHARE * usage.prompt
            (own.warm if is_warm else own.cold).observe(first_content)

    def observe_turn(self, turn: ObservedTurn) -> None:
        """A conversation has begun or gone on."""
        self.output.observe(turn.output)
        if turn.pause is None:
            kept = 1 - 1 / SESSIONS_MEMORY
            self._sessions, self._turns = self._sessions * kept + 1, self._turns * kept
            self._pauses = [each * kept for each in self._pauses]
        else:
            self._turns += 1
            self._pauses[turn.pause] += 1
            self.growth.observe(turn.growth)

    @property
    def turns_left(self) -> float:
        """How many turns a conversation is expected to have after the next one, whatever it has had so far."""
        return min(MAX_TURNS_LEFT, self._turns / self._sessions)

    def pause_shares(self, own: list[int], weight: float) -> list[float]:
        """How likely the next pause is of each band: as in this conversation, and `weight` pauses of all."""
        total, here = sum(self._pauses), sum(own)
        return [(own[band] + weight * self._pauses[band] / total) / (here + weight) for band in BANDS]
