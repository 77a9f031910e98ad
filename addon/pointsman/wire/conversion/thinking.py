"""How much a model is to think: a word in some dialects, a number of tokens in others, both for some models."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pointsman.model_facts import Effort, ModelFacts
from pointsman.wire.json_access import Document, Members, count, mapping, text

EFFORTS: tuple[Effort, ...] = ("minimal", "low", "medium", "high", "xhigh", "max")
"""From little to much."""
BUDGETS = {"minimal": 1024, "low": 4096, "medium": 10_000, "high": 31_999, "xhigh": 48_000, "max": 63_999}
"""Tokens that stand for a word."""
DEFAULT: Effort = "medium"
COMMON: tuple[Effort, ...] = ("low", "medium", "high")
"""What a model takes whose words are not known."""


def spell_words(document: Document, places: Iterable[tuple[str, ...]]) -> None:
    """In small letters; Google's libraries send capitals. An unknown word is removed."""
    for *outer, last in places:
        held: object = document
        for name in outer:
            held = held.get(name) if isinstance(held, dict) else None
        if isinstance(held, dict) and last in held:
            word = text(held.pop(last)).lower()
            if word in EFFORTS or word == "none":
                held[last] = word


class Thinking(NamedTuple):
    """What a request asks for. `effort` and `budget` are None where it does not say."""

    is_on: bool
    effort: str | None = None
    budget: int | None = None

    @classmethod
    def asked_in(cls, neutral: Members) -> "Thinking | None":
        """Of the library's neutral request; None: it says nothing of it."""
        asked = mapping(neutral.get("reasoning"))
        effort, budget = asked.get("effort"), count(asked.get("budget_tokens")) or None
        if asked.get("mode") == "disabled" or effort == "none":
            return cls(is_on=False)
        if not (effort or budget or asked.get("mode")):
            return None
        return cls(True, effort if effort in EFFORTS else None, budget)

    def word(self, known: Sequence[str]) -> str | None:
        """The nearest of the words that the model knows; None if it knows none for this."""
        if not self.is_on:
            return "none" if "none" in known else next(iter(known), None)
        known = [each for each in known if each in EFFORTS]
        rank = EFFORTS.index(self._effort())
        return min(known, key=lambda each: abs(EFFORTS.index(each) - rank), default=None)

    def tokens(self, facts: ModelFacts) -> int:
        """The number of tokens that the model may be given."""
        wanted = self.budget or BUDGETS[self._effort()]
        return min(max(wanted, facts.budget.least), facts.budget.most) if facts.budget else wanted

    def _effort(self) -> Effort:
        if self.effort:
            return next(each for each in EFFORTS if each == self.effort)
        if self.budget is None:
            return DEFAULT
        return next((word for word in reversed(EFFORTS) if BUDGETS[word] <= self.budget), "minimal")
