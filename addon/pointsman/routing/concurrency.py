"""Limits of the requests that run at once, for a model of a key and for a key: configured or learnt from refusals."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator

from pointsman.domain.shared_limits import SharedSlots
from pointsman.domain.targets import Candidate, KeyId, PairId

KEY, MODEL = "key", "model"
"""What a limit is of."""
LEARNT_LIFETIME = 600.0
"""Seconds after which a learnt limit is forgotten."""
RETRY_WAIT = 2.0
"""Seconds that a client is told to wait: when a running request ends is not known."""


class Concurrency:
    """Counts are bounded by the requests that run, inferred limits by the inventory."""

    def __init__(self) -> None:
        self.shared: Callable[[str, PairId | KeyId], SharedSlots] | None = None
        """Where other instances count too: the limit of a model of a key (`MODEL`) or of a key (`KEY`)."""
        self._of_pairs: Counter[PairId] = Counter()
        self._of_keys: Counter[KeyId] = Counter()
        self._learnt: dict[PairId, tuple[int, float]] = {}
        """A limit, and until when it counts on the routing clock."""

    def begin(self, candidate: Candidate) -> None:
        self._of_pairs[candidate.pair_id] += 1
        self._of_keys[candidate.key_id] += 1
        self._tell(candidate)

    def end(self, candidate: Candidate) -> None:
        """Call it once for each `begin`."""
        _decrement(self._of_pairs, candidate.pair_id)
        _decrement(self._of_keys, candidate.key_id)
        self._tell(candidate)

    def _tell(self, candidate: Candidate) -> None:
        if self.shared:
            for name, place, running, _ in self._limited(candidate):
                self.shared(name, place).on_running(running)

    def _limited(self, candidate: Candidate) -> Iterator[tuple[str, PairId | KeyId, int, int]]:
        """What has a configured limit: what runs, and the limit."""
        for name, place in limited_slots(candidate):
            if name == KEY:
                limit, running = candidate.target.provider.limits.concurrency, self._of_keys.get(candidate.key_id, 0)
            else:
                limit, running = candidate.target.model.limits.concurrency, self._of_pairs.get(candidate.pair_id, 0)
            assert limit is not None
            yield name, place, running, limit

    def on_refused(self, candidate: Candidate, now: float) -> None:
        """The provider has refused a request, which has ended, as one too many: those that still run are the limit."""
        self._learnt[candidate.pair_id] = max(1, self._of_pairs[candidate.pair_id]), now + LEARNT_LIFETIME

    def is_full(self, candidate: Candidate, now: float) -> bool:
        """Whether one more request would exceed a configured limit."""
        target = candidate.target
        if target.provider.limits.concurrency is None and target.model.limits.concurrency is None:
            return False
        for name, place, running, limit in self._limited(candidate):
            if running >= (limit if self.shared is None else self.shared(name, place).allowed(limit, now)):
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


def limited_slots(candidate: Candidate) -> Iterator[tuple[str, PairId | KeyId]]:
    """The slots of the candidate that have a configured limit."""
    if candidate.target.provider.limits.concurrency is not None:
        yield KEY, candidate.key_id
    if candidate.target.model.limits.concurrency is not None:
        yield MODEL, candidate.pair_id


def _decrement[Name](counts: Counter[Name], name: Name) -> None:
    counts[name] -= 1
    if counts[name] <= 0:
        del counts[name]
