"""Drift: a target answers otherwise than the same model elsewhere, or than it did in the days before.

Two kinds of signals are kept. **Shares** (refusals, malformed answers, answers with malformed calls) are counted by day
(UTC). **Values** (length, reasoning, speed) are compared in pairs: each value of a target with one of the others, and
with one of its own of the seven days before. What counts is which one is larger, so that no unit and no distribution
matter; no value is used twice in a test, and equal ones are passed over.

Tests are those of `evidence`. Each day begins a test of every target and signal, which is kept for `TEST_DAYS`: with
what has been counted since that day, against the others since that day, and against the target's own days before it.
Where nothing differs, the chance that any test of a target that begins within `TEST_DAYS` ever raises a verdict is at
most `FALSE_ALARMS`. That is a union bound: each day, signal, comparison, direction and look has its part (`alarm_part`,
`evidence.look_part`). A verdict is raised at a look alone; whether it still holds is asked more often.

Differences that are sure, but small, raise no verdict (`MIN_DIFFERENCE`, `MIN_ADVANTAGE`): requests are never the same
everywhere. Speed is compared with the past alone: it differs between providers by their machines.
"""

from array import array
from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import zip_longest
from math import inf, log
from statistics import median
from typing import Any, NamedTuple

from pointsman.enum_tables import require_total
from pointsman.routing.answer_signals import AnswerSignals, Signal
from pointsman.routing.evidence import LOOKS, Sums, fair_signs, look_part, two_shares

DAY = 86_400.0
TEST_DAYS = 7
KEPT_DAYS = 14
FALSE_ALARMS = 1e-4
"""For each target, of all tests that begin within `TEST_DAYS`, of all signals together."""
HYSTERESIS = log(10)
"""A verdict ends when its evidence has fallen by so much below what raised it."""
MIN_DIFFERENCE = 0.03
"""Between shares."""
MIN_ADVANTAGE = 0.1
"""Of the pairs in which the target's value is the larger one, beyond or below one half."""
MIN_TODAY = 50
"""Observations of a day without evidence that end a verdict of earlier days."""
CHECK_STEP = 16
"""Observations after which it is asked whether a verdict still holds."""
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


AGAINST_PARTS = {Against.ELSEWHERE: 0.8, Against.PAST: 0.2}
"""Of the false alarms of a signal; speed has only its past."""
require_total(AGAINST_PARTS, Against, "routing.drift.AGAINST_PARTS")
WORSE_PART = 0.9
"""Of the false alarms of a comparison, the part of the direction that is worse, where one is."""


