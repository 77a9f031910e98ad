"""How Anthropic's Messages cross into other dialects, and back."""

from collections.abc import Iterable, Iterator

from pointsman.wire.conversion.base import Conversion, Recipient, Wish
from pointsman.wire.conversion.hosted_tools import unless_of_type
from pointsman.wire.conversion.ir import AnswerState, Kind, Piece
from pointsman.wire.conversion.request_fixups import merged
from pointsman.wire.conversion.request_prepare import join_texts
from pointsman.wire.conversion.response_format import ResponseFormat
from pointsman.wire.conversion.unknown_kinds import file_ids, parts_of, unknown_kinds
from pointsman.wire.dialects.anthropic.answer_writer import MessagesWriter
from pointsman.wire.dialects.anthropic.valid_request import make_valid
from pointsman.wire.json_access import Document, Members, dicts, mapping, mappings, text
from pointsman.wire.request_facts import RequestFacts

DEFAULT_TOKENS = 8192
"""The limit of an answer where neither client nor configuration names one: Anthropic requires one."""
BLOCKS = ("text", "image", "thinking", "redacted_thinking", "tool_use", "tool_result")
"""Kinds of content that cross."""


def unsupported(document: Members) -> Iterator[str]:
    if document.get("mcp_servers") or document.get("container"):
        yield "hosted tools cannot be converted: mcp_servers, container"
    yield from unknown_kinds("content", _blocks(document), BLOCKS)
    yield from file_ids(mapping(block.get("source")) for block in _blocks(document))


def images(document: Members) -> Iterator[object]:
    yield from (mapping(block.get("source")).get("url") for block in _blocks(document))


def _blocks(document: Members) -> Iterator[Members]:
    """Those within the results of tools too."""
    for block in parts_of(document.get("messages")):
        yield block
        yield from mappings(block.get("content"))


def response_format(document: Members) -> ResponseFormat | None:
    config = mapping(document.get("output_config"))
    asked = mapping(config.get("format") or document.get("output_format"))
    return ResponseFormat(mapping(asked.get("schema"))) if asked.get("type") == "json_schema" else None


def prepare(document: Document) -> None:
    for message in dicts(document.get("messages")):
        for block in dicts(message.get("content")):
            if block.get("type") == "tool_result":
                join_texts(block, "content")


def cannot_express(wish: Wish) -> Iterator[str]:
    if wish.response_format and wish.response_format.schema is None:
        yield "anthropic does not support JSON output without a schema"


def fix_up(request: Document, to: Recipient, neutral: Members) -> None:
    """Thoughts that Anthropic has not signed are refused; and after a call without its thoughts, so is thinking."""
    _gather_system(request, neutral)
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


def _gather_system(request: Document, neutral: Members) -> None:
    """Anthropic has one place for all system prompts; the library forgets those that stand between messages."""
    first = request.get("system") if neutral.get("system_instruction") else None
    later = [
        {"type": "text", "text": part["text"]}
        for message in mappings(neutral.get("messages"))
        if message.get("role") == "system"
        for part in mappings(message.get("content"))
        if part.get("text")
    ]
    if later:
        request["system"] = [*([{"type": "text", "text": first}] if isinstance(first, str) else first or []), *later]


def write_format(asked: ResponseFormat, request: Document) -> None:
    config = request.setdefault("output_config", {})
    config["format"] = {"type": "json_schema", "schema": asked.schema or {"type": "object"}}


def plain_text(document: Document) -> str | None:
    delta = document.get("delta")
    if not isinstance(delta, dict) or delta.get("type") != "text_delta":
        return None
    said = delta.get("text")
    return said if isinstance(said, str) else None


def repair(state: AnswerState, document: Document) -> Iterable[Piece]:
    document.setdefault("role", "assistant")
    for place, block in enumerate(dicts(document.get("content"))):
        if block.get("type") == "tool_use":
            call = state.add_call(place, block.get("id"), block.get("name"))
            call.add(block.get("input"))
            block.update({"id": call.id, "name": call.name, "input": {}})
    return ()


def calls(state: AnswerState, document: Document) -> Iterator[Piece]:
    """An event about a call is about nothing else."""
    key, block = document.get("index"), mapping(document.get("content_block"))
    match document.get("type"):
        case "content_block_start" if block.get("type") == "tool_use":
            document.clear()
            yield state.add_call(key, block.get("id"), block.get("name")).add(block.get("input") or "")
        case "content_block_delta" if (delta := mapping(document.get("delta"))).get("type") == "input_json_delta":
            document.clear()
            if call := state.calls.get(key):
                yield call.add(delta.get("partial_json"))
        case "content_block_stop" if call := state.calls.get(key):
            yield call.add("")._replace(is_last=True)


def late(state: AnswerState, document: Document) -> Iterator[Piece]:
    """Some providers open a block with its content in it."""
    if document.get("type") != "content_block_start":
        return
    block = mapping(document.get("content_block"))
    if said := text(block.get("text")):
        yield Piece(Kind.TEXT, said)
    elif said := text(block.get("thinking")):
        yield Piece(Kind.THOUGHT, said)


def writer(facts: RequestFacts) -> MessagesWriter:
    return MessagesWriter()


CONVERSION = Conversion(
    library_name="anthropic",
    unsupported=unsupported,
    images=images,
    stop_sequences=lambda document: document.get("stop_sequences"),
    response_format=response_format,
    is_hosted=unless_of_type(None, "custom"),
    format_places=(("output_config", "format"), ("output_format",)),
    reasoning_places=(("thinking",), ("output_config", "effort")),
    own_places=(("metadata",), ("context_management",)),
    prepare=prepare,
    cannot_express=cannot_express,
    fix_up=fix_up,
    make_valid=make_valid,
    refuses_blank_stops=True,
    write_format=write_format,
    plain_text=plain_text,
    repair=repair,
    calls=calls,
    late=late,
    writer=writer,
)
