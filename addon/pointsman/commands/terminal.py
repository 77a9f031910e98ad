"""Text that others chose, made safe for a terminal: names and messages may hold what moves its cursor or turns the
reading direction of the words around them.
"""

import re
from typing import Any

_UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters except line ends, all that control the reading direction, other line ends, and halves of pairs."""


def printable(value: Any) -> Any:
    """A JSON document in whose strings such characters are escapes.

    >>> printable({"model": "gpt\\u202e4"})
    {'model': 'gpt\\\\u202e4'}
    """
    match value:
        case str():
            return _UNSAFE.sub(_escape, value)
        case list():
            return [printable(each) for each in value]
        case dict():
            return {name: printable(each) for name, each in value.items()}
        case _:
            return value


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
