"""Requests for providers whose chat completions differ: their `quirks` in the configuration."""

from collections.abc import Mapping
from typing import Any

from pointsman.config import Quirks
from pointsman.wire.dialects.base import QuirkRules
from pointsman.wire.json_access import Document, Members, dicts, mapping
from pointsman.wire.refusals import Refusal, Remedy

CACHE_MARKS = Refusal(Remedy.DROP, "cache_control")
LIMITS = ("max_tokens", "max_completion_tokens")


def are_needed(quirks: Quirks, document: Members) -> bool:
    if quirks.max_tokens and not any(document.get(name) for name in LIMITS):
        return True
    if quirks.flat_content and not all(_is_flat(message) for message in dicts(document.get("messages"))):
        return True
    if quirks.cache_marks is False and CACHE_MARKS.is_met(document):
        return True
    return bool(quirks.drop_keywords) and any(
        _has_keyword(_parameters(tool), quirks.drop_keywords) for tool in dicts(document.get("tools"))
    )


def apply(quirks: Quirks, document: Document) -> None:
    if quirks.max_tokens and not any(document.get(name) for name in LIMITS):
        document["max_tokens"] = quirks.max_tokens
    if quirks.cache_marks is False:
        CACHE_MARKS.apply(document)
    if quirks.flat_content:
        for message in dicts(document.get("messages")):
            message["content"] = _flat(message.get("content"))
    if quirks.drop_keywords:
        for tool in dicts(document.get("tools")):
            if parameters := _parameters(tool):
                tool["function"]["parameters"] = _without(parameters, quirks.drop_keywords)


QUIRKS = QuirkRules(are_needed, apply)


def _is_flat(message: Members) -> bool:
    return isinstance(message.get("content"), str)


def _flat(content: object) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in dicts(content) if isinstance(part.get("text"), str))


def _parameters(tool: Members) -> Members:
    return mapping(mapping(tool.get("function")).get("parameters"))


def _has_keyword(schema: object, keywords: tuple[str, ...]) -> bool:
    if isinstance(schema, list):
        return any(_has_keyword(each, keywords) for each in schema)
    if not isinstance(schema, Mapping):
        return False
    return any(
        any(_has_keyword(each, keywords) for each in value.values())
        if name == "properties" and isinstance(value, Mapping)
        else name in keywords or _has_keyword(value, keywords)
        for name, value in schema.items()
    )


def _without(schema: Any, keywords: tuple[str, ...]) -> Any:
    """A property may bear the name of a keyword."""
    if isinstance(schema, list):
        return [_without(each, keywords) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    return {
        name: {key: _without(each, keywords) for key, each in value.items()}
        if name == "properties" and isinstance(value, Mapping)
        else _without(value, keywords)
        for name, value in schema.items()
        if name not in keywords
    }
