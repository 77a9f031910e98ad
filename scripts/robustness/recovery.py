"""Streams that break and go on, in virtual time: every text, cut at every event, in all pairs of dialects, with every
behaviour of the second model. The client's text is right, or there is one error frame.
"""

import argparse
import multiprocessing
import random
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from functools import partial

from support.broken_answers import PLAIN_TEXTS, REPEATING_TEXTS, SOUND, Behaviour, Case, Method, every_cut, run

CUTS = 40_000
SHOWN = 5
LEAST_RECOVERED = 0.95
type Key = tuple[Method, Behaviour]


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/recovery", description=__doc__)
    parser.add_argument("--cuts", type=int, default=CUTS, help=f"how many, drawn from all of them (default: {CUTS})")
    parser.add_argument("--seed", type=int, default=1, help="decides everything (default: 1)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: 1)")
    return parser.parse_args(arguments)


def drawn(cuts: int, seed: int) -> list[Case]:
    """So many cases, the same for each seed."""
    cases = list(every_cut(PLAIN_TEXTS + REPEATING_TEXTS, tuple(Behaviour), tuple(Method), seed))
    return random.Random(seed).sample(cases, min(cuts, len(cases)))


def judged(case: Case) -> tuple[Case, str | None, bool, float]:
    """The case, what is wrong, whether the answer went on to its end, and how long the break took the router."""
    warnings.simplefilter("ignore")
    outcome = run(case)
    return case, outcome.fault(), outcome.is_recovered, outcome.seconds


def main() -> int:
    given = parse(sys.argv[1:])
    cases, started = drawn(given.cuts, given.seed), time.monotonic()
    tried, recovered, faults, took = Counter[Key](), Counter[Key](), 0, list[float]()
    with multiprocessing.Pool(given.jobs) as pool:
        results: Iterator[tuple[Case, str | None, bool, float]] = pool.imap_unordered(partial(judged), cases, 50)
        for case, fault, is_recovered, seconds in results:
            took.append(seconds)
            if case.text in PLAIN_TEXTS:
                tried[case.method, case.behaviour] += 1
                recovered[case.method, case.behaviour] += is_recovered
            if fault:
                faults += 1
                if faults <= SHOWN:
                    print(f"{fault}: {case}")
    print(f"{'method':8} {'behaviour':12} {'cuts':>6} {'recovered':>9}")
    for key in sorted(tried):
        print(f"{key[0]:8} {key[1]:12} {tried[key]:6} {recovered[key] / tried[key]:9.1%}")
    sound = [(method, behaviour) for method in Method for behaviour in SOUND[method]]
    share = sum(recovered[key] for key in sound) / max(1, sum(tried[key] for key in sound))
    took.sort()
    print(f"{len(cases)} cuts in {time.monotonic() - started:.0f} s, {faults} wrong; {share:.1%} recovered of texts")
    print("without repetitions, where the second model does as it is asked. From the break to the second request:")
    print(f"median {took[len(took) // 2] * 1000:.1f} ms, 99th percentile {took[len(took) * 99 // 100] * 1000:.1f} ms.")
    return 1 if faults or share < LEAST_RECOVERED else 0


if __name__ == "__main__":
    sys.exit(main())
