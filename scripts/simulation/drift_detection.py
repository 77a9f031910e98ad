"""How soon drift is found, how often any test could find it, and how often it is found where there is none: two or
more targets of one model, in virtual time.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import exp, lgamma, log
from random import Random
from statistics import median

from pointsman.routing.answer_signals import AnswerSignals, Signal
from pointsman.routing.drift import DAY, FALSE_ALARMS, TEST_DAYS, Against, Drift, Verdict, alarm_part

REQUESTS = 400
"""Requests to the target in question."""
START = 20_000 * DAY
TARGET, OTHERS = "twin/m", "elsewhere/m"
SHARES = (Signal.REFUSALS, Signal.MALFORMED_ANSWERS, Signal.MALFORMED_CALLS)


@dataclass(frozen=True, slots=True)
class Case:
    """`elsewhere`: requests to other targets for each one to the target. `before`: requests to the target on each of
    the seven days before, as it was then; `pool`: those to other targets.
    """

    title: str
    signal: Signal
    usual: float
    drifted: float
    elsewhere: int = 0
    before: int = 0
    pool: int = 0

    @property
    def against(self) -> Against:
        return Against.ELSEWHERE if self.elsewhere else Against.PAST

    @property
    def reference(self) -> int:
        """Observations that the `REQUESTS` of the target are compared with, on average. A test of others begins on one
        of the last `TEST_DAYS`, with today.
        """
        return self.elsewhere * REQUESTS + (TEST_DAYS - 1) * self.pool + TEST_DAYS * self.before


CASES = (
    *(
        Case(f"malformed calls {usual:.0%} → {usual + 0.1:.0%}", Signal.MALFORMED_CALLS, usual, usual + 0.1, times)
        for usual in (0.0, 0.01, 0.02, 0.05)
        for times in (1, 3)
    ),
    Case("malformed calls 5% → 15%", Signal.MALFORMED_CALLS, 0.05, 0.15, 1, pool=300),
    Case("malformed calls 1% → 11%", Signal.MALFORMED_CALLS, 0.01, 0.11, before=100),
    Case("malformed calls 5% → 15%", Signal.MALFORMED_CALLS, 0.05, 0.15, before=100),
    Case("output length 500 → 350 tokens", Signal.OUTPUT_LENGTH, 500, 350, 1),
    Case("reasoning 40% → 25%", Signal.REASONING, 0.40, 0.25, 1),
    Case("speed 60 → 40 tokens/s", Signal.SPEED, 60, 40, before=100),
)


def detected_after(case: Case, seed: int) -> int | None:
    """Requests to the target after which it is known that it has drifted; None: not within `REQUESTS`."""
    drift, rng = Drift(), Random(f"{case.title} {case.elsewhere} {seed}")
    for day in range(-7, 0):
        for label, count in ((TARGET, case.before), (OTHERS, case.pool)):
            for n in range(count):
                drift.observe(_answer(case.signal, case.usual, label, START + day * DAY + n, rng))
    own = 0
    for n, label in enumerate(_labels(case.elsewhere, rng)):
        own += label == TARGET
        level = case.drifted if label == TARGET else case.usual
        drift.observe(_answer(case.signal, level, label, START + n, rng))
        if label == TARGET and any(each.against is case.against for each in drift.verdicts(TARGET, START + n)):
            return own
    return None


def most_possible(case: Case, alarms: float) -> float | None:
    """The chance to find a share that has drifted, which no test exceeds that looks at `REQUESTS` observations and at
    those of the reference, as often as it likes, with so many false alarms at most; None for values.

    A test of "both shares are equal" is one of "both are p" for each p. The most powerful one of those is that of the
    ratio of likelihoods (Neyman and Pearson 1933, "On the problem of the most efficient tests of statistical
    hypotheses"). The bound is the lowest of them over some p.
    """
    if case.signal not in SHARES:
        return None
    pooled = (REQUESTS * case.drifted + case.reference * case.usual) / (REQUESTS + case.reference)
    return min(_power(case, pooled * times, alarms) for times in (0.9, 0.95, 1.0, 1.05))


def _power(case: Case, equal: float, alarms: float) -> float:
    own, reference = _binomial(REQUESTS, case.drifted), _binomial(case.reference, case.usual)
    own_null, reference_null = _binomial(REQUESTS, equal), _binomial(case.reference, equal)
    outcomes = []
    for h, chance in own.items():
        for k, other in reference.items():
            null = own_null.get(h, 0.0) * reference_null.get(k, 0.0)
            outcomes.append((null / (chance * other), null, chance * other))
    spent = found = 0.0
    for _, null, chance in sorted(outcomes):
        if spent + null > alarms:
            return found + chance * (alarms - spent) / null
        spent, found = spent + null, found + chance
    return found


def _binomial(count: int, share: float) -> Mapping[int, float]:
    """By hits; what is less likely than 1e-12 is left out."""
    if share == 0:
        return {0: 1.0}
    chances = (
        (hits, lgamma(count + 1) - lgamma(hits + 1) - lgamma(count - hits + 1) + hits * log(share)
         + (count - hits) * log(1 - share))
        for hits in range(count + 1)
    )  # fmt: skip
    return {hits: exp(chance) for hits, chance in chances if chance > log(1e-12)}


def false_alarms(seed: int, level: float, avoids: bool = False) -> list[Verdict]:
    """The verdicts of one run in which nothing differs: `REQUESTS` at each of two targets, spread over `TEST_DAYS`,
    with all signals; `level` is that of the shares. `avoids`: for the next ten requests after an answer with a hit,
    three of four go to the other target, as a score would have it.
    """
    drift, rng = Drift(), Random(f"null {level} {avoids} {seed}")
    found = []
    avoided, left = "", 0
    for n in range(2 * REQUESTS):
        label = rng.choice((TARGET, OTHERS))
        if avoids and left and label == avoided and rng.random() < 0.5:
            label = OTHERS if label == TARGET else TARGET
        wall = START + n * TEST_DAYS * DAY / (2 * REQUESTS)
        shares = {signal: rng.random() < level for signal in SHARES}
        values = {signal: rng.lognormvariate(0, 1) for signal in Signal if signal not in SHARES}
        avoided, left = (label, 10) if any(shares.values()) else (avoided, max(0, left - 1))
        drift.observe(AnswerSignals(label, "m", wall, shares, values))
        found += drift.verdicts(label, wall)
    return found


def report(runs: int, null_runs: int) -> Iterator[str]:
    yield (
        "| what drifts | elsewhere, for each one here | in the week before | compared with | found within 400 | median"
        " | no test finds more | if all false alarms were its |"
    )
    yield "| --- | ---: | --- | --- | ---: | ---: | ---: | ---: |"
    for case in CASES:
        after = [detected_after(case, seed) for seed in range(runs)]
        found = [each for each in after if each is not None]
        middle = f"{median(found):.0f}" if found else "–"
        compared = "elsewhere" if case.elsewhere else "its own past"
        before = f"{7 * case.before} here" if case.before else f"{7 * case.pool:,} elsewhere" if case.pool else "–"
        own = FALSE_ALARMS * alarm_part(case.signal, case.against, case.drifted > case.usual)
        most = (most_possible(case, alarms) for alarms in (own, FALSE_ALARMS))
        bounds = ("–" if each is None else f"{each:.1%}" for each in most)
        cells = (case.title, f"{case.elsewhere}", before, compared, f"{len(found) / runs:.1%}", middle, *bounds)
        yield f"| {' | '.join(cells)} |"
    yield ""
    yield f"Where nothing differs, {null_runs:,} runs of a week: targets with a false verdict, of {2 * null_runs:,}"
    for level, avoids in ((0.02, False), (0.2, False), (0.02, True)):
        way = ", requests avoid what has just failed" if avoids else ""
        yield f"shares {level:.0%}{way}: {_alarmed(null_runs, level, avoids)}"


def _alarmed(runs: int, level: float, avoids: bool) -> str:
    found = Counter[str]()
    for seed in range(runs):
        verdicts = false_alarms(seed, level, avoids)
        found["targets"] += len({each.label for each in verdicts})
        found.update(signal for _, signal in {(each.label, each.signal.value) for each in verdicts})
    return ", ".join(f"{name} {count}" for name, count in found.items())


def _labels(elsewhere: int, rng: Random) -> Iterator[str]:
    """The target of each request, until the target in question has had `REQUESTS`."""
    own = 0
    while own < REQUESTS:
        label = TARGET if rng.random() * (elsewhere + 1) < 1 else OTHERS
        own += label == TARGET
        yield label


def _answer(signal: Signal, level: float, label: str, wall: float, rng: Random) -> AnswerSignals:
    """Values vary as lengths of answers do, by a factor of about two; those of speed by a quarter."""
    if signal in SHARES:
        return AnswerSignals(label, "m", wall, {signal: rng.random() < level})
    spread = 0.25 if signal is Signal.SPEED else 0.7
    return AnswerSignals(label, "m", wall, {}, {signal: level * rng.lognormvariate(0, spread)})
