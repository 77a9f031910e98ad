"""Drift: a target answers otherwise than the same model elsewhere, or than it did in the days before.

Two kinds of signals are kept. **Shares** (refusals, malformed answers, answers with malformed calls) are counted by day
(UTC). **Values** (length, reasoning, speed) are compared in pairs: each value of a target with one of the others, and
with one of its own of the seven days before. What counts is which one is larger, so that no unit and no distribution
matter; no value is used twice in a test, and equal ones are passed over.

Tests are those of `evidence`, so verdicts may be read at any time. Each day begins a test of every target and signal,
which is kept for `TEST_DAYS`: with what has been counted since that day, against the others since that day, and against
the target's own days before it. Where nothing differs, the chance that one of these tests ever raises a verdict is at
most `FALSE_ALARMS`. That is a union bound: the comparison with others has `WEIGHTS` of it, that with the past the rest.

Differences that are sure, but small, raise no verdict (`MIN_DIFFERENCE`, `MIN_ADVANTAGE`): requests are never the same
everywhere. Speed is compared with the past alone: it differs between providers by their machines.
"""

from array import array
from collections import defaultdict, deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import zip_longest
from math import log
from statistics import median
from typing import Any, NamedTuple

from pointsman.enum_tables import require_total
from pointsman.routing.answer_signals import AnswerSignals, Signal
from pointsman.routing.evidence import Sums, fair_signs, two_shares

DAY = 86_400.0
TEST_DAYS = 7
KEPT_DAYS = 14
FALSE_ALARMS = 1e-4
"""For each target, signal and day on which a test begins."""
HYSTERESIS = log(10)
"""A verdict ends when its evidence has fallen by so much below what raised it."""
MIN_DIFFERENCE = 0.03
"""Between shares."""
MIN_ADVANTAGE = 0.1
"""Of the pairs in which the target's value is the larger one, beyond or below one half."""
MIN_TODAY = 50
"""Observations of a day without evidence that end a verdict of earlier days."""
SHARE_STEP, PAIR_STEP = 16, 8
"""Observations after which evidence is looked at; hits of shares at once."""
MAX_LATEST = 64
"""Latest values of a target, and of a model elsewhere, for medians and pairs."""
MAX_SAMPLE = 96
"""Values of a day that are kept to compare later ones with."""
PENALTY = 0.1
"""What `drift: weigh` takes off the score of a target that is worse than the same model elsewhere."""
WORSE_WHEN_HIGHER = frozenset({Signal.REFUSALS, Signal.MALFORMED_ANSWERS, Signal.MALFORMED_CALLS})


class Against(StrEnum):
    """What a target is compared with."""

    ELSEWHERE = "elsewhere"
    PAST = "past"


