"""What the request bodies of all dialects share, and the error for a body that is malformed."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from pointsman.wire import jsontext
from pointsman.wire.errors import Code, Problem
from pointsman.wire.jsontext import DuplicateMember, Span
from pointsman.wire.structure import MAX_ITEMS, MAX_VALUES, has_too_many_values


def refusal(subject: str, must: str, found: str, param: str | None = None) -> Problem:
    """A Problem that names the invalid part, what it must be, and what it is."""
    return Problem(Code.INVALID_REQUEST, f"{subject} must be {must}; it is {found}.", param=param)


def bad_member(name: str, must: str, value: object) -> Problem:
    return refusal(f"`{name}`", must, kind_of(value), name)


def kind_of(value: object) -> str:
    """What a JSON value is, without its content, which may be anything."""
    match value:
        case None:
            return "missing or null"
        case bool():
            return "true" if value else "false"
        case str():
            return "a string" if value else "an empty string"
        case list():
            return "a list" if value else "an empty list"
        case Mapping():
            return "an object"
        case _:
            return "a number"


def parse_object(body: bytes) -> Mapping[str, Any]:
    """The JSON object that `body` is. Raises Problem."""
    subject, must = "The request's body", "a JSON object in UTF-8"
    if not body.strip():
        raise refusal(subject, must, "empty")
    if has_too_many_values(body):
        raise Problem(Code.REQUEST_TOO_LARGE, f"{subject} has more than {MAX_VALUES:,} JSON values.")
    try:
        document = jsontext.loads(body)
    except ValueError as error:
        raise refusal(subject, must, str(error)) from None
    if not isinstance(document, Mapping):
        raise refusal(subject, must, kind_of(document))
    return document


def model_of(body: bytes, document: Mapping[str, Any]) -> tuple[str | None, Span | None]:
    """The model that a body asks for, and where its name stands. Raises Problem."""
    try:
        span = jsontext.member_span(body, "model", document)
    except DuplicateMember:
        raise refusal("`model`", "given once", "given more than once", "model") from None
    model = document.get("model")
    if model is not None and not (isinstance(model, str) and model and is_unicode(model)):
        raise bad_member("model", "the name of a model", model)
    return model, span


def with_model(body: bytes, span: Span | None, model: str) -> bytes:
    """The body with another model, which stands at `span`, or nowhere yet."""
    if span:
        return jsontext.splice(body, span, model)
    return jsontext.insert_member(body, "model", json.dumps(model).encode())


def objects(document: Mapping[str, Any], name: str, noun: str) -> Sequence[Mapping[str, Any]]:
    """A member that lists objects, and not too many; whether none will do depends on the target. Raises Problem."""
    items = document.get(name)
    if not isinstance(items, list):
        raise bad_member(name, f"a list of at least one {noun}", items)
    if len(items) > MAX_ITEMS:
        message = f"`{name}` has {len(items):,} items; at most {MAX_ITEMS:,} are taken."
        raise Problem(Code.REQUEST_TOO_LARGE, message, param=name)
    for number, item in enumerate(items):
        if not isinstance(item, Mapping):
            raise bad_member(f"{name}[{number}]", "an object", item)
    return items


def is_unicode(text: str) -> bool:
    """Whether a text can be written: a lone surrogate, which JSON allows, cannot."""
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


def flag(document: Mapping[str, Any], name: str) -> bool:
    """A member that is true or false, where absent and null are false. Raises Problem."""
    value = document.get(name)
    if value is not None and not isinstance(value, bool):
        raise bad_member(name, "true or false", value)
    return bool(value)


def text_size(text: object) -> int:
    """Bytes of a text in UTF-8; 0 for what is no text."""
    if not isinstance(text, str):
        return 0
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def json_size(value: object) -> int:
    """Bytes of a value as JSON, for an estimate: what will not be written counts nothing."""
    try:
        return len(orjson.dumps(value)) if value else 0
    except TypeError:
        return 0
