"""What an unknown model name is taken as.

With `routing.unknown_model: map`, a name of a well-known family stands for a mode: which one, a word in the name says.
With `auto`, every unknown name stands for `auto`.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from pointsman.config import UnknownModel
from pointsman.config.enums import Mode

AUTO = "auto"
FAMILIES = ("claude-", "gpt-", "gemini-", "o1", "o3", "o4")
"""How the last part of a name begins, after any `provider/`, `models/` or `vendor.`."""
FAMILY = re.compile(r"(?:^|\.)(?:(?:claude|gpt|gemini)-\w|o[134](?:$|-\w))")


class WordRow(NamedTuple):
    """Names with one of these words are taken as the mode. No words: every name that is left."""

    words: tuple[str, ...]
    mode: Mode

    @property
    def taken_as(self) -> str:
        return f"{AUTO}-{self.mode.value}"


ROWS = (
    WordRow(("opus", "pro"), Mode.SMART),
    WordRow(("haiku", "mini", "flash", "nano", "lite"), Mode.FAST),
    WordRow((), Mode.BALANCED),
)
"""The first row that fits decides."""


def taken_as(name: str, policy: UnknownModel) -> str | None:
    """The name that an unknown one stands for; None where it stays unknown.

    >>> taken_as("anthropic/claude-opus-4-5-20251101", UnknownModel.MAP)
    'auto-smart'
    """
    match policy:
        case UnknownModel.ERROR:
            return None
        case UnknownModel.AUTO:
            return AUTO
        case UnknownModel.MAP:
            return _by_family(name)


def _by_family(name: str) -> str | None:
    last = name.rpartition("/")[2].lower()
    if not FAMILY.search(last):
        return None
    words = set(re.split(r"[^a-z0-9]+", last))
    return next(row.taken_as for row in ROWS if not row.words or words.intersection(row.words))


def table(policy: UnknownModel) -> list[Mapping[str, Any]]:
    """The rows that are in force, in plain JSON types; none unless the policy is `map`."""
    if policy is not UnknownModel.MAP:
        return []
    return [{"begins": list(FAMILIES), "words": list(row.words), "taken_as": row.taken_as} for row in ROWS]
