"""Requests of Google's Gemini API, as Gemini CLI and google-genai send them.

Here the path says which model is asked, and what for; the body has neither. A stream is server-sent events with
`alt=sse`, and without it one JSON list that arrives piecemeal.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from pointsman.config.enums import Capability
from pointsman.wire import jsontext, query
from pointsman.wire.dialects.base import CountTokens, Purpose
from pointsman.wire.dialects.gemini.held_ids import held_ids
from pointsman.wire.dialects.gemini.names import member
from pointsman.wire.json_access import NOTHING, Members, mapping, mappings
from pointsman.wire.request_body import json_size, objects, parse_object, refusal, text_size
from pointsman.wire.request_facts import BYTES_PER_TOKEN, IMAGE_TOKENS, RequestFacts

GENERATE, STREAM = "generateContent", "streamGenerateContent"
COUNT_TOKENS = CountTokens("countTokens", "totalTokens")
ACTIONS = (GENERATE, STREAM, COUNT_TOKENS.action)
ROOTS = ("/v1beta/models/", "/v1/models/", "/v1alpha/models/")
"""What stands before the model's name; any prefix may stand before it."""
INNER_REQUEST = "generateContentRequest"
"""Where a question for a number of tokens may have a whole request, model and all."""

DATA_MEMBERS = ("inlineData", "fileData")
JSON_MEMBERS = ("functionCall", "functionResponse", "executableCode", "codeExecutionResult")
SCHEMA_MEMBERS = ("responseSchema", "responseJsonSchema")


class Asked(NamedTuple):
    """What a path asks for."""

    model: str
    action: str


def asked(path: str, actions: Sequence[str] = ACTIONS) -> Asked | None:
    """None for a path of another kind. A query string is ignored."""
    named, _, action = path.partition("?")[0].rpartition(":")
    if action not in actions:
        return None
    found = ((named.find(root), root) for root in ROOTS if root in named)
    at, root = min(found, default=(0, named))
    model = unquote(named[at + len(root) :])
    return Asked(model, action) if model else None


def purpose_of(path: str) -> Purpose | None:
    what = asked(path)
    if what is None:
        return None
    return Purpose.COUNT if what.action == COUNT_TOKENS.action else Purpose.CHAT


def facts(body: bytes, path: str) -> RequestFacts:
    what = asked(path)
    if what is None:
        raise refusal("The path", f"…/models/<model>:{GENERATE}", "of another form")
    document = parse_object(body)
    request = mapping(member(document, INNER_REQUEST)) or document
    contents = objects(request, "contents", "content")
    parts = [part for said in (member(request, "systemInstruction"), *contents) for part in _parts(said)]
    return RequestFacts(
        model=what.model,
        stream=what.action == STREAM,
        needs=frozenset(_needs(request, parts)),
        tokens=_tokens(request, parts),
        asks_usage=True,
        document=document,
        action=what.action,
        query=query.forwarded(path),
        held=held_ids(request, parts),
    )


def outbound(body: bytes, facts: RequestFacts, model: str) -> tuple[bytes, str]:
    """The model stands in the path. Only a question for a number of tokens may repeat it in the body."""
    return _with_inner_model(body, facts.document, full_name(model)), outbound_path(facts, model)


def full_name(model: str) -> str:
    """As it stands in bodies."""
    return f"models/{model.removeprefix('models/')}"


def outbound_path(facts: RequestFacts, model: str) -> str:
    return f"/{quote(full_name(model), safe='/:@')}:{facts.action}{facts.query}"


def auth_headers(key: str) -> list[tuple[str, str]]:
    return [("x-goog-api-key", key)]


def is_sse(facts: RequestFacts) -> bool:
    return query.value(facts.query, "alt") == "sse"


def _parts(content: object) -> Iterator[Members]:
    """A system instruction may be a plain text."""
    if isinstance(content, str):
        yield {"text": content}
    yield from mappings(mapping(content).get("parts"))


def _media(part: Members) -> str:
    """The kind of data that a part holds: `image`, `audio` …; empty if it holds none."""
    data = next((found for name in DATA_MEMBERS if (found := mapping(member(part, name)))), NOTHING)
    return str(member(data, "mimeType") or "").partition("/")[0]


def _needs(request: Members, parts: Sequence[Members]) -> set[Capability]:
    """What a model must be able to do. `thinkingConfig` is a preference that any model may ignore, not a need."""
    config = mapping(member(request, "generationConfig"))
    media = {_media(part) for part in parts}
    modalities = member(config, "responseModalities")
    needed = {
        Capability.TOOLS: bool(request.get("tools")),
        Capability.VISION: "image" in media,
        Capability.JSON: member(config, "responseMimeType") == "application/json" or bool(_schemas(config)),
        Capability.AUDIO: "audio" in media or (isinstance(modalities, list) and "AUDIO" in modalities),
    }
    return {capability for capability, is_needed in needed.items() if is_needed}


def _tokens(request: Members, parts: Sequence[Members]) -> int:
    """An estimate from the sizes of all that is text; data is base64, not text."""
    size = sum(text_size(part.get("text")) for part in parts)
    size += sum(json_size(member(part, name)) for part in parts for name in JSON_MEMBERS)
    size += json_size(request.get("tools"))
    size += sum(map(json_size, _schemas(mapping(member(request, "generationConfig")))))
    images = sum(_media(part) == "image" for part in parts)
    return size // BYTES_PER_TOKEN + images * IMAGE_TOKENS


def _schemas(config: Members) -> list[object]:
    return [schema for name in SCHEMA_MEMBERS if (schema := member(config, name))]


def _with_inner_model(body: bytes, document: Mapping[str, Any], model: str) -> bytes:
    inner = document.get(INNER_REQUEST)
    if not isinstance(inner, Mapping) or "model" not in inner:
        return body
    outer = jsontext.member_span(body, INNER_REQUEST, document)
    assert outer, "the document has it"
    start, end = outer
    span = jsontext.member_span(body[start:end], "model", inner)
    assert span, "the inner document has it"
    return jsontext.splice(body, (start + span[0], start + span[1]), model)