WEIGHTS = {Against.ELSEWHERE: log(0.8), Against.PAST: log(0.2)}
"""The logarithm of each comparison's part of `FALSE_ALARMS`."""
require_total(WEIGHTS, Against, "routing.drift.WEIGHTS")


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target has drifted. `figure` and `reference` are shares, or medians of values. `evidence` is the logarithm of
    the e-value to base 10, less what the comparison's part of the false alarms costs; at 4 a verdict is raised. Times
    are Unix time; it was `confirmed` by the last look at its test.
    """

    label: str
    signal: Signal
    against: Against
    is_higher: bool
    figure: float
    reference: float
    since: float
    confirmed: float
    evidence: float

    @property
    def is_penalised(self) -> bool:
        return self.against is Against.ELSEWHERE and self.is_higher and self.signal in WORSE_WHEN_HIGHER

    def to_dict(self) -> dict[str, Any]:
        return {
            "signal": self.signal.value,
            "against": self.against.value,
            "direction": "higher" if self.is_higher else "lower",
            "figure": round(self.figure, 4),
            "reference": round(self.reference, 4),
            "since": self.since,
            "evidence": round(self.evidence, 1),
        }


class Finding(NamedTuple):
    """What a test shows: its evidence with the part of false alarms taken off, and both figures."""

    against: Against
    evidence: float
    is_higher: bool
    figure: float
    reference: float


class DailyCounts:
    """Observations and hits by day since 1970, of the last `KEPT_DAYS`."""

    __slots__ = ("days",)

    def __init__(self) -> None:
        self.days: dict[int, Sums] = {}

    def add(self, hit: bool, day: int) -> int:
        """Returns how many there are of this day."""
        if day not in self.days:
            self.days = {each: sums for each, sums in self.days.items() if each > day - KEPT_DAYS}
        count, hits = self.days.get(day, (0, 0))
        self.days[day] = count + 1, hits + hit
        return count + 1

    def on(self, day: int) -> Sums:
        return self.days.get(day, (0, 0))

    def total(self, day: int) -> Sums:
        """Of all days that are kept on that day."""
        kept = [sums for each, sums in self.days.items() if each > day - KEPT_DAYS]
        return sum(count for count, _ in kept), sum(hits for _, hits in kept)

    def take_off(self, other: "DailyCounts") -> None:
        for day, sums in other.days.items():
            if day in self.days:
                self.days[day] = _less(self.days[day], sums)


class DaySample:
    """At most `MAX_SAMPLE` values of one day, evenly spread: every one, every second, every fourth …"""

    __slots__ = ("_seen", "_stride", "values")

    def __init__(self) -> None:
        self.values = array("d")
        self._stride, self._seen = 1, 0

    def add(self, value: float) -> None:
        if self._seen % self._stride == 0:
            if len(self.values) == MAX_SAMPLE:
                self.values, self._stride = self.values[::2], self._stride * 2
            if self._seen % self._stride == 0:
                self.values.append(value)
        self._seen += 1


class LatestValues:
    """The latest values of one signal of a model, at all its targets."""

    def __init__(self) -> None:
        self._values: deque[tuple[str, float]] = deque(maxlen=MAX_LATEST)
        self._added = 0

    def add(self, label: str, value: float) -> None:
        self._values.append((label, value))
        self._added += 1

    def next_of_others(self, label: str, place: int) -> tuple[float | None, int]:
        """The oldest value since `place` that is not of this target, and the place after it."""
        start = self._added - len(self._values)
        for each in range(max(0, place - start), len(self._values)):
            if self._values[each][0] != label:
                return self._values[each][1], start + each + 1
        return None, self._added

    def median_of_others(self, label: str) -> float:
        return median([value for each, value in self._values if each != label] or [0.0])


@dataclass(slots=True)
class ValueHistory:
    """One signal of one target: pairs, and how often its own value was the larger one, by day."""

    pairs: dict[Against, DailyCounts] = field(default_factory=lambda: {each: DailyCounts() for each in Against})
    latest: deque[float] = field(default_factory=lambda: deque(maxlen=MAX_LATEST))
    place: int = 0
    """In the model's latest values: those before have been used."""
    _samples: dict[int, DaySample] = field(default_factory=dict)
    """By day, of the last `TEST_DAYS` and today."""
    _earlier: list[float] = field(default_factory=list)
    """Values of the days before today, those of each day in turn."""
    _used: int = 0

    def next_earlier(self, value: float, day: int) -> float | None:
        """A value of the days before to compare this one with; None where none is left today."""
        if day not in self._samples:
            self._samples = {each: kept for each, kept in self._samples.items() if each >= day - TEST_DAYS}
            in_turn = zip_longest(*(kept.values for kept in self._samples.values()))
            self._earlier, self._used = [each for group in in_turn for each in group if each is not None], 0
            self._samples[day] = DaySample()
        self._samples[day].add(value)
        self._used += 1
        return self._earlier[self._used - 1] if self._used <= len(self._earlier) else None

    def median_of_earlier(self) -> float:
        return median(self._earlier or [0.0])


@dataclass(slots=True)
class TargetHistory:
    """Of one target."""

    model: str
    shares: defaultdict[Signal, DailyCounts] = field(default_factory=lambda: defaultdict(DailyCounts))
    values: defaultdict[Signal, ValueHistory] = field(default_factory=lambda: defaultdict(ValueHistory))
    verdicts: dict[tuple[Signal, Against], Verdict] = field(default_factory=dict)


