"""A client's request, made ready for the library: what it would lose, mistake or warn about is taken out or put right.

Each function changes a document that nobody else has, of its own dialect.
"""

from collections.abc import Callable, Mapping
from typing import Any

from pointsman.config.words import Dialect
from pointsman.wire.conversion.answer_writer import WRAPPED
from pointsman.wire.conversion.ir import dumps
from pointsman.wire.conversion.response_format import lowered
from pointsman.wire.conversion.tools import is_hosted, spaces
from pointsman.wire.dialects.gemini.names import member
from pointsman.wire.json_access import dicts, mapping, text

type Document = dict[str, Any]

REASONING: Mapping[Dialect, tuple[tuple[str, ...], ...]] = {
    Dialect.OPENAI_CHAT: (("reasoning_effort",), ("reasoning",)),
    Dialect.OPENAI_RESPONSES: (("reasoning",),),
    Dialect.ANTHROPIC: (("thinking",), ("output_config", "effort")),
    Dialect.GEMINI: (("generationConfig", "thinkingConfig"), ("generation_config", "thinking_config")),
}
"""Where a request says how much to reason, which many models refuse to be told."""

FORMS: Mapping[Dialect, tuple[tuple[str, ...], ...]] = {
    Dialect.OPENAI_CHAT: (("response_format",),),
    Dialect.OPENAI_RESPONSES: (("text", "format"),),
    Dialect.ANTHROPIC: (("output_config", "format"), ("output_format",)),
    Dialect.GEMINI: tuple(
        (config, name)
        for config in ("generationConfig", "generation_config")
        for name in (
            "responseMimeType", "responseSchema", "responseJsonSchema",
            "response_mime_type", "response_schema", "response_json_schema",
        )
    ),
}  # fmt: skip
"""Where it asks for a form, which `forms` takes across."""

ONLY_HERE: Mapping[Dialect, tuple[tuple[str, ...], ...]] = {
    Dialect.OPENAI_CHAT: (("prompt_cache_key",), ("stream_options",)),
    Dialect.OPENAI_RESPONSES: (("prompt_cache_key",), ("prompt_cache_retention",)),
    Dialect.ANTHROPIC: (("metadata",), ("context_management",)),
    Dialect.GEMINI: (),
}
"""What is for a provider of this dialect alone, and nothing is lost without."""


def ready(dialect: Dialect, document: Document, reasons: bool) -> Document:
    """`reasons`: the model is known to take the client's word on how much to reason."""
    paths = (*FORMS[dialect], *ONLY_HERE[dialect], *(() if reasons else REASONING[dialect]))
    for path in paths:
        _take_out(document, path)
    if isinstance(document.get("tools"), list):
        document["tools"] = [tool for tool in document["tools"] if not is_hosted(dialect, tool)]
    if not document.get("tools"):
        document.pop("tools", None)
    READY[dialect](document)
    return document


def _take_out(document: Document, path: tuple[str, ...]) -> None:
    *outer, last = path
    for name in outer:
        inner = document.get(name)
        if not isinstance(inner, dict):
            return
        document = inner
    document.pop(last, None)


def _ready_chat(document: Document) -> None:
    for message in dicts(document.get("messages")):
        _join_texts(message)


def _ready_responses(document: Document) -> None:
    """Ids of items mean nothing to others, and the library would pass them on; nor do namespaces,
    and tools that take any text take an object with it elsewhere.
    """
    told = {where: name for name, where in spaces(document).items()}
    for item in dicts(document.get("input")):
        item.pop("id", None)
        item.pop("encrypted_content", None)
        if where := item.pop("namespace", None):
            item["name"] = told.get((where, text(item.get("name"))), item.get("name"))
        if item.get("type") == "custom_tool_call":
            wrapped = dumps({WRAPPED: item.pop("input", "")}).decode()
            item.update(type="function_call", arguments=wrapped)
        elif text(item.get("type")).endswith("_output"):
            item["type"] = "function_call_output"
            _join(item, "output")


def _ready_anthropic(document: Document) -> None:
    for message in dicts(document.get("messages")):
        for block in dicts(message.get("content")):
            if block.get("type") == "tool_result":
                _join(block, "content")


def _ready_gemini(document: Document) -> None:
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


def _join_texts(message: Document) -> None:
    if message.get("role") == "tool":
        _join(message, "content")


def _join(holder: Document, name: str) -> None:
    """What a tool gave back is one text, if it is nothing but texts."""
    parts = holder.get(name)
    if isinstance(parts, list) and all(isinstance(mapping(part).get("text"), str) for part in parts):
        holder[name] = "\n".join(part["text"] for part in parts)


READY: Mapping[Dialect, Callable[[Document], None]] = {
    Dialect.OPENAI_CHAT: _ready_chat,
    Dialect.OPENAI_RESPONSES: _ready_responses,
    Dialect.ANTHROPIC: _ready_anthropic,
    Dialect.GEMINI: _ready_gemini,
}
