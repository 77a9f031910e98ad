"""A request that the library has made, put right for real providers of its dialect."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pointsman.config.words import Dialect
from pointsman.wire.json_access import Members, dicts, mapping
from pointsman.wire.thinking_signatures import UNSIGNED

type Document = dict[str, Any]

DEFAULT_TOKENS = 8192
"""Of an answer, in the dialect that must be told a limit, where neither client nor configuration names one."""
NOTES = "_provider_metadata"
NESTED = ("content", "parts", "tool_calls")
"""Where the library leaves notes of its own."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """What is known of the target. `reasons`: its model may be told how much to reason, and what was thought before.

    `max_tokens` is what the configuration allows an answer whose client names no limit.
    """

    model: str
    reasons: bool = False
    max_tokens: int | None = None


def put_right(dialect: Dialect, request: Document, to: Recipient) -> None:
    _forget_library(request)
    RIGHT[dialect](request, to)


def _right_chat(request: Document, to: Recipient) -> None:
    """`max_tokens` is the name that all providers know."""
    request.pop("reasoning", None)
    if tokens := request.pop("max_completion_tokens", None) or to.max_tokens:
        request["max_tokens"] = tokens
    for message in dicts(request.get("messages")):
        if message.get("refusal", "") is None:
            message.pop("refusal")
        if not to.reasons:
            message.pop("reasoning_content", None)
        _join_system(message)


def _right_responses(request: Document, to: Recipient) -> None:
    """Nobody will ask for this answer again."""
    request["store"] = False
    if to.max_tokens:
        request.setdefault("max_output_tokens", to.max_tokens)


def _right_anthropic(request: Document, to: Recipient) -> None:
    """Thoughts that Anthropic has not signed are refused; and after a call without its thoughts, so is thinking."""
    for message in dicts(request.get("messages")):
        if isinstance(message.get("content"), list):
            message["content"] = [block for block in message["content"] if block.get("type") != "thinking"]
            for block in message["content"]:
                block.pop("caller", None)
                if block.get("type") == "tool_use":
                    request.pop("thinking", None)
    request["messages"] = merged(request.get("messages"), "content")
    if not request.get("max_tokens"):
        request["max_tokens"] = to.max_tokens or DEFAULT_TOKENS


def _right_gemini(request: Document, to: Recipient) -> None:
    """Schemas go as the client wrote them; all results of one turn stand together."""
    for tool in dicts(request.get("tools")):
        for function in dicts(tool.get("function_declarations")):
            function.pop("parameters", None)
    request["contents"] = merged(request.get("contents"), "parts")
    for content in request["contents"]:
        content["parts"] = [right for part in content["parts"] for right in _right_part(part)]
        if "gemini-3" in to.model:
            _mark_calls(content["parts"])
    if to.max_tokens:
        request.setdefault("generationConfig", {}).setdefault("max_output_tokens", to.max_tokens)


def merged(messages: object, member: str) -> list[Document]:
    """Messages of one role that follow each other as one; empty ones are left out."""
    turns: list[Document] = []
    for message in messages if isinstance(messages, list) else ():
        content = message.get(member)
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if not parts:
            continue
        if turns and turns[-1]["role"] == message["role"]:
            turns[-1][member] += parts
        else:
            turns.append({**message, member: list(parts)})
    return turns


def declared(request: Document, schemas: Mapping[str, Members]) -> None:
    """Gives Gemini's functions the schemas of their names."""
    for tool in dicts(request.get("tools")):
        for function in dicts(tool.get("function_declarations")):
            if schema := schemas.get(function["name"]):
                function["parametersJsonSchema"] = {key: value for key, value in schema.items() if key != "$schema"}


def _forget_library(request: Document) -> None:
    """Its own notes are no member of any dialect."""
    for turns in ("messages", "contents", "input"):
        for turn in dicts(request.get(turns)):
            for inner in (turn, *(part for name in NESTED for part in dicts(turn.get(name)))):
                inner.pop(NOTES, None)


def _right_part(part: Document) -> Iterable[Document]:
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


def _join_system(message: Document) -> None:
    content = message.get("content")
    if message.get("role") in ("system", "developer") and isinstance(content, list):
        message["content"] = "\n".join(part["text"] for part in content if "text" in part)


RIGHT: Mapping[Dialect, Callable[[Document, Recipient], None]] = {
    Dialect.OPENAI_CHAT: _right_chat,
    Dialect.OPENAI_RESPONSES: _right_responses,
    Dialect.ANTHROPIC: _right_anthropic,
    Dialect.GEMINI: _right_gemini,
}
