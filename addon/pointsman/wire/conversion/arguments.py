"""The arguments of a call as models really write them: cut, doubled, encoded twice, or none."""

import re
from typing import Any

from pointsman.wire import jsontext

UNREADABLE = "INVALID_JSON"
"""The member that holds what the model wrote, where a dialect takes only objects and that is none."""
WRAPPED = "input"
"""The member that stands for a text of any form, where a dialect takes only objects."""
MAX_ENCODINGS = 3
"""So many times may arguments be encoded as a JSON string within a JSON string."""

_FLOWS = re.compile(r"\s*\{\s*[^\s}]")
_MARK = re.compile(r'\\.|["\[\]{}]', re.DOTALL)


class Extent:
    """Finds where the first object of a text ends. Strings are passed over, brackets counted, nothing else is read."""

    def __init__(self) -> None:
        self.is_closed = False
        self._depth = 0
        self._in_string = False
        self._is_escape_cut = False  # what was fed last ended within an escape

    def feed(self, text: str) -> int:
        """How many characters of `text` belong to the object."""
        begin = int(self._is_escape_cut and bool(text))
        end = begin
        for match in _MARK.finditer(text, begin):
            end = match.end()
            if self._closes(match[0]):
                self.is_closed = True
                return end
        if text:
            self._is_escape_cut = text.endswith("\\") and end < len(text)
        return len(text)

    def _closes(self, mark: str) -> bool:
        if mark == '"':
            self._in_string = not self._in_string
        elif not self._in_string and mark in "[{":
            self._depth += 1
        elif not self._in_string and mark in "]}":
            self._depth -= 1
            return self._depth <= 0
        return False


class Arguments:
    """Those of one call. `text` is what they are, as far as that is known; all of it after `finish`.

    An object is passed on while it comes. Until there is something in it, and if it is none, it is kept.
    """

    def __init__(self) -> None:
        self.text = ""
        self.has_ended = False
        """No more of them will come."""
        self._kept = ""
        self._flows = False
        self._extent = Extent()

    @property
    def is_whole(self) -> bool:
        return self.has_ended or (self._flows and self._extent.is_closed)

    @property
    def is_open(self) -> bool:
        """The model began them, and did not come to their end."""
        if self._flows:
            return not self._extent.is_closed
        return self.text.lstrip()[:1] in ("{", '"') and parsed(self.text) is ...

    def add(self, more: str) -> str:
        """What may be passed on at once."""
        self._kept += more
        if not self._flows:
            self._flows = _FLOWS.match(self._kept) is not None
        if not self._flows or self._extent.is_closed:
            return ""
        end = self._extent.feed(self._kept)
        passed, self._kept = self._kept[:end], self._kept[end:]
        self.text += passed
        return passed

    def finish(self, only_object: bool) -> str:
        """The rest. `only_object`: drop what stands behind a complete object."""
        kept, self._kept = self._kept, ""
        if not self._flows:
            self.text = rest = normalized(kept)
            return rest
        if only_object or kept.strip() in ("", self.text.strip()):
            return ""
        self.text += kept
        return kept


def normalized(text: str) -> str:
    """Arguments as the model meant them, where that is plain: none are an empty object, an object in a string is that
    object, and an empty one before another is nothing. Anything else stays as it is.

    normalized("null") == "{}"
    normalized('"{\\"a\\": 1}"') == '{"a": 1}'
    """
    inner = text.strip()
    for _ in range(MAX_ENCODINGS):
        value = parsed(inner) if inner else None
        if value is None:
            return "{}"
        if isinstance(value, dict):
            return inner
        if not isinstance(value, str):
            break
        inner = value.strip()
    extent = Extent()
    first = inner[: extent.feed(inner)]
    rest = inner[len(first) :].strip()
    if rest and (rest == first or parsed(first) == {}):
        return normalized(rest)
    return text


def parsed(text: str) -> Any:
    """The value of a JSON text; `...` for a text that is none."""
    return jsontext.parsed(text.encode("utf-8", "surrogatepass"), ...)


def as_object(given: object) -> dict[str, Any]:
    """Arguments that should have been an object, as one."""
    if given is None:
        return {}
    value = parsed(normalized(given)) if isinstance(given, str) else given
    return value if isinstance(value, dict) else {UNREADABLE: given}
