"""How Gemini's dialect crosses into others, and back."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from pointsman.wire.conversion.arguments import as_object
from pointsman.wire.conversion.base import Conversion, Recipient, Wish
from pointsman.wire.conversion.ir import AnswerState, Inconvertible, Piece
from pointsman.wire.conversion.request_fixups import merged
from pointsman.wire.conversion.response_format import ResponseFormat
from pointsman.wire.conversion.unknown_kinds import is_url, parts_of
from pointsman.wire.dialects.gemini.answer_writer import GeminiWriter
from pointsman.wire.dialects.gemini.names import member
from pointsman.wire.dialects.gemini.request import GENERATE, STREAM, is_sse
from pointsman.wire.dialects.gemini.valid_request import make_valid
from pointsman.wire.json_access import Document, Members, dicts, mapping, mappings, text
from pointsman.wire.request_facts import RequestFacts
from pointsman.wire.thinking_signatures import UNSIGNED

JSON = "application/json"
PARTS = ("text", "functionCall", "functionResponse", "inlineData", "fileData", "thought", "thoughtSignature")
"""Members of content that cross."""
OWN_STORE = "generativelanguage.googleapis.com"
FORMAT_MEMBERS = (
    "responseMimeType", "responseSchema", "responseJsonSchema",
    "response_mime_type", "response_schema", "response_json_schema",
)  # fmt: skip


def unsupported(document: Members) -> Iterator[str]:
    config = mapping(member(document, "generationConfig"))
    count, modalities = member(config, "candidateCount"), member(config, "responseModalities")
    if isinstance(count, int) and count > 1:
        yield f"candidateCount = {count} cannot be converted"
    if member(config, "responseLogprobs"):
        yield "logprobs cannot be converted"
    if isinstance(modalities, list) and any(each != "TEXT" for each in modalities):
        yield "answers other than text cannot be converted"
    if member(document, "cachedContent"):
        yield "`cachedContent` is known only to the provider that issued it"
    for part in _parts(document):
        if not any(member(part, name) is not None for name in PARTS):
            yield f"content of this kind cannot be converted: {next(iter(part), 'an empty part')}"
        data = mapping(member(part, "inlineData") or member(part, "fileData"))
        if data and not text(member(data, "mimeType")).startswith("image/"):
            yield f"content of this kind cannot be converted: {text(member(data, 'mimeType')) or 'data'}"
        if OWN_STORE in text(member(data, "fileUri")):
            yield "`fileData` is known only to the provider that issued it"


def images(document: Members) -> Iterator[object]:
    yield from (mapping(member(part, "fileData")).get("fileUri") for part in _parts(document))


def _parts(document: Members) -> Iterator[Members]:
    return parts_of(document.get("contents"), "parts")


def stop_sequences(document: Members) -> object:
    return member(mapping(member(document, "generationConfig")), "stopSequences")


def response_format(document: Members) -> ResponseFormat | None:
    config = mapping(member(document, "generationConfig"))
    schema = member(config, "responseJsonSchema") or member(config, "responseSchema")
    if isinstance(schema, Mapping):
        return ResponseFormat(lowered(schema))
    return ResponseFormat() if member(config, "responseMimeType") == JSON else None


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


def is_hosted(tool: Members) -> bool:
    """Tools have no type, but functions."""
    return not member(tool, "functionDeclarations")


def prepare(document: Document) -> None:
    """Calls get ids that are the same whenever the conversation is sent again."""
    for tool in dicts(document.get("tools")):
        for function in dicts(member(tool, "functionDeclarations")):
            schema = _pop(function, "parametersJsonSchema", "parameters_json_schema") or function.get("parameters")
            if schema:
                function["parameters"] = lowered(schema)
    waiting: dict[str, list[str]] = {}
    number = 0
    for content in dicts(document.get("contents")):
        content["parts"] = [part for part in dicts(content.get("parts")) if part != {"text": ""}]
        for part in dicts(content.get("parts")):
            call, result = member(part, "functionCall"), member(part, "functionResponse")
            if isinstance(call, dict):
                number += 1
                call_id = call.setdefault("id", f"call_{number}")
                waiting.setdefault(text(call.get("name")), []).append(call_id)
            elif isinstance(result, dict) and "id" not in result:
                ids = waiting.get(text(result.get("name"))) or [f"call_{number}"]
                result["id"] = ids.pop(0)


def _pop(members: Document, *names: str) -> Any:
    return next((members.pop(name) for name in names if name in members), None)


def cannot_express(wish: Wish) -> Iterator[str]:
    if any(map(is_url, wish.images)):
        yield "gemini does not accept image URLs"


def fix_up(request: Document, to: Recipient, neutral: Members) -> None:
    """Schemas go as the client wrote them; all results of one turn stand together."""
    schemas = {text(tool.get("name")): mapping(tool.get("parameters")) for tool in mappings(neutral.get("tools"))}
    for tool in dicts(request.get("tools")):
        for function in dicts(tool.get("function_declarations")):
            function.pop("parameters", None)
            if schema := schemas.get(function["name"]):
                function["parametersJsonSchema"] = {key: value for key, value in schema.items() if key != "$schema"}
    request["contents"] = merged(request.get("contents"), "parts")
    for content in request["contents"]:
        content["parts"] = [right for part in content["parts"] for right in _apart(part)]
        if "gemini-3" in to.model:
            _mark_calls(content["parts"])
    if to.max_tokens:
        request.setdefault("generationConfig", {}).setdefault("max_output_tokens", to.max_tokens)


def _apart(part: Document) -> Iterable[Document]:
    """Images that a tool gave back stand beside its result."""
    response = mapping(mapping(part.get("functionResponse")).get("response"))
    for name, said in response.items():
        if isinstance(said, list):
            texts = [each["text"] for each in said if "text" in each]
            part["functionResponse"]["response"] = {name: "\n".join(texts)}
            return [part, *(each for each in said if "inlineData" in each)]
    return [part]


def _mark_calls(parts: list[Document]) -> None:
    first = next((part for part in parts if "functionCall" in part), None)
    if first is not None:
        first.setdefault("thoughtSignature", UNSIGNED)


def write_format(asked: ResponseFormat, request: Document) -> None:
    config = request.setdefault("generationConfig", {})
    config["responseMimeType"] = JSON
    if asked.schema is not None:
        config["responseJsonSchema"] = {key: value for key, value in asked.schema.items() if key != "$schema"}


def asked_in_path(facts: RequestFacts) -> RequestFacts:
    if facts.stream:
        return replace(facts, action=STREAM, query="?alt=sse")
    return replace(facts, action=GENERATE)


def repair(state: AnswerState, document: Document) -> Iterable[Piece]:
    """Text in the last chunk is text. Calls may lack ids."""
    document["candidates"] = candidates = [each for each in dicts(document.get("candidates")) if not each.get("index")]
    for candidate in candidates:
        candidate.pop("finishReason", None)
        if isinstance(content := candidate.get("content"), dict):
            content["role"] = "model"
        for part in dicts(mapping(candidate.get("content")).get("parts")):
            if "inlineData" in part:
                raise Inconvertible("an answer with data in it")
            if isinstance(call := part.get("functionCall"), dict):
                known = state.add_call(len(state.calls), call.get("id"), call.get("name"))
                call.update({"id": known.id, "name": known.name, "args": as_object(call.get("args"))})
    return ()


def writer(facts: RequestFacts) -> GeminiWriter:
    return GeminiWriter(is_list=not is_sse(facts))


CONVERSION = Conversion(
    library_name="google",
    unsupported=unsupported,
    images=images,
    stop_sequences=stop_sequences,
    response_format=response_format,
    is_hosted=is_hosted,
    format_places=tuple(
        (config, name) for config in ("generationConfig", "generation_config") for name in FORMAT_MEMBERS
    ),
    reasoning_places=(("generationConfig", "thinkingConfig"), ("generation_config", "thinking_config")),
    prepare=prepare,
    cannot_express=cannot_express,
    fix_up=fix_up,
    make_valid=make_valid,
    write_format=write_format,
    stream_member=None,
    asked_in_path=asked_in_path,
    plain_text=lambda _: None,
    repair=repair,
    writer=writer,
)
