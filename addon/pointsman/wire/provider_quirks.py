"""What particular providers refuse, and what they get instead: `quirks` and `drop_params` of their configuration.

The one place where they are applied, to requests of clients and to converted ones alike. A request that has nothing of
what its provider refuses stays the bytes it was.
"""

import json
from collections.abc import Mapping
from typing import Any

from pointsman.config import Provider
from pointsman.config.words import Capability, Dialect
from pointsman.wire.json_access import Members, dicts, mapping
from pointsman.wire.request_facts import RequestFacts

LIMITS = ("max_tokens", "max_completion_tokens")

type Document = dict[str, Any]


def obstacle(provider: Provider, facts: RequestFacts) -> str:
    """What this provider cannot be asked, whatever is done to the request."""
    if provider.quirks.flat_content and Capability.VISION in facts.needs:
        return "takes content as plain text only"
    return ""


def mended(provider: Provider, dialect: Dialect, body: bytes, document: Members) -> bytes:
    """The body of a request that stands in `document` too."""
    if not is_refused(provider, dialect, document):
        return body
    mending: Document = json.loads(body)  # integers of any length survive
    mend(provider, dialect, mending)
    return json.dumps(mending).encode()


def is_refused(provider: Provider, dialect: Dialect, document: Members) -> bool:
    """The provider would refuse, or mistake, something in it."""
    if any(name in document for name in provider.drop_params):
        return True
    if dialect is not Dialect.OPENAI_CHAT:
        return False
    quirks = provider.quirks
    if quirks.max_tokens and not any(document.get(name) for name in LIMITS):
        return True
    if quirks.flat_content and not all(_is_flat(message) for message in dicts(document.get("messages"))):
        return True
    return bool(quirks.drop_keywords) and any(
        _has_keyword(_parameters(tool), quirks.drop_keywords) for tool in dicts(document.get("tools"))
    )


def mend(provider: Provider, dialect: Dialect, document: Document) -> None:
    """Changes the document."""
    for name in provider.drop_params:
        document.pop(name, None)
    if dialect is not Dialect.OPENAI_CHAT:
        return
    quirks = provider.quirks
    if quirks.max_tokens and not any(document.get(name) for name in LIMITS):
        document["max_tokens"] = quirks.max_tokens
    if quirks.flat_content:
        for message in dicts(document.get("messages")):
            message["content"] = _flat(message.get("content"))
    if quirks.drop_keywords:
        for tool in dicts(document.get("tools")):
            if parameters := _parameters(tool):
                tool["function"]["parameters"] = _without(parameters, quirks.drop_keywords)


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
