"""Errors that stand in texts: a gateway passes on, in words of its own, what the provider behind it has said.

>>> quoted_document('Upstream request failed: {"error": {"message": "No credit"}} after 2 tries')
{'error': {'message': 'No credit'}}
>>> quoted_document("Error code: 400 - {'error': {'message': 'No credit', 'code': None}}")
{'error': {'message': 'No credit'}}
"""

import codecs
import json
import re
from collections.abc import Mapping
from typing import Any

from pointsman.wire import jsontext

LONGEST = 1 << 16
"""Characters of a text that are read."""
START = re.compile(r"""([^{}"'`]{0,200}?)(?:\bb)?['"]?(?=\{)""")
"""What stands before the document: a few words without quotations."""
EXCEPTION = re.compile(r"[\w.: ]{1,80} - ")
"""The name of an exception, which is followed by what the provider has said, whatever its form."""
NAMING_MEMBERS = frozenset({"code", "type", "status", "reason"})
"""A document with a message and none of these may be the client's own."""
PYTHON_START = re.compile(r"\{'(?:error|message|code|type|detail|object)': ")
PYTHON_MEMBER = re.compile(
    r"""'(error|message|code|type|status|reason)': (?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|(\d{1,9}))""", re.DOTALL
)
"""As Python writes a dictionary of an error."""
EVENT_DATA = re.compile(rb"^data:[ ]?(.*)$", re.MULTILINE)


def document_of(body: bytes) -> object:
    """What the body of an error holds: JSON, perhaps behind a byte order mark, in an event or in a text; None for
    anything else.
    """
    body = body.removeprefix(codecs.BOM_UTF8)
    if body[:6] in (b"event:", b"data: ") or body[:5] == b"data:":
        found = EVENT_DATA.search(body)
        body = found[1] if found else body
    document = jsontext.parsed(body)
    return quoted_document(body[:LONGEST].decode("utf-8", "replace")) if document is None else document


def quoted_document(text: str) -> Mapping[str, Any] | None:
    """The first document in a text, if it can only be an error; None for any other text."""
    text = text[:LONGEST]
    start = START.match(text)
    if not start:
        return None
    document = _json_at(text, start.end())
    if document is None:
        return _python_at(text, start.end())
    is_error = not start[1].strip() or EXCEPTION.fullmatch(start[1]) or _is_error(document)
    return document if is_error else None


def _json_at(text: str, place: int) -> Mapping[str, Any] | None:
    try:
        document, _ = json.JSONDecoder().raw_decode(text, place)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, Mapping) else None


def _is_error(document: Mapping[str, Any]) -> bool:
    return bool(document.get("error")) or ("message" in document and not NAMING_MEMBERS.isdisjoint(document))


def _python_at(text: str, place: int) -> Mapping[str, Any] | None:
    """The first member of each name counts: an error may hold further ones."""
    if not PYTHON_START.match(text, place):
        return None
    members: dict[str, str] = {}
    for name, single, double, number in PYTHON_MEMBER.findall(text, place):
        said = re.sub(r"\\(.)", r"\1", (single or double).replace("\\n", "\n"), flags=re.DOTALL)
        members.setdefault("message" if name == "error" else name, said or number)
    return {"error": members} if "message" in members else None
