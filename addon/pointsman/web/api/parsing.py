"""Parsing requests of the admin API: body, query and path parameters."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote

import orjson
from pydantic import ValidationError

from pointsman.config import ConfigIssue
from pointsman.config.base_model import ConfigModel
from pointsman.config.errors import describe_error
from pointsman.config.messages import format_path, suggestion
from pointsman.web.http import PageRequest, issues_problem
from pointsman.wire.errors import Code, Problem


def json_body(request: PageRequest) -> dict[str, Any]:
    """The JSON object that was sent. Raises Problem (invalid_request)."""
    try:
        value = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        raise Problem(Code.INVALID_REQUEST, "The body must be JSON.") from None
    if not isinstance(value, dict):
        raise Problem(Code.INVALID_REQUEST, "The body must be a JSON object.")
    return value


def parse_body[S: ConfigModel](shape: type[S], request: PageRequest, hidden: bool = False) -> S:
    """The body as such a section. Raises Problem (invalid_request) with all faults; `hidden`: none of them repeats a
    value, as any of them may be a secret in the wrong place.
    """
    sent = json_body(request)
    try:
        return shape.model_validate(sent)
    except ValidationError as error:
        raise issues_problem(_faults(error, shape, hidden)) from None


def _faults(error: ValidationError, shape: type[ConfigModel], hidden: bool) -> Iterator[ConfigIssue]:
    for details in error.errors(include_url=False):
        place = details["loc"]
        if details["type"] == "extra_forbidden":
            hint = suggestion(place[-1], shape.model_fields) or f"; known here: {', '.join(shape.model_fields)}"
            if hidden:  # the name itself may be a secret that stands in the wrong place
                yield ConfigIssue(format_path(place[:-1]) or "body", f"has an unknown member{hint}")
            else:
                yield ConfigIssue(format_path(place), f"is not a known member{hint}")
        else:
            yield ConfigIssue(format_path(place), describe_error(dict(details), hidden))


def query_params(request: PageRequest, *known: str) -> Mapping[str, str]:
    """The parameters that were given. Raises Problem (invalid_request) for others: a misspelt one would mean "all"."""
    given = {name: values[-1] for name, values in parse_qs(request.query, keep_blank_values=True).items()}
    if unknown := sorted(given.keys() - set(known)):
        names = ", ".join(name[:40] for name in unknown)
        raise Problem(Code.INVALID_REQUEST, f"Unknown parameter {names}; known: {', '.join(known) or 'none'}.")
    return given


def int_param(given: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    """A number of the query. Raises Problem (invalid_request)."""
    text = given.get(name)
    if text is None:
        return default
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else -1
    if not low <= number <= high:
        message = f"{name} must be a whole number from {low} to {high}, got {text[:20]!r}."
        raise Problem(Code.INVALID_REQUEST, message, param=name)
    return number


def path_param(rest: str) -> str:
    """What a placeholder holds."""
    return unquote(rest)


def not_found(what: str) -> Problem:
    return Problem(Code.NOT_FOUND, f"There is no such {what}.")
