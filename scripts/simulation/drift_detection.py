"""How soon drift is found, and how often where there is none: two or more targets of one model, in virtual time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from statistics import median

from pointsman.routing.answer_signals import AnswerSignals, Signal
from pointsman.routing.drift import DAY, Against, Drift, Verdict

REQUESTS = 400
"""Requests to the target in question."""
START = 20_000 * DAY
TARGET, OTHERS = "twin/m", "elsewhere/m"
SHARES = (Signal.REFUSALS, Signal.MALFORMED_ANSWERS, Signal.MALFORMED_CALLS)


@dataclass(frozen=True, slots=True)
class Case:
    """`elsewhere`: requests to other targets for each one to the target. `before`: requests to the target on each of
    the seven days before, as it was then.
    """

    title: str
    signal: Signal
    usual: float
    drifted: float
    elsewhere: int = 0
    before: int = 0


CASES = (
    *(
        Case(f"malformed calls {usual:.0%} → {usual + 0.1:.0%}", Signal.MALFORMED_CALLS, usual, usual + 0.1, times)
        for usual in (0.0, 0.01, 0.02, 0.05)
        for times in (1, 3)
    ),
    Case("malformed calls 1% → 11%", Signal.MALFORMED_CALLS, 0.01, 0.11, before=100),
    Case("output length 500 → 350 tokens", Signal.OUTPUT_LENGTH, 500, 350, 1),
    Case("reasoning 40% → 25%", Signal.REASONING, 0.40, 0.25, 1),
    Case("speed 60 → 40 tokens/s", Signal.SPEED, 60, 40, before=100),
)


def detected_after(case: Case, seed: int) -> int | None:
    """Requests to the target after which it is known that it has drifted; None: not within `REQUESTS`."""
    drift, rng = Drift(), Random(f"{case.title} {case.elsewhere} {seed}")
    for day in range(-7, 0):
        for n in range(case.before):
            drift.observe(_answer(case.signal, case.usual, TARGET, START + day * DAY + n, rng))
    against = Against.ELSEWHERE if case.elsewhere else Against.PAST
    own = 0
    for n, label in enumerate(_labels(case.elsewhere, rng)):
        own += label == TARGET
        level = case.drifted if label == TARGET else case.usual
        drift.observe(_answer(case.signal, level, label, START + n, rng))
        if label == TARGET and any(each.against is against for each in drift.verdicts(TARGET, START + n)):
            return own
    return None


def false_alarms(seed: int, level: float, days: int = 8) -> list[Verdict]:
    """The verdicts of one run in which nothing differs: `REQUESTS` at each of two targets, spread over so many days,
    with all signals; `level` is that of the shares.
    """
    drift, rng = Drift(), Random(f"null {level} {seed}")
    found = []
    for n, label in enumerate(_labels(1, rng)):
        wall = START + n * days * DAY / (2 * REQUESTS)
        shares = {signal: rng.random() < level for signal in SHARES}
        values = {signal: rng.lognormvariate(0, 1) for signal in Signal if signal not in SHARES}
        drift.observe(AnswerSignals(label, "m", wall, shares, values))
        found += drift.verdicts(label, wall)
    return found


def report(runs: int, null_runs: int) -> Iterator[str]:
    yield "| what drifts | requests elsewhere, for each one here | compared with | found within 400 | median |"
    yield "| --- | ---: | --- | ---: | ---: |"
    for case in CASES:
        after = [detected_after(case, seed) for seed in range(runs)]
        found = [each for each in after if each is not None]
        middle = f"{median(found):.0f}" if found else "–"
        compared = "elsewhere" if case.elsewhere else "its own past"
        yield f"| {case.title} | {case.elsewhere} | {compared} | {len(found) / runs:.1%} | {middle} |"
    yield ""
    for level in (0.02, 0.2):
        alarmed = _alarmed(null_runs, level)
        counts = ", ".join(f"{signal.value} {sum(signal in each for each in alarmed)}" for signal in Signal)
        yield f"nothing drifts, shares {level:.0%}: runs of {null_runs:,} with a false alarm: {counts}"


def _alarmed(runs: int, level: float) -> Sequence[frozenset[Signal]]:
    return [frozenset(each.signal for each in false_alarms(seed, level)) for seed in range(runs)]


def _labels(elsewhere: int, rng: Random) -> Iterator[str]:
    """Whom each request goes to, until the target has had `REQUESTS`."""
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
