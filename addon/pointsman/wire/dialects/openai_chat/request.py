"""Requests of OpenAI's chat completions, which most providers and clients speak."""

from collections.abc import Mapping, Sequence
from typing import Any

from pointsman.config.enums import Capability
from pointsman.wire.dialects.base import Purpose, UsageOption
from pointsman.wire.dialects.openai_chat.held_ids import held_ids
from pointsman.wire.json_access import mappings
from pointsman.wire.request_body import flag, json_size, model_of, objects, parse_object, text_size, with_model
from pointsman.wire.request_facts import BYTES_PER_TOKEN, IMAGE_TOKENS, RequestFacts

PATH = "/chat/completions"
CHATS = f"/v1{PATH}"
"""How paths end; any prefix may stand before it."""

USAGE_OPTION = UsageOption("stream_options", {"include_usage": True})

# Tuples, not sets: what a client puts in the place of a word need not be hashable.
IMAGE_PARTS = ("image_url", "image", "input_image")
AUDIO_PARTS = ("input_audio",)
JSON_FORMATS = ("json_object", "json_schema")
TEXT_MEMBERS = ("reasoning_content", "reasoning", "refusal")
PLAIN_MEMBERS = frozenset({"role", "content", "tool_call_id", "name"})
"""Of a message whose text is in its parts."""
CALL_MEMBERS = ("tool_calls", "function_call")
SCHEMA_MEMBERS = ("tools", "functions", "response_format")


def purpose_of(path: str) -> Purpose | None:
    return Purpose.CHAT if path.endswith(CHATS) else None


def facts(body: bytes, path: str) -> RequestFacts:
    document = parse_object(body)
    model, span = model_of(body, document)
    stream = flag(document, "stream")
    messages = objects(document, "messages", "message")
    parts = [part for message in messages for part in _parts(message)]
    kinds = {kind for part in parts if isinstance(kind := part.get("type"), str)}
    return RequestFacts(
        model=model,
        stream=stream,
        needs=frozenset(_needs(document, kinds)),
        tokens=_tokens(document, messages, parts),
        asks_usage=_asks_usage(document),
        model_span=span,
        document=document,
        held=held_ids(document, parts),
    )


def outbound(body: bytes, facts: RequestFacts, model: str) -> tuple[bytes, str]:
    return with_model(body, facts.model_span, model), PATH


def auth_headers(key: str) -> list[tuple[str, str]]:
    return [("Authorization", f"Bearer {key}")]


def _parts(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What a message consists of; a plain text is one part."""
    content = message.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return mappings(content)


def _needs(document: Mapping[str, Any], kinds: set[str]) -> set[Capability]:
    """What a model must be able to do. `reasoning_effort` is a preference that any model may ignore, not a need."""
    response_format, modalities = document.get("response_format"), document.get("modalities")
    asks_json = isinstance(response_format, Mapping) and response_format.get("type") in JSON_FORMATS
    asks_audio = isinstance(modalities, list) and "audio" in modalities
    needed = {
        Capability.TOOLS: bool(document.get("tools") or document.get("functions")),
        Capability.VISION: not kinds.isdisjoint(IMAGE_PARTS),
        Capability.JSON: asks_json,
        Capability.AUDIO: asks_audio or not kinds.isdisjoint(AUDIO_PARTS),
    }
    return {capability for capability, is_needed in needed.items() if is_needed}


def _tokens(
    document: Mapping[str, Any], messages: Sequence[Mapping[str, Any]], parts: Sequence[Mapping[str, Any]]
) -> int:
    """An estimate from the sizes of all that is text; what parts carry besides (images, files) is base64, not text."""
    size = sum(text_size(part.get("text")) for part in parts)
    for message in messages:
        if message.keys() <= PLAIN_MEMBERS:
            continue  # most are
        size += sum(text_size(message.get(member)) for member in TEXT_MEMBERS)
        size += sum(json_size(message.get(member)) for member in CALL_MEMBERS)
    size += sum(json_size(document.get(member)) for member in SCHEMA_MEMBERS)
    images = sum(part.get("type") in IMAGE_PARTS for part in parts)
    return size // BYTES_PER_TOKEN + images * IMAGE_TOKENS


def _asks_usage(document: Mapping[str, Any]) -> bool:
    options = document.get("stream_options")
    return isinstance(options, Mapping) and options.get("include_usage") is True
