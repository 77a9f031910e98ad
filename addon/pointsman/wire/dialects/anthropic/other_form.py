"""Anthropic's Messages: events joined into one message, and a message split into events. Unknown members stay."""

from collections.abc import Iterator, Mapping
from typing import Any

from pointsman.wire import jsontext, sse
from pointsman.wire.conversion.arguments import as_object, normalized
from pointsman.wire.conversion.ir import Kind, Part, distinct_ids
from pointsman.wire.dialects.anthropic.answers import FINISH_REASONS
from pointsman.wire.dialects.base import OtherForm
from pointsman.wire.json_access import Document, Members, count, dicts, mapping, text
from pointsman.wire.request_facts import RequestFacts

MESSAGE: Members = {"type": "message", "role": "assistant"}
OPENED_BY: Mapping[str, Members] = {
    "text_delta": {"type": "text", "text": ""},
    "citations_delta": {"type": "text", "text": ""},
    "thinking_delta": {"type": "thinking", "thinking": "", "signature": ""},
    "signature_delta": {"type": "thinking", "thinking": "", "signature": ""},
}
"""The block that a delta goes on with, should its opening be missing."""
ENDING = ("stop_reason", "stop_sequence", "stop_details", "container")
"""What a stream says of its message at the end, in `delta`."""
LATE = "context_management"
"""What it says beside that."""
LAST_COUNTS = (
    "input_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "output_tokens",
    "output_tokens_details",
    "server_tool_use",
)
"""Of the usage, what the end of a stream says."""


class MessagesJoiner:
    def __init__(self) -> None:
        self._message: Document = {}
        self._blocks: dict[int, Document] = {}
        self._inputs: dict[int, str] = {}

    def add(self, document: Document) -> None:
        index = count(document.get("index"))
        match document.get("type"):
            case "message_start":
                self._message |= mapping(document.get("message"))
                self._blocks |= enumerate(dicts(self._message.pop("content", None)))
            case "content_block_start":
                self._blocks[index] = dict(mapping(document.get("content_block")))
            case "content_block_delta":
                self._add_delta(index, mapping(document.get("delta")))
            case "message_delta":
                self._end(document)

    def _add_delta(self, index: int, delta: Members) -> None:
        kind = text(delta.get("type"))
        block = self._blocks.setdefault(index, dict(OPENED_BY.get(kind, {})))
        match kind:
            case "input_json_delta":
                self._inputs[index] = self._inputs.get(index, "") + text(delta.get("partial_json"))
            case "citations_delta":
                held = block.get("citations")
                block["citations"] = [*(held if isinstance(held, list) else ()), delta.get("citation")]
            case "signature_delta":
                block["signature"] = delta.get("signature")
            case _:
                for name, value in delta.items():
                    if name != "type":
                        before = block.get(name)
                        grows = isinstance(before, str) and isinstance(value, str)
                        block[name] = before + value if grows else value

    def _end(self, document: Members) -> None:
        for name, value in document.items():
            if name == "usage":
                held = mapping(self._message.get(name))
                said = {each: number for each, number in mapping(value).items() if number is not None}
                self._message[name] = {**held, **said}
            elif name == "delta":
                self._message |= {each: one for each, one in mapping(value).items() if one is not None}
            elif name != "type":
                self._message[name] = value

    def whole(self) -> Document:
        reason = self._message.get("stop_reason")
        is_cut = isinstance(reason, str) and FINISH_REASONS.get(reason) == "length"
        for index, said in self._inputs.items():
            if said.strip():
                self._blocks[index]["input"] = _input(said, is_cut)
        blocks = [block for _, block in sorted(self._blocks.items())]
        return {**MESSAGE, **self._message, "content": _well_formed(blocks, self._message.get("id"))}


def _well_formed(blocks: list[Document], message_id: object) -> list[Document]:
    """The same blocks. Each call has an id of its own, and its input is an object, even if its provider wrote none."""
    calls = [block for block in blocks if block.get("type") == "tool_use"]
    for call, call_id in zip(calls, distinct_ids(message_id, [each.get("id") for each in calls]), strict=True):
        given = call.get("input")
        if not isinstance(given, dict):
            given = _input(given, False) if isinstance(given, str) else as_object(given)
        call |= {"id": call_id, "input": given}
    return blocks


def _input(said: str, is_cut: bool) -> Document:
    try:
        given = jsontext.loads_exactly(normalized(said).encode("utf-8", "surrogatepass"))
    except ValueError:
        given = None
    return given if isinstance(given, dict) else Part(Kind.CALL, said, is_cut=is_cut).arguments()


def split(document: Document, facts: RequestFacts) -> bytes:
    return b"".join(sse.event(each["type"], jsontext.dumps(each)) for each in _events(document))


def _events(document: Document) -> Iterator[Document]:
    blocks = _well_formed(dicts(document.pop("content", None)), document.get("id"))
    usage = mapping(document.get("usage"))
    ending = {name: document[name] for name in ENDING if name in document}
    opened = {**document, **dict.fromkeys(ending), "content": [], "usage": {**usage, "output_tokens": 0}}
    yield {"type": "message_start", "message": opened}
    for index, block in enumerate(blocks):
        opening, deltas = _block(block)
        yield {"type": "content_block_start", "index": index, "content_block": opening}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    late = {LATE: document[LATE]} if LATE in document else {}
    counts = {"output_tokens": 0, **{name: usage[name] for name in LAST_COUNTS if name in usage}}
    delta = {"stop_reason": None, "stop_sequence": None, **ending}
    yield {"type": "message_delta", "delta": delta, "usage": counts, **late}
    yield {"type": "message_stop"}


def _block(block: Members) -> tuple[Members, list[Members]]:
    """How a block opens, and its deltas. One of an unknown kind opens whole."""
    match block:
        case {"type": "text", "text": str(said)}:
            cited = block.get("citations")
            deltas: list[Any] = [{"type": "text_delta", "text": said}] if said else []
            if not isinstance(cited, list):
                return {**block, "text": ""}, deltas
            deltas += [{"type": "citations_delta", "citation": each} for each in cited]
            return {**block, "text": "", "citations": []}, deltas
        case {"type": "thinking", "thinking": str(said)}:
            deltas = [{"type": "thinking_delta", "thinking": said}] if said else []
            if signature := block.get("signature"):
                deltas.append({"type": "signature_delta", "signature": signature})
            return {**block, "thinking": "", "signature": ""}, deltas
        case {"input": dict() as given}:
            said = jsontext.dumps(given).decode()
            return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": said}] if given else []
        case {"type": "text", "text": None}:
            return {**block, "text": ""}, []
        case _:
            return block, []


OTHER_FORM = OtherForm(MessagesJoiner, split)
