"""The samples of a soak: written to a CSV at once, evaluated at the end."""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TextIO

from robustness.deployment import ResourceUsage

MIB = 2**20
FIRST = ("seconds", "requests", "memory_mib", "cpu_seconds", "files")
CAPPED = ("flows", "records", "sessions")
"""Tables with a cap that the load fills."""
FULL = 0.95
"""Share of its last size from which a table counts as full: at its cap, the size fluctuates a little."""

type Sample = dict[str, float]


def sample(seconds: float, requests: int, cpu: float, usage: ResourceUsage) -> Sample:
    own = (round(seconds, 1), requests, round(usage.memory / MIB, 1), round(cpu, 2), usage.files)
    return {**dict(zip(FIRST, own, strict=True)), **usage.tables}


class SampleLog:
    """All samples, and the CSV file they are written to."""

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
def sample_log(path: Path) -> Iterator[SampleLog]:
    with path.open("w", newline="") as file:
        yield SampleLog(file)


def since_full(samples: Sequence[Sample]) -> Sequence[Sample]:
    """The samples since the capped tables were full: until then, memory is expected to grow."""

    def is_full(taken: Sample) -> bool:
        return all(taken[name] >= FULL * samples[-1][name] for name in CAPPED)

    return samples[next((n for n, taken in enumerate(samples) if is_full(taken)), 0) :]


def growth(samples: Sequence[Sample], name: str) -> tuple[float, float]:
    """The medians of the third and the last quarter."""
    quarter = max(1, len(samples) // 4)
    third, last = samples[-2 * quarter : -quarter] or samples[-quarter:], samples[-quarter:]
    return median(each[name] for each in third), median(each[name] for each in last)
