"""JSON as text: parsing what clients and providers really send, and changing one member and not one other byte.

A request goes on as the bytes its client wrote, since a parsed and re-serialised body is a different body: large
integers, lone surrogates, duplicate inner keys and the order of members would suffer. So a member is located in the
text, and only its value replaced.
"""

import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import orjson

type Span = tuple[int, int]
"""Offsets in a body: the first byte, and the one behind the last."""

_FOREIGN_STARTS = (
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
    (b"\xef\xbb\xbf", "a byte order mark"),
    (b"{\x00", "UTF-16"),
    (b"\x00", "UTF-16 or UTF-32"),
)
_LONGEST_INTEGER = 4300  # digits: what int() takes

_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_OTHER = rb'[^"\[\]{}]*+'
_FLAT = rb"[\[{]%b(?:%b%b)*+[\]}]" % (_OTHER, _STRING, _OTHER)  # a container that holds no other
_TO_BRACKET = re.compile(rb"%b(?:(?:%b|%b)%b)*+([\[\]{}])" % (_OTHER, _STRING, _FLAT, _OTHER), re.DOTALL)
_SCALAR = re.compile(_STRING + rb"|[^\s,\]}]++", re.DOTALL)
_GAP = re.compile(rb"[\s,]*+")
_EMPTY_OBJECT = re.compile(rb"\{\s*\}")
_KEY = re.compile(rb"(%b)\s*+:\s*+" % _STRING, re.DOTALL)


class DuplicateMember(ValueError):
    """A member stands twice, so that it is not clear which one counts."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is given twice")
        self.name = name


def loads(body: bytes) -> Any:
    """The value of a JSON text in UTF-8. Raises ValueError with a short message for people.

    Integers beyond 64 bits lose precision, or are infinite: nothing that reads the value cares.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return _loads_lenient(body)


def parsed(body: bytes, otherwise: Any = None) -> Any:
    """The same; `otherwise` for a text that is no JSON."""
    try:
        return loads(body)
    except ValueError:
        return otherwise


