"""How Responses cross into other dialects, and back."""

from collections.abc import Iterable, Iterator

from pointsman.model_facts import ModelFacts
from pointsman.wire.conversion.allowed_tools import AllowedTools
from pointsman.wire.conversion.base import Conversion, Recipient, Wish
from pointsman.wire.conversion.fit_model import Parameters
from pointsman.wire.conversion.hosted_tools import unless_of_type
from pointsman.wire.conversion.identifiers import Spelling
from pointsman.wire.conversion.ir import AnswerState, Kind, Piece
from pointsman.wire.conversion.response_format import ResponseFormat, openai_format
from pointsman.wire.conversion.schemas import OPENAI_STRICT_REFUSED, Subset
from pointsman.wire.conversion.thinking import COMMON, Thinking
from pointsman.wire.dialects.openai_responses.answer_writer import ResponsesWriter
from pointsman.wire.dialects.openai_responses.history import HISTORY
from pointsman.wire.dialects.openai_responses.tools import CLIENT_TYPES, all_tools, free_tools, namespaces
from pointsman.wire.json_access import Document, Members, dicts, mapping, mappings, text
from pointsman.wire.request_facts import RequestFacts

STORED = ("previous_response_id", "conversation", "prompt")
"""Members of a request that refer to what only one provider keeps."""
STORED_ITEMS = ("item_reference", "compaction")
"""Kinds of items that only one provider can read."""


def unsupported(document: Members) -> Iterator[str]:
    for name in STORED:
        if document.get(name):
            yield f"`{name}` is known only to the provider that issued it"
    if document.get("background"):
        yield "background answers cannot be converted"
    included = document.get("include")
    if document.get("top_logprobs") or (isinstance(included, list) and "message.output_text.logprobs" in included):
        yield "logprobs cannot be converted"
    if mapping(document.get("tool_choice")).get("type") not in (None, "function", "custom", "allowed_tools"):
        yield "this kind of `tool_choice` cannot be converted"
    for item in mappings(document.get("input")):
        if item.get("type") in STORED_ITEMS:
            yield f"`{item['type']}` is known only to the provider that issued it"


def response_format(document: Members) -> ResponseFormat | None:
    asked = mapping(mapping(document.get("text")).get("format"))
    return openai_format(asked, asked)


def prepare(document: Document) -> None:
    """Tools that Codex adds within its items join the others."""
    document["tools"] = all_tools(document)


def cannot_express(wish: Wish) -> Iterator[str]:
    if wish.has_stop_sequences:
        yield "openai-responses does not support stop sequences"


def fix_up(request: Document, to: Recipient, neutral: Members) -> None:
    """No later request refers to this answer."""
    request["store"] = False
    if to.max_tokens:
        request.setdefault("max_output_tokens", to.max_tokens)


def write_format(asked: ResponseFormat, request: Document) -> None:
    if asked.schema is None:
        request["text"] = {"format": {"type": "json_object"}}
        return
    named = {"type": "json_schema", "name": asked.name, "schema": asked.schema, "strict": asked.is_strict}
    request["text"] = {"format": named}


def write_allowed(allowed: AllowedTools, request: Document) -> None:
    tools = [{"type": "function", "name": name} for name in allowed.names]
    mode = "required" if allowed.must_call else "auto"
    request["tool_choice"] = {"type": "allowed_tools", "mode": mode, "tools": tools}


def write_thinking(request: Document, thinking: Thinking, facts: ModelFacts) -> bool:
    written = {name: value for name, value in mapping(request.pop("reasoning", None)).items() if name == "summary"}
    if not facts.can_think:
        return False
    if word := thinking.word(facts.efforts or COMMON):
        request["reasoning"] = {"effort": word, **written}
    return thinking.is_on


def plain_text(document: Document) -> str | None:
    if document.get("type") != "response.output_text.delta":
        return None
    delta = document.get("delta")
    return delta if isinstance(delta, str) else None


def repair(state: AnswerState, document: Document) -> Iterable[Piece]:
    if document.get("type") == "response.reasoning_text.delta":
        document["type"] = "response.reasoning_summary_text.delta"
    return ()


def late(state: AnswerState, document: Document) -> Iterator[Piece]:
    """Some providers give the arguments of a call only when its item is done."""
    if document.get("type") != "response.output_item.done":
        return
    item = mapping(document.get("item"))
    call_id, said = text(item.get("call_id")), text(item.get("arguments") or item.get("input"))
    if call_id and said and call_id not in state.spoken_ids:
        yield Piece(Kind.CALL, said, call_id, text(item.get("name")))


def repeated_answer(document: Document) -> Document | None:
    if document.get("type") not in ("response.completed", "response.incomplete"):
        return None
    answer: Document = document["response"]
    return answer


def writer(facts: RequestFacts) -> ResponsesWriter:
    return ResponsesWriter(facts.document, namespaces(facts.document))


CONVERSION = Conversion(
    library_name="openai_responses",
    history=HISTORY,
    call_ids=Spelling(64),
    unsupported=unsupported,
    stop_sequences=lambda document: None,
    response_format=response_format,
    is_hosted=unless_of_type(*CLIENT_TYPES),
    free_tools=free_tools,
    format_places=(("text", "format"),),
    reasoning_places=(("reasoning",),),
    own_places=(("prompt_cache_key",), ("prompt_cache_retention",)),
    prepare=prepare,
    cannot_express=cannot_express,
    fix_up=fix_up,
    write_format=write_format,
    functions=lambda request: [tool for tool in dicts(request.get("tools")) if tool.get("type") == "function"],
    schema_member="parameters",
    schemas=Subset(strict_refused=OPENAI_STRICT_REFUSED, strict_needs_all=True),
    can_allow=lambda *_: True,
    write_allowed=write_allowed,
    parameters=Parameters(("max_output_tokens",), least_limit=16),
    write_thinking=write_thinking,
    plain_text=plain_text,
    repair=repair,
    late=late,
    repeated_answer=repeated_answer,
    writer=writer,
)
