"""Counters and histograms with a bounded number of series, and Prometheus' text form of them."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

type Labels = tuple[str, ...]
"""The values of a family's labels, in its order."""
type Number = int | float

OTHER = "other"
"""What stands for a label's value where a family has no room for more series."""
MAX_FOUND = 8192


@dataclass(frozen=True, slots=True)
class Family:
    """The head of a metric: its name, its type, its labels, and what it says.

    >>> Family("pointsman_hedges_total", "counter", "Races.", ("result",))
    """

    name: str
    type: str
    help: str
    labels: Labels = ()

    def head(self) -> Iterator[str]:
        yield f"# HELP {self.name} {self.help}"
        yield f"# TYPE {self.name} {self.type}"

    def labelled(self, values: Labels, *more: tuple[str, str]) -> str:
        """`{provider="groq",model="llama"}`; empty without labels."""
        pairs = [f'{name}="{escaped(value)}"' for name, value in (*zip(self.labels, values, strict=True), *more)]
        return f"{{{','.join(pairs)}}}" if pairs else ""


@dataclass(frozen=True, slots=True)
class Room:
    """How many series a family may have whose labels, other than those that are kept, are `other`."""

    most: int
    kept: Labels


class Cells[Cell]:
    """The series of one family: an observation gets one of its own while there is room, then one that several share.

    `rooms` is ordered, the finest first. The last one is for all that find no other place, so the labels that it keeps
    need values from closed sets. Without rooms there is one series.
    """

    def __init__(self, labels: Labels, rooms: Sequence[Room], make: Callable[[], Cell]) -> None:
        self._rooms = [(tuple(name in room.kept for name in labels), room.most) for room in rooms] or [((), 1)]
        self._used = [0] * len(self._rooms)
        self._make = make
        self.series: dict[Labels, Cell] = {}
        self._found: dict[Labels, Cell] = {}
        """Which series label values belong to; at most MAX_FOUND, then found out again."""

    def find(self, values: Labels) -> Cell:
        cell = self._found.get(values)
        if cell is None:
            if len(self._found) >= MAX_FOUND:
                self._found.clear()
            cell = self._found[values] = self._place(values)
        return cell

    def _place(self, values: Labels) -> Cell:
        shared = values
        for place, (kept, most) in enumerate(self._rooms):
            shared = tuple(value if keep else OTHER for value, keep in zip(values, kept, strict=True))
            if shared in self.series:
                return self.series[shared]
            if self._used[place] < most:
                self._used[place] += 1
                break
        return self.series.setdefault(shared, self._make())


class Counter:
    """`shown` makes the text of a value."""

    def __init__(
        self, name: str, help: str, labels: Labels = (), *rooms: Room, shown: Callable[[int], str] = str
    ) -> None:
        self.family = Family(name, "counter", help, labels)
        self._cells: Cells[list[int]] = Cells(labels, rooms, lambda: [0])
        self._shown = shown

    def add(self, values: Labels, amount: int = 1) -> None:
        self._cells.find(values)[0] += amount

    def lines(self) -> Iterator[str]:
        yield from self.family.head()
        for values, (amount,) in self._cells.series.items():
            yield f"{self.family.name}{self.family.labelled(values)} {self._shown(amount)}"


class Histogram:
    """Of seconds. `bounds` are the upper ends of its buckets, ascending, without the infinite one."""

    def __init__(self, name: str, help: str, bounds: Sequence[float], labels: Labels = (), *rooms: Room) -> None:
        self.family = Family(name, "histogram", help, labels)
        self.bounds = tuple(bounds)
        self._cells: Cells[list[float]] = Cells(labels, rooms, lambda: [0] * (len(self.bounds) + 2))
        """The counts of each bucket, then the sum."""

    def observe(self, values: Labels, seconds: float) -> None:
        cell = self._cells.find(values)
        cell[bisect_left(self.bounds, seconds)] += 1
        cell[-1] += seconds

    def lines(self) -> Iterator[str]:
        yield from self.family.head()
        for values, (*counts, total) in self._cells.series.items():
            name, labelled, seen = self.family.name, self.family.labelled, 0
            for bound, count in zip((*self.bounds, "+Inf"), counts, strict=True):
                seen += int(count)
                yield f"{name}_bucket{labelled(values, ('le', str(bound)))} {seen}"
            yield f"{name}_sum{labelled(values)} {total:.6f}"
            yield f"{name}_count{labelled(values)} {seen}"


def gauge_lines(family: Family, samples: Iterable[tuple[Labels, Number]]) -> Iterator[str]:
    """A gauge with the values of this moment."""
    yield from family.head()
    for values, amount in samples:
        yield f"{family.name}{family.labelled(values)} {amount}"


def escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
