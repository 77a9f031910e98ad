"""How chat completions that broke off go on."""

from collections.abc import Mapping
from typing import Any

from pointsman.config.enums import Prefill
from pointsman.wire.continuation.base import DialectContinuation, Obstacle, SeenAnswer
from pointsman.wire.continuation.reasons import NotContinued
from pointsman.wire.dialects.openai_chat.answer_writer import ChatWriter
from pointsman.wire.dialects.openai_chat.answers import finish_reason_of
from pointsman.wire.json_access import Document, Members, count, mapping, mappings, text
from pointsman.wire.request_facts import RequestFacts

THOUGHTS = ("reasoning_content", "reasoning")
SIGNED_MEMBERS = ("signature", "data")
"""Of an entry in `reasoning_details`."""
OBSTACLES = {
    "tool_calls": NotContinued.TOOL_CALL,
    "function_call": NotContinued.TOOL_CALL,
    "refusal": NotContinued.REFUSAL,
    "audio": NotContinued.NOT_TEXT,
    "images": NotContinued.NOT_TEXT,
    "annotations": NotContinued.NOT_TEXT,
}
CONSTRAINTS = (
    "guided_json", "guided_regex", "guided_choice", "guided_grammar", "structured_outputs",
    "grammar", "json_schema", "regex", "ebnf", "structural_tag",
)  # fmt: skip
"""What vLLM, llama.cpp and SGLang have beside `response_format`. Each holds for a whole answer."""
OF_ONE_EVENT = ("choices", "usage", "x_groq", "obfuscation", "p", "error")
"""Members of a chunk that the next one has not to repeat."""


def obstacle(request: Members) -> NotContinued | None:
    messages = mappings(request.get("messages"))
    if count(request.get("n")) > 1:
        return NotContinued.SEVERAL_CHOICES
    if request.get("logprobs"):
        return NotContinued.LOGPROBS
    if mapping(request.get("response_format")).get("type") not in (None, "text"):
        return NotContinued.JSON_FORMAT
    if any(request.get(name) for name in CONSTRAINTS):
        return NotContinued.JSON_FORMAT
    if _is_forced(request.get("tool_choice")) or _is_forced(request.get("function_call")):
        return NotContinued.FORCED_TOOL
    if request.get("modalities") not in (None, ["text"]) or request.get("audio"):
        return NotContinued.NOT_TEXT
    return NotContinued.OWN_PREFILL if messages and messages[-1].get("role") == "assistant" else None


def _is_forced(choice: Any) -> bool:
    if mapping(choice).get("type") == "allowed_tools":
        return mapping(mapping(choice).get("allowed_tools")).get("mode") == "required"
    return choice not in (None, "auto", "none")


def turns(request: Members, said: str, instruction: str | None) -> Document:
    messages = [*request["messages"], {"role": "assistant", "content": said}]
    if instruction is not None:
        messages.append({"role": "user", "content": instruction})
    return {"messages": messages}


def mark(request: Document, prefill: Prefill) -> None:
    if prefill is Prefill.PREFIX:
        request["messages"][-1]["prefix"] = True
    elif prefill is Prefill.CONTINUE_FINAL_MESSAGE:
        request["continue_final_message"], request["add_generation_prompt"] = True, False


class SeenChat(SeenAnswer):
    def __init__(self) -> None:
        super().__init__()
        self._frame: dict[str, Any] = {}

    def _note(self, document: Document) -> None:
        choices = mappings(document.get("choices"))
        if choices:
            self._frame = {name: value for name, value in document.items() if name not in OF_ONE_EVENT}
        for choice in choices:
            if choice.get("index") not in (0, None):
                raise Obstacle(NotContinued.SEVERAL_CHOICES)
            if choice.get("logprobs"):
                raise Obstacle(NotContinued.LOGPROBS)
            if choice.get("message") or choice.get("text") or finish_reason_of([choice]):
                raise Obstacle(NotContinued.NOT_TEXT)
            self._note_delta(mapping(choice.get("delta")))

    def _note_delta(self, delta: Mapping[str, Any]) -> None:
        for name, reason in OBSTACLES.items():
            if delta.get(name):
                raise Obstacle(reason)
        if any(part.get(name) for part in mappings(delta.get("reasoning_details")) for name in SIGNED_MEMBERS):
            raise Obstacle(NotContinued.THINKING)
        if any(delta.get(name) for name in THOUGHTS):
            self._is_thinking = True
        content = delta.get("content")
        if content and not isinstance(content, str):
            raise Obstacle(NotContinued.NOT_TEXT)
        self._add_text(text(content))

    def writer(self, facts: RequestFacts) -> ChatWriter:
        return ChatWriter(facts.asks_usage, self._frame)


def seen(facts: RequestFacts) -> SeenChat:
    return SeenChat()


CONTINUATION = DialectContinuation(
    obstacle=obstacle,
    turns=turns,
    limits=(("max_tokens",), ("max_completion_tokens",)),
    mark=mark,
    seen=seen,
)