def loads_exactly(body: bytes) -> Any:
    """Like `loads`, but integers of any length survive, for values that are written out again."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return loads(body)


def is_document(body: bytes) -> bool:
    """The body is a JSON object or list."""
    return isinstance(parsed(body), dict | list)


def dumps(value: object) -> bytes:
    """The JSON text of a value. Lone surrogates are escaped, as orjson would refuse to."""
    return json.dumps(value).encode()


def _loads_lenient(body: bytes) -> Any:
    """What orjson refuses though others write it: lone surrogates, NaN and infinities; else the reason for the
    refusal.
    """
    for start, encoding in _FOREIGN_STARTS:
        if body.startswith(start):
            raise ValueError(f"not plain UTF-8: starts like {encoding}")
    try:
        return json.loads(body.decode(), parse_int=_parse_integer)
    except UnicodeDecodeError as error:
        raise ValueError(f"not valid UTF-8 at byte {error.start + 1}") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} (line {error.lineno}, column {error.colno})") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _parse_integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else float(digits)


def member_span(body: bytes, name: str, document: Mapping[str, Any]) -> Span | None:
    """Where the value of the top-level member `name` stands, None if there is none.

    `name` has only ASCII letters, digits and underscores; `document` is what `body` parses to. Raises DuplicateMember.
    """
    if name not in document:
        return None
    _, value = _key_span(body, name, document)
    return value, _value_end(body, value)


def without_member(body: bytes, name: str, document: Mapping[str, Any]) -> bytes:
    """The object `body` without its top-level member `name`, if it has one. Parameters as for `member_span`. Raises
    DuplicateMember.
    """
    if name not in document:
        return body
    key, value = _key_span(body, name, document)
    before, after = body[:key], body[_value_end(body, value) :]
    if after.lstrip().startswith(b","):
        return before + after.lstrip()[1:].lstrip()
    return before.rstrip().removesuffix(b",") + after


def _key_span(body: bytes, name: str, document: Mapping[str, Any]) -> Span:
    """Where the key of a top-level member begins, and its value."""
    keys = _only_key(body, name) or [match.span() for match in _key_pattern(name).finditer(body)]
    if len(keys) > 1:
        keys = _top_level(body, keys, document)
    if len(keys) > 1:
        raise DuplicateMember(name)
    return keys[0]


def _only_key(body: bytes, name: str) -> list[Span]:
    """The one key of this name at any depth, if no escape spells another one; else nothing. Takes less than half as
    long as to look for all keys: `rfind` is faster than anything that searches forwards.
    """
    plain, escapes = _key_spellings(name)
    start = body.find(plain)
    if start < 0 or body.rfind(plain) != start or any(body.rfind(escape) >= 0 for escape in escapes):
        return []
    match = _key_pattern(name).match(body, start)
    return [match.span()] if match else []


@lru_cache(maxsize=32)
def _key_spellings(name: str) -> tuple[bytes, tuple[bytes, ...]]:
    """The plain key, and how an escape begins that may stand for a letter of it."""
    return f'"{name}"'.encode(), tuple({rf"\u00{ord(letter) >> 4:x}".encode() for letter in name})


@lru_cache(maxsize=32)
def _key_pattern(name: str) -> re.Pattern[bytes]:
    """Whatever may spell the key: escaped or not, at any depth; also the end of a longer key that ends in quotes."""
    spelled = "".join(rf"(?:{letter}|\\u00(?i:{ord(letter):02x}))" for letter in name)
    return re.compile(rf'"{spelled}"\s*+:\s*+'.encode())


def members(body: bytes) -> list[tuple[str, Span]]:
    """The name and the place of the value of each top-level member, in order. `body` is an object that can be
    parsed.
    """
    found: list[tuple[str, Span]] = []
    at = _gap_end(body, body.index(b"{") + 1)
    while body[at] != ord("}"):
        key = _KEY.match(body, at)
        assert key, "a member has a key"
        end = _value_end(body, key.end())
        found.append((json.loads(key[1]), (key.end(), end)))
        at = _gap_end(body, end)
    return found


def object_of(pairs: Iterable[tuple[str, bytes]]) -> bytes:
    """An object with these members, their values given as JSON text."""
    return b"{%b}" % b",".join(json.dumps(name).encode() + b":" + value for name, value in pairs)


def list_of(elements: Iterable[bytes]) -> bytes:
    """A list of elements that are given as JSON text, each of them one or several joined by commas; empty ones are left
    out.
    """
    return b"[%b]" % b",".join(filter(None, elements))


def _top_level(body: bytes, keys: list[Span], document: Mapping[str, Any]) -> list[Span]:
    """Those of `keys` that the root owns: each gets a name of its own, and the parser says which names arrive there."""
    unused = max(document, key=len) + "-"
    pieces: list[bytes] = []
    at = 0
    for number, (start, end) in enumerate(keys):
        pieces += body[at:start], json.dumps(f"{unused}{number}").encode(), b":"
        at = end
    renamed = loads(b"".join((*pieces, body[at:])))
    return [key for number, key in enumerate(keys) if f"{unused}{number}" in renamed]


def _value_end(body: bytes, start: int) -> int:
    if body[start] in b"[{":
        return _container_end(body, start)
    scalar = _SCALAR.match(body, start)
    assert scalar, "a key has a value"
    return scalar.end()


def _container_end(body: bytes, start: int) -> int:
    depth = 1
    at = start + 1
    while depth:
        bracket = _TO_BRACKET.match(body, at)
        assert bracket, "what is opened is closed"
        depth += 1 if bracket[1] in b"[{" else -1
        at = bracket.end()
    return at


def element_spans(body: bytes, span: Span) -> list[Span]:
    """Where the elements of the list that stands at `span` are."""
    spans: list[Span] = []
    at = _gap_end(body, span[0] + 1)
    while body[at] != ord("]"):
        end = _value_end(body, at)
        spans.append((at, end))
        at = _gap_end(body, end)
    return spans


def _gap_end(body: bytes, start: int) -> int:
    gap = _GAP.match(body, start)
    assert gap, "it may be empty"
    return gap.end()


def splice(body: bytes, span: Span, value: str) -> bytes:
    """`body` with the JSON string `value` in place of what `span` covers."""
    return splice_raw(body, span, json.dumps(value).encode())


def splice_raw(body: bytes, span: Span, raw_value: bytes) -> bytes:
    """The same, with a value given as JSON text."""
    (start, end), view = span, memoryview(body)  # of which slices are not copies
    return b"".join((view[:start], raw_value, view[end:]))


def insert_member(body: bytes, name: str, raw_value: bytes) -> bytes:
    """The object `body` with one more top-level member in front, its value given as JSON text."""
    at = body.index(b"{")
    comma = b"" if _EMPTY_OBJECT.match(body, at) else b","
    view = memoryview(body)
    return b"".join((view[: at + 1], json.dumps(name).encode(), b":", raw_value, comma, view[at + 1 :]))
