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
from typing import NamedTuple

from support.broken_answers import PLAIN_TEXTS, REPEATING_TEXTS, Behaviour, Case, Method, every_cut, run

CUTS = 40_000
SHOWN = 5
LEAST_RECOVERED = 0.95
type Key = tuple[Method, Behaviour]


class Judged(NamedTuple):
    """`fault`: what is wrong with what the client got. `seconds`: how long the break took the router."""

    case: Case
    fault: str | None
    is_sound: bool
    is_recovered: bool
    seconds: float


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


def judged(case: Case) -> Judged:
    warnings.simplefilter("ignore")
    outcome = run(case)
    return Judged(case, outcome.fault(), outcome.is_sound, outcome.is_recovered, outcome.seconds)


def main() -> int:
    given = parse(sys.argv[1:])
    cases, started = drawn(given.cuts, given.seed), time.monotonic()
    tried, recovered, sound, faulty = Counter[Key](), Counter[Key](), Counter[bool](), list[Judged]()
    took = list[float]()
    with multiprocessing.Pool(given.jobs) as pool:
        for each in pool.imap_unordered(judged, cases, 50):
            key = each.case.method, each.case.behaviour
            tried[key] += 1
            recovered[key] += each.is_recovered
            took.append(each.seconds)
            if each.is_sound:
                sound[each.is_recovered] += 1
            if each.fault:
                faulty.append(each)
    print(f"{'method':8} {'behaviour':12} {'cuts':>6} {'recovered':>9}")
    for key in sorted(tried):
        print(f"{key[0]:8} {key[1]:12} {tried[key]:6} {recovered[key] / tried[key]:9.1%}")
    for each in faulty[:SHOWN]:
        print(f"{each.fault}: {each.case}")
    took.sort()
    share = sound[True] / max(1, sound.total())
    print(f"{len(cases)} cuts in {time.monotonic() - started:.0f} s, {len(faulty)} wrong.")
    print(
        f"Recovered {share:.1%} of {sound.total()}, where the second model did as it was asked, of a text that does not"
    )
    print("repeat itself, after 16 characters or more, and had something left to write.")
    print(f"Time that a break took the router: median {took[len(took) // 2] * 1000:.1f} ms,", end=" ")
    print(f"99th percentile {took[len(took) * 99 // 100] * 1000:.1f} ms.")
    return 1 if faulty or share < LEAST_RECOVERED else 0


if __name__ == "__main__":
    sys.exit(main())
