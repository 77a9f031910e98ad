"""Limits of the requests that run at once, of a model of a key, of a key or of a provider: configured or learnt from
refusals.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple

from pointsman.domain.shared_limits import SharedSlots
from pointsman.domain.targets import Candidate, KeyId, PairId

PROVIDER, KEY, MODEL = "provider", "key", "model"
"""What a limit is of: all keys of a provider, a key, or a model of a key."""
LEARNT_LIFETIME = 600.0
"""Seconds after which a learnt limit is forgotten."""
RETRY_WAIT = 2.0
"""Seconds that a client is told to wait: when a running request ends is not known."""


class LimitedSlots(NamedTuple):
    """A configured limit. The place of a provider has no key."""

    kind: str
    place: PairId | KeyId
    limit: int


class Concurrency:
    """Counts are bounded by the requests that run, inferred limits by the inventory."""

    def __init__(self) -> None:
        self.shared: Callable[[str, PairId | KeyId], SharedSlots] | None = None
        """Where other instances count too: by the kind and the place of a limit."""
        self._of_pairs: Counter[PairId] = Counter()
        self._of_keys: Counter[KeyId] = Counter()
        self._of_providers: Counter[KeyId] = Counter()
        self._counts = {PROVIDER: self._of_providers, KEY: self._of_keys, MODEL: self._of_pairs}
        self._learnt: dict[PairId, tuple[int, float]] = {}
        """A limit, and until when it counts on the routing clock."""

    def begin(self, candidate: Candidate) -> None:
        self._of_pairs[candidate.pair_id] += 1
        self._of_keys[candidate.key_id] += 1
        self._of_providers[candidate.target.provider.name, None] += 1
        self._tell(candidate)

    def end(self, candidate: Candidate) -> None:
        """Call it once for each `begin`."""
        _decrement(self._of_pairs, candidate.pair_id)
        _decrement(self._of_keys, candidate.key_id)
        _decrement(self._of_providers, (candidate.target.provider.name, None))
        self._tell(candidate)

    def _tell(self, candidate: Candidate) -> None:
        if self.shared:
            for slots in limited_slots(candidate):
                self.shared(slots.kind, slots.place).on_running(self._running(slots))

    def _running(self, slots: LimitedSlots) -> int:
        counts: Counter[Any] = self._counts[slots.kind]
        return counts.get(slots.place, 0)

    def on_refused(self, candidate: Candidate, now: float) -> None:
        """The provider has refused a request, which has ended, as one too many: those that still run are the limit."""
        self._learnt[candidate.pair_id] = max(1, self._of_pairs[candidate.pair_id]), now + LEARNT_LIFETIME

    def is_full(self, candidate: Candidate, now: float) -> bool:
        """One more request would be above a configured limit."""
        for slots in limited_slots(candidate):
            shared = self.shared and self.shared(slots.kind, slots.place)
            if self._running(slots) >= (shared.allowed(slots.limit, now) if shared else slots.limit):
                return True
        return False

    def seems_full(self, candidate: Candidate, now: float) -> bool:
        """Whether one more request would exceed a limit that was inferred from a refusal. Since it may be wrong, it
        does not exclude a last resort.
        """
        learnt, until = self._learnt.get(candidate.pair_id, (0, 0.0))
        return now < until and self._of_pairs.get(candidate.pair_id, 0) >= learnt

    def keep_only(self, pairs: Collection[PairId]) -> None:
        """Removes inferred limits of what is no longer configured."""
        self._learnt = {pair: learnt for pair, learnt in self._learnt.items() if pair in pairs}


def limited_slots(candidate: Candidate) -> Iterator[LimitedSlots]:
    """What of it has a configured limit."""
    provider = candidate.target.provider
    if (limit := provider.limits.total_concurrency) is not None:
        yield LimitedSlots(PROVIDER, (provider.name, None), limit)
    if (limit := provider.limits.concurrency) is not None:
        yield LimitedSlots(KEY, candidate.key_id, limit)
    if (limit := candidate.target.model.limits.concurrency) is not None:
        yield LimitedSlots(MODEL, candidate.pair_id, limit)


def _decrement[Name](counts: Counter[Name], name: Name) -> None:
    counts[name] -= 1
    if counts[name] <= 0:
        del counts[name]
