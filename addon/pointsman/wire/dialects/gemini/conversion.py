"""How Gemini's dialect crosses into others, and back."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from pointsman.model_facts import ModelFacts
from pointsman.wire.conversion.allowed_tools import AllowedTools, allowed_tools
from pointsman.wire.conversion.arguments import as_object
from pointsman.wire.conversion.base import Conversion, Recipient
from pointsman.wire.conversion.fit_model import Parameters
from pointsman.wire.conversion.identifiers import Spelling
from pointsman.wire.conversion.ir import AnswerState, Piece
from pointsman.wire.conversion.malformed import Form, Forms
from pointsman.wire.conversion.media import Media
from pointsman.wire.conversion.optional_parameters import Paths, Places
from pointsman.wire.conversion.response_format import ResponseFormat
from pointsman.wire.conversion.schemas import GEMINI_FORMATS, GEMINI_TAKEN, Subset
from pointsman.wire.conversion.thinking import Thinking
from pointsman.wire.dialects.gemini.answer_writer import GeminiWriter
from pointsman.wire.dialects.gemini.history import HISTORY
from pointsman.wire.dialects.gemini.names import member
from pointsman.wire.dialects.gemini.request import GENERATE, STREAM, is_sse
from pointsman.wire.dialects.gemini.valid_request import make_valid
from pointsman.wire.json_access import Document, Members, dicts, mapping, text
from pointsman.wire.request_facts import RequestFacts
from pointsman.wire.thinking_signatures import UNSIGNED, requires_signatures

JSON = "application/json"
CONFIGS = ("generationConfig", "generation_config")
ALLOWED = ("allowedFunctionNames", "allowed_function_names")
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


def stop_sequences(document: Members) -> object:
    return member(mapping(member(document, "generationConfig")), "stopSequences")


REQUEST_FORMS: Forms = {
    "tools": Form.OBJECTS,
    **dict.fromkeys(("toolConfig", "tool_config", "generationConfig", "generation_config"), Form.OBJECT),
}
EFFORT_PLACES = tuple(
    itertools.product(CONFIGS, ("thinkingConfig", "thinking_config"), ("thinkingLevel", "thinking_level"))
)


def _in_config(*spellings: str) -> Paths:
    return tuple(itertools.product(CONFIGS, spellings))


OPTIONAL: Places = {
    "top_k": _in_config("topK", "top_k"),
    "seed": _in_config("seed"),
    "frequency_penalty": _in_config("frequencyPenalty", "frequency_penalty"),
    "presence_penalty": _in_config("presencePenalty", "presence_penalty"),
    "media_resolution": _in_config("mediaResolution", "media_resolution"),
    "safety_settings": (("safetySettings",), ("safety_settings",)),
    "labels": (("labels",),),
    "gemini_service_tier": (("serviceTier",), ("service_tier",)),
}


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


def take_allowed(document: Document) -> AllowedTools | None:
    config = member(mapping(member(document, "toolConfig")), "functionCallingConfig")
    names = _pop(config, *ALLOWED) if isinstance(config, dict) else None
    return allowed_tools(names, mapping(config).get("mode") == "ANY") if isinstance(names, list) else None


SAMPLING = {"topP": "top_p", "topK": "top_k"}
"""Parameters, and the only names that the library knows them by."""


def prepare(document: Document) -> None:
    """Schemas stand in one place, in the words of JSON Schema; parameters have names that the library reads."""
    config = member(document, "generationConfig")
    for name, read in SAMPLING.items():
        if isinstance(config, dict) and name in config:
            config[read] = config.pop(name)
    for tool in dicts(document.get("tools")):
        for function in dicts(member(tool, "functionDeclarations")):
            schema = _pop(function, "parametersJsonSchema", "parameters_json_schema") or function.get("parameters")
            if schema:
                function["parameters"] = lowered(schema)


def _pop(members: Document, *names: str) -> Any:
    return next((members.pop(name) for name in names if name in members), None)


def fix_up(request: Document, to: Recipient, neutral: Members) -> None:
    """Schemas are JSON Schemas. All functions stand in one tool: Google refuses several, unless they search."""
    declared = list(functions(request))
    for function in declared:
        function.pop("parameters", None)
    if declared:
        others = [tool for tool in dicts(request["tools"]) if not member(tool, "functionDeclarations")]
        request["tools"] = [{"function_declarations": declared}, *others]
    if requires_signatures(to.model):
        for content in request["contents"]:
            _mark_calls(content["parts"])
    if to.max_tokens:
        request.setdefault("generationConfig", {}).setdefault("max_output_tokens", to.max_tokens)


def _mark_calls(parts: list[Document]) -> None:
    first = next((part for part in parts if "functionCall" in part), None)
    if first is not None:
        first.setdefault("thoughtSignature", UNSIGNED)


def write_format(asked: ResponseFormat, request: Document) -> None:
    config = request.setdefault("generationConfig", {})
    config["responseMimeType"] = JSON
    if asked.schema is not None:
        config["responseJsonSchema"] = asked.schema


def functions(request: Members) -> Iterator[Document]:
    for tool in dicts(request.get("tools")):
        yield from dicts(member(tool, "functionDeclarations"))


def hold_to_schemas(request: Document, facts: ModelFacts) -> bool:
    """A forced call is held to its schema anyway, and where none may be made there is nothing to hold."""
    if not facts.validates_calls:
        return False
    config = request.setdefault("tool_config", {}).setdefault("function_calling_config", {})
    if config.get("mode", "AUTO") == "AUTO":
        config["mode"] = "VALIDATED"
    return True


def write_allowed(allowed: AllowedTools, request: Document) -> None:
    request["tool_config"] = {"function_calling_config": {"mode": "ANY", "allowed_function_names": list(allowed.names)}}


def write_thinking(request: Document, thinking: Thinking, facts: ModelFacts) -> bool:
    config = request.setdefault("generationConfig", {})
    for name in ("thinking_config", "thinkingConfig"):
        config.pop(name, None)
        request.pop(name, None)
    if facts.thinking == "level":
        config["thinkingConfig"] = {"thinkingLevel": thinking.word(facts.efforts)}
    elif facts.thinking == "budget":
        off = facts.budget.least if facts.budget and facts.always_thinks else 0
        config["thinkingConfig"] = {"thinkingBudget": thinking.tokens(facts) if thinking.is_on else off}
    if thinking.is_on and "thinkingConfig" in config:
        config["thinkingConfig"]["includeThoughts"] = True
    return thinking.is_on and facts.can_think


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
            if data := mapping(_pop(part, "inlineData", "inline_data")):
                part["text"] = _media_text(state, data, part.get("thought") is True)
            if isinstance(call := part.get("functionCall"), dict):
                known = state.add_call(len(state.calls), call.get("id"), call.get("name"))
                call.update({"id": known.id, "name": known.name, "args": as_object(call.get("args"))})
                if signature := text(member(part, "thoughtSignature")):
                    state.signatures[known.id] = signature
    return ()


def _media_text(state: AnswerState, data: Members, is_thought: bool) -> str:
    """What stands in the place of data. Drafts of an image that the model thinks of, and other media, are told."""
    media = Media(text(member(data, "mimeType")) or "image/png", text(data.get("data")))
    if media.is_image and not is_thought:
        return state.mark_image(media.data_url())
    return media.generated_placeholder(state.size_of(media.data))


def writer(facts: RequestFacts) -> GeminiWriter:
    return GeminiWriter(is_list=not is_sse(facts))


CONVERSION = Conversion(
    library_name="google",
    history=HISTORY,
    call_ids=Spelling(64),
    unsupported=unsupported,
    stop_sequences=stop_sequences,
    response_format=response_format,
    optional=OPTIONAL,
    is_hosted=is_hosted,
    request_forms=REQUEST_FORMS,
    tool_forms={"functionDeclarations": Form.OBJECTS, "function_declarations": Form.OBJECTS},
    effort_places=EFFORT_PLACES,
    take_allowed=take_allowed,
    format_places=_in_config(*FORMAT_MEMBERS),
    reasoning_places=(("generationConfig", "thinkingConfig"), ("generation_config", "thinking_config")),
    prepare=prepare,
    fix_up=fix_up,
    make_valid=make_valid,
    carried=frozenset({"top_k", "seed", "frequency_penalty", "presence_penalty"}),
    write_format=write_format,
    functions=functions,
    schema_member="parametersJsonSchema",
    schemas=Subset(taken=GEMINI_TAKEN, formats=GEMINI_FORMATS, has_strict=False),
    can_allow=lambda allowed, _: allowed.must_call,
    hold_to_schemas=hold_to_schemas,
    write_allowed=write_allowed,
    parameters=Parameters(
        ("max_output_tokens", "maxOutputTokens"),
        holder="generationConfig",
        stops=("stop_sequences", "stopSequences"),
        most_stops=5,
    ),
    write_thinking=write_thinking,
    stream_member=None,
    asked_in_path=asked_in_path,
    answer_forms={"content": dict, "response": dict},
    plain_text=lambda _: None,
    repair=repair,
    writer=writer,
)
