"""The fields of a multipart form, found where they stand: an upload of many megabytes is not copied to be read."""

from collections.abc import Iterator
from email.message import Message
from typing import NamedTuple

from pointsman.wire.errors import Code, Problem
from pointsman.wire.jsontext import Span
from pointsman.wire.request_body import refusal

MEDIA_TYPE = "multipart/form-data"
MAX_PARTS = 1_000
"""Parts of one form."""
MAX_PART_HEAD = 16 * 1024
"""Bytes of the headers of one part."""
MAX_TEXT = 64 * 1024
"""Bytes of a field that is read as text."""


class Field(NamedTuple):
    """`span` is where its content stands. `is_file`: it has a file name."""

    name: str
    span: Span
    is_file: bool

    @property
    def size(self) -> int:
        start, end = self.span
        return end - start


def boundary_of(content_type: str) -> bytes:
    """What separates the parts; empty if the body is no such form. Raises Problem."""
    if content_type.partition(";")[0].strip().lower() != MEDIA_TYPE:
        return b""
    boundary = _parameter(content_type, "boundary")
    if not isinstance(boundary, str) or not boundary.isascii() or not boundary.strip():
        raise refusal("The boundary in Content-Type", "a word in ASCII", "something else" if boundary else "missing")
    return boundary.rstrip().encode()


def fields_of(body: bytes, boundary: bytes) -> list[Field]:
    """The form's fields in order. Raises Problem."""
    fields = list(_fields(body, b"--" + boundary))
    if not fields:
        raise refusal("The request's body", "a multipart form", "without any part", None)
    return fields


def text_of(body: bytes, fields: list[Field], name: str) -> tuple[str | None, Span | None]:
    """The value of a field that is text, and where it stands; None where the form lacks it. Raises Problem."""
    found = [field for field in fields if field.name == name and not field.is_file]
    if not found:
        return None, None
    if len(found) > 1:
        raise refusal(f"`{name}`", "given once", "given more than once", name)
    start, end = found[0].span
    try:
        return body[start : min(end, start + MAX_TEXT)].decode(), (start, end)
    except UnicodeDecodeError:
        raise refusal(f"`{name}`", "text in UTF-8", "something else", name) from None


def with_text(body: bytes, boundary: bytes, span: Span | None, name: str, value: str) -> bytes:
    """The body with another value of that field, which stands at `span`, or nowhere yet."""
    if span is None:
        head = b'--%b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n' % (boundary, name.encode())
        start = body.index(b"--" + boundary)
        return b"".join((body[:start], head, value.encode(), b"\r\n", body[start:]))
    start, end = span
    given = value.encode()
    return body if body[start:end] == given else b"".join((body[:start], given, body[end:]))


def _fields(body: bytes, delimiter: bytes) -> Iterator[Field]:
    at = 0 if body.startswith(delimiter) else body.find(b"\r\n" + delimiter) + 2
    if at < 2 and not body.startswith(delimiter):
        return
    for number in range(MAX_PARTS + 1):
        at += len(delimiter)
        if body.startswith(b"--", at):
            return
        if number == MAX_PARTS:
            raise Problem(Code.REQUEST_TOO_LARGE, f"The form has more than {MAX_PARTS} parts.")
        start = body.find(b"\r\n\r\n", at, at + MAX_PART_HEAD)
        end = body.find(b"\r\n" + delimiter, max(start, at))
        if start < 0 or end < 0:
            raise refusal("The multipart form", "whole", "cut off, or one of its parts has no end of its headers")
        start = min(start + 4, end)
        yield _field(body[at:start], (start, end))
        at = end + 2


def _field(head: bytes, span: Span) -> Field:
    lines = (line.partition(b":") for line in head.split(b"\r\n"))
    given = (value for header, _, value in lines if header.strip().lower() == b"content-disposition")
    disposition = next(given, b"").strip().decode("utf-8", "replace")
    name = _parameter(disposition, "name")
    return Field(name if isinstance(name, str) else "", span, _parameter(disposition, "filename") is not None)


def _parameter(header: str, name: str) -> object:
    """Of a header's value: a string, or something else where it is encoded; None where the header lacks it.

    What is encoded is not decoded: its sender names the character set, and some of those raise errors.
    """
    message = Message()
    message["Content-Type"] = header
    try:
        return message.get_param(name)
    except ValueError:
        raise refusal(f"The parameter {name!r} of a header", "numbered as in RFC 2231", "numbered otherwise") from None
