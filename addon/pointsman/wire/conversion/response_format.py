"""The form that an answer must have: any JSON object, or one of a schema. Each dialect has its own place for it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from pointsman.config.words import Dialect
from pointsman.wire.dialects.gemini.names import member
from pointsman.wire.json_access import NOTHING, Members, mapping, text

JSON = "application/json"


class Form(NamedTuple):
    """`schema` is None where any object will do."""

    schema: Mapping[str, Any] | None = None
    name: str = "answer"
    is_strict: bool = True


def form_of(dialect: Dialect, document: Members) -> Form | None:
    """What a request asks for; None where any text will do."""
    match dialect:
        case Dialect.OPENAI_CHAT:
            asked = mapping(document.get("response_format"))
            return _openai(asked, mapping(asked.get("json_schema")))
        case Dialect.OPENAI_RESPONSES:
            asked = mapping(mapping(document.get("text")).get("format"))
            return _openai(asked, asked)
        case Dialect.ANTHROPIC:
            config = mapping(document.get("output_config"))
            asked = mapping(config.get("format") or document.get("output_format"))
            return Form(mapping(asked.get("schema"))) if asked.get("type") == "json_schema" else None
        case Dialect.GEMINI:
            config = mapping(member(document, "generationConfig"))
            schema = member(config, "responseJsonSchema") or member(config, "responseSchema")
            if isinstance(schema, Mapping):
                return Form(lowered(schema))
            return Form() if member(config, "responseMimeType") == JSON else None


def write_form(dialect: Dialect, form: Form, request: dict[str, Any]) -> None:
    """Asks for that form. Anthropic has no words for just any object."""
    match dialect:
        case Dialect.OPENAI_CHAT if form.schema is None:
            request["response_format"] = {"type": "json_object"}
        case Dialect.OPENAI_CHAT:
            schema = {"name": form.name, "schema": form.schema, "strict": form.is_strict}
            request["response_format"] = {"type": "json_schema", "json_schema": schema}
        case Dialect.OPENAI_RESPONSES if form.schema is None:
            request["text"] = {"format": {"type": "json_object"}}
        case Dialect.OPENAI_RESPONSES:
            named = {"type": "json_schema", "name": form.name, "schema": form.schema, "strict": form.is_strict}
            request["text"] = {"format": named}
        case Dialect.ANTHROPIC:
            config = request.setdefault("output_config", {})
            config["format"] = {"type": "json_schema", "schema": form.schema or {"type": "object"}}
        case Dialect.GEMINI:
            config = request.setdefault("generationConfig", {})
            config["responseMimeType"] = JSON
            if form.schema is not None:
                config["responseJsonSchema"] = {key: value for key, value in form.schema.items() if key != "$schema"}


def lowered(schema: Any) -> Any:
    """A schema with the names of its types as JSON Schema has them; Gemini's own are in capitals."""
    if isinstance(schema, list):
        return [lowered(each) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    return {
        key: value.lower() if key == "type" and isinstance(value, str) else lowered(value)
        for key, value in schema.items()
    }


def _openai(asked: Members, named: Members) -> Form | None:
    match asked.get("type"):
        case "json_object":
            return Form()
        case "json_schema":
            schema = mapping(named.get("schema")) or NOTHING
            return Form(schema, text(named.get("name")) or "answer", named.get("strict") is True)
    return None
