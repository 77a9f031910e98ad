"""Requests of OpenAI's Responses, as Codex sends them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pointsman.config.enums import Capability
from pointsman.wire import query
from pointsman.wire.dialects.base import CountTokens, Purpose
from pointsman.wire.dialects.openai_responses import stored
from pointsman.wire.dialects.openai_responses.held_ids import held_ids
from pointsman.wire.json_access import mapping, mappings
from pointsman.wire.request_body import (
    bad_member,
    flag,
    json_size,
    model_of,
    objects,
    parse_object,
    text_size,
    with_model,
)
from pointsman.wire.request_facts import BYTES_PER_TOKEN, IMAGE_TOKENS, RequestFacts

PATH = "/responses"
COUNT_TOKENS = CountTokens("/input_tokens", "input_tokens", "response.input_tokens")
COMPACT = "/compact"
CHATS, COUNTS, COMPACTIONS = f"/v1{PATH}", f"/v1{PATH}{COUNT_TOKENS.action}", f"/v1{PATH}{COMPACT}"
"""How paths end; any prefix may stand before it."""

IMAGE_PARTS = ("input_image", "computer_screenshot")
AUDIO_PARTS = ("input_audio",)
JSON_FORMATS = ("json_object", "json_schema")
TEXT_MEMBERS = ("text", "refusal", "arguments", "input", "output")
PART_MEMBERS = ("content", "output", "summary")
"""Where an item may have parts."""


def purpose_of(path: str) -> Purpose | None:
    if path.endswith((CHATS, COMPACTIONS)):
        return Purpose.CHAT
    if path.endswith(COUNTS):
        return Purpose.COUNT
    return Purpose.STORED if stored.is_stored(path) else None


def takes_sockets(path: str) -> bool:
    return path.endswith(CHATS)


def facts(body: bytes, path: str) -> RequestFacts:
    action = _action(path)
    if action is None:
        return stored.facts(path)
    document = parse_object(body)
    model, span = model_of(body, document)
    parts = [*_parts(document.get("instructions")), *_parts(_input(document))]
    return RequestFacts(
        model=model,
        stream=flag(document, "stream") and not action,
        needs=frozenset(_needs(document, parts)),
        tokens=_tokens(document, parts),
        model_span=span,
        document=document,
        action=action,
        query=query.forwarded(path),
        held=held_ids(document, parts),
        stores_answer=not action and document.get("store") is not False,
        only_native="a compaction" if action == COMPACT else "",
    )


def _action(path: str) -> str | None:
    """What follows `/responses` in the path; None for a request about a stored answer."""
    route = path.partition("?")[0]
    return next((action for action in ("", COUNT_TOKENS.action, COMPACT) if route.endswith(CHATS + action)), None)


def outbound(body: bytes, facts: RequestFacts, model: str) -> tuple[bytes, str]:
    is_stored = facts.action not in ("", COUNT_TOKENS.action, COMPACT)
    return body if is_stored else with_model(body, facts.model_span, model), PATH + facts.action + facts.query


def auth_headers(key: str) -> list[tuple[str, str]]:
    return [("Authorization", f"Bearer {key}")]


def _input(document: Mapping[str, Any]) -> str | Sequence[Mapping[str, Any]]:
    """A text, or items; nothing where a stored prompt or conversation says it all. Raises Problem."""
    given = document.get("input")
    if given is None or given == []:
        return ()
    if isinstance(given, str):
        return given
    if not isinstance(given, list):
        raise bad_member("input", "a text or a list of items", given)
    return objects(document, "input", "item")


def _parts(said: object) -> Iterator[Mapping[str, Any]]:
    """The items of a list and whatever they consist of; a plain text is one part."""
    if isinstance(said, str):
        yield {"text": said}
    for item in mappings(said):
        yield item
        for member in PART_MEMBERS:
            inner = item.get(member)
            if isinstance(inner, str) and member not in TEXT_MEMBERS:
                yield {"text": inner}
            elif isinstance(inner, Mapping):
                yield inner
            else:
                yield from mappings(inner)


def _needs(document: Mapping[str, Any], parts: Sequence[Mapping[str, Any]]) -> set[Capability]:
    """What a model must be able to do. `reasoning` is a preference that any model may ignore, not a need."""
    needed = {
        Capability.TOOLS: bool(document.get("tools")),
        Capability.VISION: any(part.get("type") in IMAGE_PARTS for part in parts),
        Capability.JSON: _format(document).get("type") in JSON_FORMATS,
        Capability.AUDIO: any(part.get("type") in AUDIO_PARTS for part in parts),
    }
    return {capability for capability, is_needed in needed.items() if is_needed}


def _tokens(document: Mapping[str, Any], parts: Sequence[Mapping[str, Any]]) -> int:
    """An estimate from the sizes of all that is text; images, files and hidden reasoning are base64, not text."""
    size = sum(text_size(part.get(member)) for part in parts for member in TEXT_MEMBERS)
    size += json_size(document.get("tools")) + json_size(_format(document))
    images = sum(part.get("type") in IMAGE_PARTS for part in parts)
    return size // BYTES_PER_TOKEN + images * IMAGE_TOKENS


def _format(document: Mapping[str, Any]) -> Mapping[str, Any]:
    return mapping(mapping(document.get("text")).get("format"))
