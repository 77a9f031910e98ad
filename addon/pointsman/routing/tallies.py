"""What attempts came to, as operators want to know it of each provider, target, key and model of a key: counts of the
last hour, and sums since the start.

Unlike `statistics`, which judge targets for scoring, they count what happened: a key that was refused counts against
that key even if another one answered instead. Times are Unix times.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from operator import add, itemgetter
from typing import Any, NamedTuple

from pointsman.domain.failures import Failure
from pointsman.domain.records import AttemptRecord, ExchangeRecord, Outcome
from pointsman.domain.targets import Inventory, KeyId, PairId
from pointsman.prices.rates import dollars
from pointsman.routing.attempt_outcomes import Verdict, attempt_verdicts
from pointsman.routing.recent_outcomes import MAX_RESTORED_ATTEMPTS
from pointsman.wire.frames import TOKEN_KINDS

WINDOW_MINUTES = 60
MINUTE = 60.0
MAX_MESSAGE = 200
"""Characters of a provider's message that are kept."""
FAILED = frozenset({Outcome.RETRY_FAILED, Outcome.STREAM_BROKEN, Outcome.STREAM_STALLED})
REQUEST_FAILURES = frozenset(
    {
        Failure.REQUEST,
        Failure.CONTEXT_TOO_LARGE,
        Failure.REQUEST_TOO_LARGE,
        Failure.CONTENT_FILTER,
        Failure.CONTENT_POLICY,
        Failure.FOREIGN_STATE,
        Failure.UNKNOWN_ID,
        Failure.OURS,
    }
)
"""They concern the request or the router, so they count neither for nor against the target."""


class Result(Enum):
    SUCCESS = auto()
    FAILURE = auto()
    NEITHER = auto()
    """The request was at fault, or its client no longer waited for the answer."""


class LastError(NamedTuple):
    wall: float
    label: str
    """`503`, `rate_limit`, `connect_timeout` …"""
    message: str


class RecentCounts(NamedTuple):
    """Of the last hour."""

    successes: int
    failures: int

    @property
    def attempts(self) -> int:
        return self.successes + self.failures


NO_COUNTS = RecentCounts(0, 0)