def alarm_part(signal: Signal, against: Against, is_higher: bool) -> float:
    """Of `FALSE_ALARMS`, for one test in one direction."""
    compared = 1.0 if signal is Signal.SPEED else AGAINST_PARTS[against]
    worse = WORSE_PART if is_higher else 1 - WORSE_PART
    direction = worse if signal in WORSE_WHEN_HIGHER else 0.5
    return compared * direction / (TEST_DAYS * len(Signal))


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target has drifted. `figure` and `reference` are shares, or medians of values. `evidence` is the logarithm to
    base 10 of what the look has of all false alarms by the chance of what it shows; at 4 a verdict is raised. Times are
    Unix time; it was `confirmed` when it was last found to hold.
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
    """What a test shows: its evidence, by a natural logarithm, and both figures. `may_raise`: it was a look."""

    against: Against
    evidence: float
    may_raise: bool
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

    def has_look(self, test_days: range) -> bool:
        """Whether one of the tests that began on these days, the latest first, has a look at so many observations."""
        total = 0
        for day in test_days:
            if day in self.days:
                total += self.days[day][0]
                if total in LOOKS:
                    return True
        return False

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
    """The one owner of these statistics. Bounded by the targets in force; a restart begins without any."""

    def __init__(self) -> None:
        self._targets: dict[str, TargetHistory] = {}
        self._totals: defaultdict[tuple[str, Signal], DailyCounts] = defaultdict(DailyCounts)
        """By model, of all its targets."""
        self._latest: defaultdict[tuple[str, Signal], LatestValues] = defaultdict(LatestValues)
        self._today = 0

    def observe(self, seen: AnswerSignals) -> None:
        """Adds what an answer shows of a target in force. A clock that is set back leaves the day as it was."""
        self._today = max(self._today, int(seen.wall // DAY))
        if (target := self._targets.get(seen.label)) is None:
            target = self._targets[seen.label] = TargetHistory(model_name(seen.model))
        for signal, hit in seen.shares.items():
            self._count_share(target, signal, hit)
            if self._is_due(target, signal, [target.shares[signal]]):
                self._judge(seen, target, signal, self._share_findings(target, signal))
        for signal, value in seen.values.items():
            self._compare_value(seen.label, target, signal, value)
            if self._is_due(target, signal, target.values[signal].pairs.values()):
                self._judge(seen, target, signal, self._value_findings(seen.label, target, signal))

    def verdicts(self, label: str, wall: float) -> list[Verdict]:
        """What is known to have drifted at this target. A verdict that was not confirmed for a week has ended."""
        target = self._targets.get(label)
        found = target.verdicts.values() if target else ()
        return [each for each in found if wall - each.confirmed < TEST_DAYS * DAY]

    def penalty(self, label: str, wall: float) -> float:
        """What is taken off the target's score, where drift is weighed."""
        return PENALTY if any(each.is_penalised for each in self.verdicts(label, wall)) else 0.0

    def keep_only(self, labels: Collection[str]) -> None:
        """Removes all other targets, and what they added to their models."""
        for label in self._targets.keys() - set(labels):
            gone = self._targets.pop(label)
            for signal, counts in gone.shares.items():
                self._totals[gone.model, signal].take_off(counts)
        models = {target.model for target in self._targets.values()}
        for known in (self._totals, self._latest):
            for name in [each for each in known if each[0] not in models]:
                del known[name]

    def _is_due(self, target: TargetHistory, signal: Signal, counted: Iterable[DailyCounts]) -> bool:
        """Whether one of the tests has a look now, or a verdict is to be checked."""
        is_known = bool(target.verdicts) and any((signal, against) in target.verdicts for against in Against)
        return any(
            (is_known and counts.on(self._today)[0] % CHECK_STEP == 0) or counts.has_look(self._test_days())
            for counts in counted
        )

    def _test_days(self) -> range:
        """On which the tests that are kept have begun, today first."""
        return range(self._today, self._today - TEST_DAYS, -1)

    def _count_share(self, target: TargetHistory, signal: Signal, hit: bool) -> None:
        self._totals[target.model, signal].add(hit, self._today)
        target.shares[signal].add(hit, self._today)

    def _compare_value(self, label: str, target: TargetHistory, signal: Signal, value: float) -> None:
        history = target.values[signal]
        history.latest.append(value)
        others = [(Against.PAST, history.next_earlier(value, self._today))]
        # What does not think, or does not report it, is compared with its own past alone.
        if signal is not Signal.SPEED and value > 0:
            latest = self._latest[target.model, signal]
            other, history.place = latest.next_of_others(label, history.place)
            others.append((Against.ELSEWHERE, other))
            latest.add(label, value)
        for against, other in others:
            if other is not None and other != value:
                history.pairs[against].add(value > other, self._today)

    def _share_findings(self, target: TargetHistory, signal: Signal) -> Iterator[Finding]:
        """Of all tests that are kept, the one that began today first. A target that is new is compared with all that
        others have had since the first of them began.
        """
        counts, totals = target.shares[signal], self._totals[target.model, signal]
        everything, own, others = counts.total(self._today), (0, 0), (0, 0)
        for day in self._test_days():
            own = _plus(own, counts.on(day))
            others = _plus(others, _less(totals.on(day), counts.on(day)))
            for against, reference in ((Against.ELSEWHERE, others), (Against.PAST, _less(everything, own))):
                is_other = day in counts.days or against is Against.ELSEWHERE
                if is_other and own[0] and reference[0]:
                    figure, other = own[1] / own[0], reference[1] / reference[0]
                    if abs(figure - other) >= MIN_DIFFERENCE:
                        chance, is_higher = two_shares(own, reference), figure > other
                        yield _finding(signal, against, chance, own[0], is_higher, figure, other)

    def _value_findings(self, label: str, target: TargetHistory, signal: Signal) -> Iterator[Finding]:
        """Values of today alone are compared with earlier ones: each day uses the same ones again."""
        history = target.values[signal]
        for against, counts in history.pairs.items():
            pairs = 0, 0
            for day in self._test_days()[: TEST_DAYS if against is Against.ELSEWHERE else 1]:
                pairs = _plus(pairs, counts.on(day))
                if day in counts.days and abs(pairs[1] / pairs[0] - 0.5) >= MIN_ADVANTAGE:
                    is_higher = pairs[1] * 2 > pairs[0]
                    reference = (
                        history.median_of_earlier()
                        if against is Against.PAST
                        else self._latest[target.model, signal].median_of_others(label)
                    )
                    figure = median(history.latest)
                    yield _finding(signal, against, fair_signs(pairs), pairs[0], is_higher, figure, reference)

    def _judge(self, seen: AnswerSignals, target: TargetHistory, signal: Signal, findings: Iterator[Finding]) -> None:
        """The strongest test of each comparison counts. A verdict stays until its evidence is clearly gone."""
        best: dict[Against, Finding] = {}
        for each in findings:
            is_of_use = each.may_raise or (signal, each.against) in target.verdicts
            if is_of_use and (each.against not in best or each.evidence > best[each.against].evidence):
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


def _finding(
    signal: Signal, against: Against, chance: float, count: int, is_higher: bool, figure: float, reference: float
) -> Finding:
    """`chance`: the logarithm of the p-value of so many observations."""
    part = alarm_part(signal, against, is_higher) * look_part(count)
    evidence = log(part) - chance if part else -inf
    return Finding(against, evidence, count in LOOKS, is_higher, figure, reference)


def _verdict(seen: AnswerSignals, signal: Signal, found: Finding, since: float) -> Verdict:
    evidence = found.evidence / log(10)
    return Verdict(
        seen.label, signal, found.against, found.is_higher, found.figure, found.reference, since, seen.wall, evidence
    )


def _plus(one: Sums, other: Sums) -> Sums:
    return one[0] + other[0], one[1] + other[1]


def _less(one: Sums, other: Sums) -> Sums:
    return one[0] - other[0], one[1] - other[1]
