"""What each target is working on: its running attempts, and the tokens that these have still to read or to write."""

from dataclasses import dataclass

from pointsman.domain.targets import Target

ANSWER_TOKENS = 1024
"""What an answer is taken to have where its request names no limit."""


@dataclass(slots=True, eq=False)
class Work:
    """One running attempt."""

    label: str
    reading: int
    """Tokens of its request, until its answer begins; 0 from then on."""
    writing: int
    """Tokens that its answer may have."""


class Load:
    """Bounded by the attempts that run."""

    def __init__(self) -> None:
        self._totals: dict[str, list[int]] = {}
        """By target: tokens, requests."""

    def of(self, target: Target) -> tuple[int, int]:
        """Tokens to work on, and running requests."""
        tokens, requests = self._totals.get(target.label, (0, 0))
        return tokens, requests

    def begin(self, target: Target, prompt: int, answer: int | None) -> Work:
        work = Work(target.label, prompt, ANSWER_TOKENS if answer is None else answer)
        total = self._totals.setdefault(target.label, [0, 0])
        total[0] += work.reading + work.writing
        total[1] += 1
        return work

    def on_content(self, work: Work) -> None:
        """The answer begins: its request has been read."""
        if total := self._totals.get(work.label):
            total[0] -= work.reading
        work.reading = 0

    def end(self, work: Work) -> None:
        """Call it once for each `begin`."""
        total = self._totals[work.label]
        total[0] -= work.reading + work.writing
        total[1] -= 1
        if not total[1]:
            del self._totals[work.label]