@dataclass(slots=True)
class Tally:
    """Of one provider, target, key, or model of a key. `successes`, `failures`, `tokens` and `cost` are sums since the
    start.
    """

    successes: int = 0
    failures: int = 0
    failures_in_a_row: int = 0
    tokens: list[int] = field(default_factory=lambda: [0] * len(TOKEN_KINDS))
    """In the order of TOKEN_KINDS."""
    cost: int = 0
    """Nano-dollars, of what has a known price."""
    is_cost_whole: bool = True
    """All that was used has a known price."""
    used: float | None = None
    """When the last attempt ended, whatever came of it."""
    succeeded: float | None = None
    failed: float | None = None
    error: LastError | None = None
    _minutes: deque[list[int]] = field(default_factory=lambda: deque(maxlen=WINDOW_MINUTES + 1))
    """The number of a minute, its successes and its failures."""

    def observe(self, result: Result, attempt: AttemptRecord, tokens: Sequence[int], counts: bool = True) -> None:
        """`tokens` are in the order of TOKEN_KINDS. `counts`: the result is this one's own."""
        wall = attempt.ended
        self.used = wall if self.used is None or wall > self.used else self.used
        if tokens or attempt.cost:
            self._add_usage(attempt, tokens)
        if result is Result.FAILURE:
            self.error = LastError(wall, attempt.error or "failed", attempt.message[:MAX_MESSAGE])
        if counts and result is not Result.NEITHER:
            self.successes += result is Result.SUCCESS
            self.failures += result is Result.FAILURE
            self._note(result is Result.SUCCESS, wall)

    def restore(self, success: bool, wall: float) -> None:
        """An attempt of an earlier run: it says how well things go, and is in no sum since the start. It is left out if
        it is older than what is known already.
        """
        if self._minutes and wall // MINUTE < self._minutes[-1][0]:
            return
        self.used = max(wall, self.used or wall)
        self._note(success, wall)

    def _note(self, success: bool, wall: float) -> None:
        minute = self._minute(wall)
        if success:
            self.failures_in_a_row, self.succeeded = 0, wall
            minute[1] += 1
        else:
            self.failures_in_a_row, self.failed = self.failures_in_a_row + 1, wall
            minute[2] += 1

    def recent(self, wall: float) -> RecentCounts:
        since = int(wall // MINUTE) - WINDOW_MINUTES
        counted = [each for each in self._minutes if each[0] > since]
        return RecentCounts(sum(each[1] for each in counted), sum(each[2] for each in counted))

    def _add_usage(self, attempt: AttemptRecord, tokens: Sequence[int]) -> None:
        if tokens:
            self.tokens = list(map(add, self.tokens, tokens))
        self.cost += attempt.cost or 0
        if attempt.cost is None:
            self.is_cost_whole = False

    def _minute(self, wall: float) -> list[int]:
        """The counts that an attempt of then belongs to; a clock that went back counts on where it was."""
        number = int(wall // MINUTE)
        if not self._minutes or self._minutes[-1][0] < number:
            self._minutes.append([number, 0, 0])
        return self._minutes[-1]

    def to_dict(self, wall: float) -> dict[str, Any]:
        """In plain JSON types."""
        recent, error = self.recent(wall), self.error
        return {
            "successes": self.successes,
            "failures": self.failures,
            "last_hour": {"successes": recent.successes, "failures": recent.failures},
            "usage": dict(zip(TOKEN_KINDS, self.tokens, strict=True)),
            "cost_usd": dollars(self.cost if self.is_cost_whole else None),
            "last_used": self.used,
            "last_error": error and {"time": error.wall, "error": error.label, "message": error.message},
        }


NO_TALLY = Tally()
"""Of what has not been tried; never changed."""


class Tallies:
    """Bounded by the configuration: only names of the inventory in force are kept."""

    def __init__(self, inventory: Inventory) -> None:
        self.providers: defaultdict[str, Tally] = defaultdict(Tally)
        self.targets: defaultdict[str, Tally] = defaultdict(Tally)
        self.keys: defaultdict[KeyId, Tally] = defaultdict(Tally)
        self.pairs: defaultdict[PairId, Tally] = defaultdict(Tally)
        self.update_inventory(inventory, (), ())

    def observe(self, record: ExchangeRecord) -> None:
        """The attempts of an exchange that has ended."""
        for attempt, verdict in zip(record.attempts, attempt_verdicts(record.attempts), strict=True):
            label = f"{attempt.provider}/{attempt.model}"
            key = self._key_ids.get((attempt.provider, attempt.key))
            if key is None or label not in self._labels or attempt.is_informational:
                continue
            result, tokens = result_of(attempt), tokens_of(attempt)
            of_key = self.keys[key], self.pairs[label, key[1]]
            of_all = self.providers[attempt.provider], self.targets[label]
            for tally in of_key:
                tally.observe(result, attempt, tokens)
            # A key that failed while another one answered says nothing of the model.
            is_of_key = verdict is Verdict.KEY and result is Result.FAILURE
            for tally in of_all:
                tally.observe(result, attempt, tokens, counts=not is_of_key)

    def restore(
        self,
        attempts: Mapping[str, Iterable[tuple[float, bool]]],
        wall: float,
        of_keys: Mapping[tuple[str, str | None], Iterable[tuple[float, bool]]] = {},
    ) -> None:
        """What the history holds of earlier runs: when attempts at each target ended, and whether they succeeded.
        `of_keys` are those of each target with each key, by its label.
        """
        earlier: list[tuple[float, bool, tuple[Tally, Tally]]] = []
        for label, ended in attempts.items():
            if label in self._labels and label not in self.targets:
                of_all = self.targets[label], self.providers[label.partition("/")[0]]
                earlier += [(at, success, of_all) for at, success in _latest(ended)]
        for (label, key_label), ended in of_keys.items():
            key = self._key_ids.get((label.partition("/")[0], key_label))
            if key is not None and label in self._labels and (label, key[1]) not in self.pairs:
                of_key = self.pairs[label, key[1]], self.keys[key]
                earlier += [(at, success, of_key) for at, success in _latest(ended)]
        for at, success, tallies in sorted(earlier, key=itemgetter(0)):  # in time, whatever the model
            for tally in tallies:
                tally.restore(success, min(at, wall))

    def update_inventory(self, inventory: Inventory, same: Collection[str], keys: Collection[KeyId]) -> None:
        """What is the `same` target, or one of the same `keys`, stays known."""
        self._labels = frozenset(inventory.by_label)
        self._key_ids = {(name[0], label): name for name, label in inventory.key_labels.items()}
        providers = {label.partition("/")[0] for label in same}
        _keep_only(self.providers, lambda name: name in providers)
        _keep_only(self.targets, lambda label: label in same)
        _keep_only(self.keys, lambda name: name in keys)
        _keep_only(self.pairs, lambda pair: pair[0] in same and (pair[0].partition("/")[0], pair[1]) in keys)


def _latest(attempts: Iterable[tuple[float, bool]]) -> Sequence[tuple[float, bool]]:
    """As many as are known of successes and failures alike, so that their share is right."""
    return sorted(attempts)[-MAX_RESTORED_ATTEMPTS:]


def _keep_only[Name](tallies: dict[Name, Tally], is_known: Callable[[Name], bool]) -> None:
    for name in [each for each in tallies if not is_known(each)]:
        del tallies[name]


def tokens_of(attempt: AttemptRecord) -> tuple[int, ...]:
    """In the order of TOKEN_KINDS; empty where it used none."""
    used = attempt.usage
    if used is None:
        return ()
    return used.input, used.cache_read, used.cache_write_5m, used.cache_write_1h, used.output, used.reasoning


def result_of(attempt: AttemptRecord) -> Result:
    """What the attempt says of whom it asked."""
    if attempt.outcome.is_success:
        return Result.SUCCESS
    has_failed = attempt.outcome in FAILED or attempt.outcome is Outcome.CLIENT_ERROR_NON_RETRYABLE
    is_failure = has_failed and attempt.failure is not None and attempt.failure not in REQUEST_FAILURES
    return Result.FAILURE if is_failure else Result.NEITHER
