"""Strict judges of each dialect: the types of its vendor's SDK, with members that these do not know refused.

Nothing is coerced. `EXTENSIONS` are the members that are in use although the vendor's types lack them.
"""

from collections.abc import Callable, Mapping
from functools import cache
from hashlib import sha256
from typing import Any

import orjson
from anthropic.types import Message, RawMessageStreamEvent
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming, MessageCreateParamsStreaming
from google.genai import types as google
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat import completion_create_params as chat_params
from openai.types.responses import Response, ResponseStreamEvent, response_create_params
from pydantic import BaseModel, ConfigDict, TypeAdapter
from pydantic_core import SchemaValidator, ValidationError

from pointsman.config.enums import Dialect

CHAT, RESPONSES, ANTHROPIC, GEMINI = Dialect
EXTENSIONS: Mapping[Dialect, Mapping[str, str]] = {
    # DeepSeek's word for thoughts, Google's for signatures at its compatible endpoint, OpenRouter's for images.
    CHAT: {"reasoning_content": "", "extra_content": "", "images": ""},
    # OpenAI's answers have them; other versions of its SDK require the name.
    RESPONSES: {"store": "", "name": "response.function_call_arguments.done"},
    # Models before those that refuse them take them; this version of the SDK has only what newer ones take.
    ANTHROPIC: {"temperature": "", "top_p": "", "top_k": ""},
    GEMINI: {},
}
"""Each with the `type` of the objects that have it; "" for any."""

TAGS = ("type", "role")
"""Members that tell the alternatives of a union apart."""


class GeminiRequest(BaseModel):
    """The body of `generateContent`, which the SDK has no type for; its members have theirs."""

    model_config = ConfigDict(extra="forbid")

    contents: list[google.Content]
    systemInstruction: google.Content | None = None
    tools: list[google.Tool] | None = None
    toolConfig: google.ToolConfig | None = None
    generationConfig: google.GenerationConfig | None = None
    safetySettings: list[google.SafetySetting] | None = None


REQUESTS: Mapping[tuple[Dialect, bool], Any] = {
    (CHAT, False): chat_params.CompletionCreateParamsNonStreaming,
    (CHAT, True): chat_params.CompletionCreateParamsStreaming,
    (RESPONSES, False): response_create_params.ResponseCreateParamsNonStreaming,
    (RESPONSES, True): response_create_params.ResponseCreateParamsStreaming,
    (ANTHROPIC, False): MessageCreateParamsNonStreaming,
    (ANTHROPIC, True): MessageCreateParamsStreaming,
    (GEMINI, False): GeminiRequest,
    (GEMINI, True): GeminiRequest,
}
ANSWERS: Mapping[Dialect, Any] = {
    CHAT: ChatCompletion,
    RESPONSES: Response,
    ANTHROPIC: Message,
    GEMINI: google.GenerateContentResponse,
}
EVENTS: Mapping[Dialect, Any] = {
    CHAT: ChatCompletionChunk,
    RESPONSES: ResponseStreamEvent,
    ANTHROPIC: RawMessageStreamEvent,
    GEMINI: google.GenerateContentResponse,
}

_PASSED: set[tuple[Any, bytes]] = set()
"""What was found valid: the type and the hash of the document. Most come again, from other pairs of dialects."""
_SPELLINGS = {"function_declarations": "functionDeclarations"}
"""Google takes both; the types know one."""


def check_request(dialect: Dialect, body: Mapping[str, Any], stream: bool) -> None:
    """Raises AssertionError that names what the provider's types do not allow."""
    if dialect is GEMINI and body.get("tools"):
        tools = [{_SPELLINGS.get(name, name): value for name, value in tool.items()} for tool in body["tools"]]
        body = {**body, "tools": tools}
    _check(REQUESTS[dialect, stream], dialect, body)


def check_answer(dialect: Dialect, document: Mapping[str, Any]) -> None:
    """Raises AssertionError that names what the client's types do not allow in an answer that came whole."""
    _check(ANSWERS[dialect], dialect, document)


def check_event(dialect: Dialect, document: Mapping[str, Any]) -> None:
    """Raises AssertionError that names what the client's types do not allow in an event of a stream."""
    _check(EVENTS[dialect], dialect, document)


def _check(kind: Any, dialect: Dialect, document: Mapping[str, Any]) -> None:
    text = orjson.dumps(_without(EXTENSIONS[dialect], document))
    if (passed := (kind, sha256(text).digest())) in _PASSED:
        return
    try:
        _validator(kind).validate_json(text, strict=True)
    except ValidationError as error:
        raise AssertionError("\n".join((f"not of {dialect}: {document}", *_faults(error)))) from None
    _PASSED.add(passed)


def _faults(error: ValidationError) -> list[str]:
    """Those of the types that were meant: alternatives of a union with another `type` or `role` are left out."""
    found = error.errors(include_url=False)
    others = {each["loc"][:-1] for each in found if each["type"] == "literal_error" and each["loc"][-1] in TAGS}
    meant = [each for each in found if not any(each["loc"][:length] in others for length in range(len(each["loc"])))]
    return [f"{'.'.join(str(name)[:40] for name in each['loc'])}: {each['msg']}" for each in meant or found][:40]


def _without(names: Mapping[str, str], value: Any) -> Any:
    if isinstance(value, Mapping):
        known = [name for name in value if name not in names or names[name] not in ("", value.get("type"))]
        return {name: _without(names, value[name]) for name in known}
    return [_without(names, each) for each in value] if isinstance(value, list) else value


@cache
def _validator(kind: Any) -> SchemaValidator:
    adapter = TypeAdapter(list[kind], config=ConfigDict(arbitrary_types_allowed=True, defer_build=False))
    schema = dict(_strict(adapter.core_schema))
    items: Callable[[Any], Any] = lambda each: each["items_schema"]  # noqa: E731
    if schema["type"] == "definitions":
        schema["schema"] = items(schema["schema"])
    else:
        schema = items(schema)
    return SchemaValidator(schema)  # type: ignore[arg-type]


def _strict(schema: Any) -> Any:
    """The schema, with unknown members forbidden, and iterables read at once instead of when they are iterated.

    Members are known by the names that travel, not by those that Python code uses for them.
    """
    if isinstance(schema, list | tuple):
        return type(schema)(map(_strict, schema))
    if not isinstance(schema, dict):
        return schema
    strict = {name: _strict(value) for name, value in schema.items()}
    match strict.get("type"):
        case "generator":
            strict["type"] = "list"
        case "typed-dict" | "model-fields":
            strict["extra_behavior"] = "forbid"
        case "model":
            names = {"validate_by_alias": True, "validate_by_name": False, "populate_by_name": False}
            strict["config"] = {**strict.get("config", {}), **names, "extra_fields_behavior": "forbid"}
    return strict
