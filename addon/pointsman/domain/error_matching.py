"""Which row of `error_patterns` an error matches."""

import re
from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase
from functools import cache

from pointsman.domain.error_patterns import PATTERNS, Pattern
from pointsman.wire.error_text import mark_model, without_names
from pointsman.wire.errors import Fault


def error_text(fault: Fault) -> str:
    """What an error says, in lower case: `<model>` is the model that was asked for, names and
    quotations are left out. A line of plain text counts; a page says nothing.
    """
    said = (fault.message if fault.structured or _is_plain_text(fault) else "", fault.upstream)
    model = fault.model.lower()
    return "\n".join(without_names(mark_model(text.lower(), model)) for text in said if text)


def _is_plain_text(fault: Fault) -> bool:
    return (fault.body or b"<").lstrip()[:1] not in b"<{["


def matching_pattern(statuses: Collection[int], codes: Iterable[str], text: str) -> Pattern | None:
    """The first row that fits any of the statuses, and one of the codes or the text."""
    squeezed = tuple(filter(None, map(_squeeze, codes)))
    return next((each for each in PATTERNS if _matches(each, statuses, squeezed, text)), None)


def _matches(pattern: Pattern, statuses: Collection[int], codes: tuple[str, ...], text: str) -> bool:
    if pattern.statuses.isdisjoint(statuses):
        return False
    found = any(fnmatchcase(code, wanted) for wanted in map(_squeeze, pattern.codes) for code in codes)
    found = found or _contains(pattern.words, text)
    return found and (not pattern.beside or _contains(pattern.beside, text))


def _contains(words: tuple[str, ...], text: str) -> bool:
    return bool(words and text) and _alternatives(words).search(text) is not None


@cache  # bounded by the rows
def _alternatives(words: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{each})" for each in words))


def _squeeze(code: str) -> str:
    """One spelling for `InsufficientQuota`, `insufficient-quota` and `INSUFFICIENT_QUOTA`."""
    return re.sub(r"[^a-z0-9*]", "", code.lower())