class Drift:
    """The one owner of all of it. Bounded by the targets in force; a restart of the process begins at nothing."""

    def __init__(self) -> None:
        self._targets: dict[str, TargetHistory] = {}
        self._totals: defaultdict[tuple[str, Signal], DailyCounts] = defaultdict(DailyCounts)
        """By model, of all its targets."""
        self._latest: defaultdict[tuple[str, Signal], LatestValues] = defaultdict(LatestValues)
        self._today = 0

    def observe(self, seen: AnswerSignals) -> None:
        """Of a target in force. A clock that is set back leaves the day as it was."""
        self._today = max(self._today, int(seen.wall // DAY))
        if (target := self._targets.get(seen.label)) is None:
            target = self._targets[seen.label] = TargetHistory(model_name(seen.model))
        for signal, hit in seen.shares.items():
            if self._count_share(target, signal, hit):
                self._judge(seen, target, signal, self._share_findings(target, signal))
        for signal, value in seen.values.items():
            if self._compare_value(seen.label, target, signal, value):
                self._judge(seen, target, signal, self._value_findings(seen.label, target, signal))

    def verdicts(self, label: str, wall: float) -> list[Verdict]:
        """What is known to have drifted at this target; what has not been confirmed for a week is not any more."""
        target = self._targets.get(label)
        found = target.verdicts.values() if target else ()
        return [each for each in found if wall - each.confirmed < TEST_DAYS * DAY]

    def penalty(self, label: str, wall: float) -> float:
        """What is taken off the target's score, where drift is weighed."""
        return PENALTY if any(each.is_penalised for each in self.verdicts(label, wall)) else 0.0

    def keep_only(self, labels: Collection[str]) -> None:
        """What the others have added to their models is taken off."""
        for label in self._targets.keys() - set(labels):
            gone = self._targets.pop(label)
            for signal, counts in gone.shares.items():
                self._totals[gone.model, signal].take_off(counts)
        models = {target.model for target in self._targets.values()}
        for known in (self._totals, self._latest):
            for name in [each for each in known if each[0] not in models]:
                del known[name]

    def _count_share(self, target: TargetHistory, signal: Signal, hit: bool) -> bool:
        """Returns whether to look at the evidence."""
        self._totals[target.model, signal].add(hit, self._today)
        count = target.shares[signal].add(hit, self._today)
        return hit or count % SHARE_STEP == 0

    def _compare_value(self, label: str, target: TargetHistory, signal: Signal, value: float) -> bool:
        """Returns whether to look at the evidence."""
        history = target.values[signal]
        history.latest.append(value)
        others = [(Against.PAST, history.next_earlier(value, self._today))]
        # What does not think, or does not report it, is compared with its own past alone.
        if signal is not Signal.SPEED and value > 0:
            latest = self._latest[target.model, signal]
            other, history.place = latest.next_of_others(label, history.place)
            others.append((Against.ELSEWHERE, other))
            latest.add(label, value)
        counts = [
            history.pairs[against].add(value > other, self._today)
            for against, other in others
            if other is not None and other != value
        ]
        return any(count % PAIR_STEP == 0 for count in counts)

    def _share_findings(self, target: TargetHistory, signal: Signal) -> Iterator[Finding]:
        """Of all tests that are kept, the one that began today first."""
        counts, totals = target.shares[signal], self._totals[target.model, signal]
        everything, own, others = counts.total(self._today), (0, 0), (0, 0)
        for day in range(self._today, self._today - TEST_DAYS, -1):
            own = _plus(own, counts.on(day))
            others = _plus(others, _less(totals.on(day), counts.on(day)))
            for against, reference in ((Against.ELSEWHERE, others), (Against.PAST, _less(everything, own))):
                if day in counts.days and reference[0]:
                    figure, other = own[1] / own[0], reference[1] / reference[0]
                    if abs(figure - other) >= MIN_DIFFERENCE:
                        evidence = two_shares(own, reference) + WEIGHTS[against]
                        yield Finding(against, evidence, figure > other, figure, other)

    def _value_findings(self, label: str, target: TargetHistory, signal: Signal) -> Iterator[Finding]:
        """Values of today alone are compared with earlier ones: each day uses the same ones again."""
        history = target.values[signal]
        for against, counts in history.pairs.items():
            pairs = 0, 0
            for day in range(self._today, self._today - (TEST_DAYS if against is Against.ELSEWHERE else 1), -1):
                pairs = _plus(pairs, counts.on(day))
                if day in counts.days and abs(pairs[1] / pairs[0] - 0.5) >= MIN_ADVANTAGE:
                    is_higher, evidence = pairs[1] * 2 > pairs[0], fair_signs(pairs) + WEIGHTS[against]
                    reference = (
                        history.median_of_earlier()
                        if against is Against.PAST
                        else self._latest[target.model, signal].median_of_others(label)
                    )
                    yield Finding(against, evidence, is_higher, median(history.latest), reference)

    def _judge(self, seen: AnswerSignals, target: TargetHistory, signal: Signal, findings: Iterator[Finding]) -> None:
        """The strongest test of each comparison counts. A verdict stays until its evidence is clearly gone."""
        best: dict[Against, Finding] = {}
        for each in findings:
            if each.against not in best or each.evidence > best[each.against].evidence:
                best[each.against] = each
        for against in Against:
            name, found = (signal, against), best.get(against)
            known, threshold = target.verdicts.get(name), -log(FALSE_ALARMS)
            if found and found.evidence >= threshold - (HYSTERESIS if known else 0.0):
                since = known.since if known and known.is_higher == found.is_higher else seen.wall
                target.verdicts[name] = _verdict(seen, signal, found, since)
            elif known and self._seen_today(target, signal, against) >= MIN_TODAY:
                del target.verdicts[name]

    def _seen_today(self, target: TargetHistory, signal: Signal, against: Against) -> int:
        counts = target.shares[signal] if signal in target.shares else target.values[signal].pairs[against]
        return counts.on(self._today)[0]


def model_name(model_id: str) -> str:
    """By which the same model is known at different providers.

    model_name("meta-llama/Llama-3.3-70B") == "llama-3.3-70b"
    """
    return model_id.rpartition("/")[2].lower()


def _verdict(seen: AnswerSignals, signal: Signal, found: Finding, since: float) -> Verdict:
    evidence = found.evidence / log(10)
    return Verdict(
        seen.label, signal, found.against, found.is_higher, found.figure, found.reference, since, seen.wall, evidence
    )


def _plus(one: Sums, other: Sums) -> Sums:
    return one[0] + other[0], one[1] + other[1]


def _less(one: Sums, other: Sums) -> Sums:
    return one[0] - other[0], one[1] - other[1]
