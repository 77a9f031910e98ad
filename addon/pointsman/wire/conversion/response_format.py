"""The form that an answer must have: any JSON object, or one of a schema. Each dialect has its own place for it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from pointsman.wire.json_access import NOTHING, Members, mapping, text


class ResponseFormat(NamedTuple):
    """`schema` is None where any object will do."""

    schema: Mapping[str, Any] | None = None
    name: str = "answer"
    is_strict: bool = True


def openai_format(asked: Members, named: Members) -> ResponseFormat | None:
    """Of OpenAI's dialects: the object with the `type`, and the one with the name and the schema."""
    match asked.get("type"):
        case "json_object":
            return ResponseFormat()
        case "json_schema":
            schema = mapping(named.get("schema")) or NOTHING
            return ResponseFormat(schema, text(named.get("name")) or "answer", named.get("strict") is True)
    return None
