"""What a soak samples: written to a CSV as it comes, judged, and drawn at the end."""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TextIO

from robustness.deployment import Level

MIB = 2**20
FIRST = ("seconds", "requests", "memory_mib", "cpu_seconds", "files")
CAPPED = ("flows", "records", "sessions")
"""Tables that have a cap, and that a load fills."""
FULL = 0.95
"""Share of what a table ends with from which it counts as full: at their caps, tables go a little up and down."""

type Sample = dict[str, float]


def sample(seconds: float, requests: int, cpu: float, level: Level) -> Sample:
    own = (round(seconds, 1), requests, round(level.memory / MIB, 1), round(cpu, 2), level.files)
    return {**dict(zip(FIRST, own, strict=True)), **level.tables}


class Book:
    """All samples, and the file they are in."""

    def __init__(self, file: TextIO) -> None:
        self.samples: list[Sample] = []
        self._file = file

    def write(self, taken: Sample) -> None:
        writer = csv.DictWriter(self._file, list(taken), lineterminator="\n")
        if not self.samples:
            writer.writeheader()
        writer.writerow(taken)
        self._file.flush()
        self.samples.append(taken)


@contextmanager
def book(path: Path) -> Iterator[Book]:
    with path.open("w", newline="") as file:
        yield Book(file)


def settled(samples: Sequence[Sample]) -> Sequence[Sample]:
    """From when the tables with a cap held what they end with: until then memory grows, and has every right to."""

    def is_full(taken: Sample) -> bool:
        return all(taken[name] >= FULL * samples[-1][name] for name in CAPPED)

    return samples[next((n for n, taken in enumerate(samples) if is_full(taken)), 0) :]


def growth(samples: Sequence[Sample], name: str) -> tuple[float, float]:
    """The median in the third quarter and in the last one."""
    quarter = max(1, len(samples) // 4)
    third, last = samples[-2 * quarter : -quarter] or samples[-quarter:], samples[-quarter:]
    return median(each[name] for each in third), median(each[name] for each in last)
