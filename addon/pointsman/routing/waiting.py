"""Requests that wait for a limit, or for the trial of what has cooled: a line for each model of a key. They are served
in the order in which they came.
"""

from bisect import insort
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import count

from pointsman.domain.targets import PairId
from pointsman.routing.cooldowns import key_of_pair

MAX_IN_LINE = 100
"""Requests that wait in one line; a further one is refused at once."""


@dataclass(slots=True, eq=False)
class Waiter:
    """One waiting request, and the lines that it stands in. `wake` is called when it may be its turn."""

    place: tuple[int, int]
    """To sort by: its priority, 1 first, and then its number."""
    pairs: frozenset[PairId]
    wake: Callable[[], None]
    limited: frozenset[PairId] = frozenset()
    """Those of `pairs` that a limit keeps it from; at the others it waits for a trial."""

    def __lt__(self, other: "Waiter") -> bool:
        return self.place < other.place


class WaitingLines:
    """Bounded by the models of keys that are waited for, and by `MAX_IN_LINE` for each."""

    def __init__(self) -> None:
        self._lines: dict[PairId, list[Waiter]] = {}
        self._numbers = count()

    def __len__(self) -> int:
        """How many requests wait."""
        return len({waiter for line in self._lines.values() for waiter in line})

    def join(self, pairs: Collection[PairId], priority: int, wake: Callable[[], None]) -> Waiter | None:
        """Behind all of its priority, in the line of each pair that is not full. None where all of them are."""
        open_lines = frozenset(pair for pair in pairs if len(self._lines.get(pair, ())) < MAX_IN_LINE)
        if not open_lines:
            return None
        waiter = Waiter((priority, next(self._numbers)), open_lines, wake)
        for pair in open_lines:
            insort(self._lines.setdefault(pair, []), waiter)
        return waiter

    def leave(self, waiter: Waiter) -> None:
        """It waits no longer; those behind it move up. Once or more often."""
        for pair in waiter.pairs:
            line = self._lines.get(pair, [])
            if waiter in line:
                was_first = line[0] is waiter
                line.remove(waiter)
                if not line:
                    del self._lines[pair]
                elif was_first:
                    line[0].wake()

    def first_of_others(self, pair: PairId, waiter: Waiter | None) -> Waiter | None:
        """The first in the line, if that is another request."""
        line = self._lines.get(pair)
        return line[0] if line and line[0] is not waiter else None

    def on_freed(self, pair: PairId) -> None:
        """There may be room for a request of this key: the first of each of its lines tries."""
        if self._lines:
            for waiter in list(self._firsts(pair)):
                waiter.wake()

    def wake_all(self) -> None:
        """Limits and cooldowns may have changed in any way."""
        for waiter in sorted({waiter for line in self._lines.values() for waiter in line}):
            waiter.wake()

    def _firsts(self, pair: PairId) -> Iterator[Waiter]:
        key = key_of_pair(pair)
        return (line[0] for other, line in self._lines.items() if key_of_pair(other) == key)
