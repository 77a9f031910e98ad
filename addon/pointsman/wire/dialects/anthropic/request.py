"""Requests of Anthropic's Messages, as Claude Code sends them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pointsman.config.enums import Capability
from pointsman.wire import jsontext, query
from pointsman.wire.dialects.anthropic import billing_line
from pointsman.wire.dialects.anthropic.held_ids import held_ids
from pointsman.wire.dialects.base import CountTokens, Purpose
from pointsman.wire.headers import Headers
from pointsman.wire.json_access import mapping, mappings
from pointsman.wire.request_body import flag, json_size, model_of, objects, parse_object, text_size, with_model
from pointsman.wire.request_facts import BYTES_PER_TOKEN, IMAGE_TOKENS, RequestFacts

PATH = "/messages"
COUNT_TOKENS = CountTokens("/count_tokens", "input_tokens")
CHATS, COUNTS = f"/v1{PATH}", f"/v1{PATH}{COUNT_TOKENS.action}"
"""How paths end; any prefix may stand before it."""

OWN_HEADERS: Headers = (("anthropic-version", "2023-06-01"),)
"""The version of the interface, for clients that name none."""
VERTEX_VERSION = "anthropic_version"
"""What Vertex AI wants in the body in place of that header, and Anthropic itself refuses."""

IMAGE_BLOCKS = ("image",)
TEXT_MEMBERS = ("text", "thinking")
JSON_MEMBERS = ("input",)


def purpose_of(path: str) -> Purpose | None:
    if path.endswith(CHATS):
        return Purpose.CHAT
    return Purpose.COUNT if path.endswith(COUNTS) else None


def facts(body: bytes, path: str) -> RequestFacts:
    document = parse_object(body)
    model, span = model_of(body, document)
    messages = objects(document, "messages", "message")
    blocks = [block for said in (document.get("system"), *_contents(messages)) for block in _blocks(said)]
    is_count = path.partition("?")[0].endswith(COUNT_TOKENS.action)
    return RequestFacts(
        model=model,
        stream=flag(document, "stream") and not is_count,
        needs=frozenset(_needs(document, blocks)),
        tokens=_tokens(document, blocks),
        model_span=span,
        document=document,
        action=COUNT_TOKENS.action if is_count else "",
        query=query.forwarded(path),
        held=held_ids(document, blocks),
    )


def outbound(body: bytes, facts: RequestFacts, model: str) -> tuple[bytes, str]:
    body = _without_vertex_version(with_model(body, facts.model_span, model), facts.document)
    if not billing_line.is_for(model) and billing_line.stands_in(facts.document.get("system")):
        body = _without_billing_line(body, facts.document)
    return body, PATH + facts.action + facts.query


def _without_billing_line(body: bytes, document: Mapping[str, Any]) -> bytes:
    system = billing_line.without_line(document["system"])
    try:
        span = jsontext.member_span(body, "system", document) if system else None
        if span is None:
            return jsontext.without_member(body, "system", document)
        return jsontext.splice_raw(body, span, jsontext.dumps(system))
    except jsontext.DuplicateMember:
        return body


def _without_vertex_version(body: bytes, document: Mapping[str, Any]) -> bytes:
    try:
        return jsontext.without_member(body, VERTEX_VERSION, document)
    except jsontext.DuplicateMember:
        return body


def auth_headers(key: str) -> list[tuple[str, str]]:
    return [("x-api-key", key)]


def _contents(messages: Sequence[Mapping[str, Any]]) -> Iterator[object]:
    return (message.get("content") for message in messages)


def _blocks(content: object) -> Iterator[Mapping[str, Any]]:
    """The blocks of a content, those within the results of tools too; a plain text is one block."""
    if isinstance(content, str):
        yield {"type": "text", "text": content}
    for block in mappings(content):
        yield block
        if block.get("type") == "tool_result":
            yield from _blocks(block.get("content"))


def _needs(document: Mapping[str, Any], blocks: Sequence[Mapping[str, Any]]) -> set[Capability]:
    """What a model must be able to do. `thinking` is a preference that any model may ignore, not a need."""
    formats = (document.get("output_format"), mapping(document.get("output_config")).get("format"))
    needed = {
        Capability.TOOLS: bool(document.get("tools")),
        Capability.VISION: any(block.get("type") in IMAGE_BLOCKS for block in blocks),
        Capability.JSON: any(mapping(form).get("type") == "json_schema" for form in formats),
    }
    return {capability for capability, is_needed in needed.items() if is_needed}


def _tokens(document: Mapping[str, Any], blocks: Sequence[Mapping[str, Any]]) -> int:
    """An estimate from the sizes of all that is text; images and documents are base64, not text."""
    size = sum(text_size(block.get(member)) for block in blocks for member in TEXT_MEMBERS)
    size += sum(json_size(block.get(member)) for block in blocks for member in JSON_MEMBERS)
    size += json_size(document.get("tools")) + json_size(document.get("output_format"))
    size += json_size(mapping(document.get("output_config")).get("format"))
    images = sum(block.get("type") in IMAGE_BLOCKS for block in blocks)
    return size // BYTES_PER_TOKEN + images * IMAGE_TOKENS
