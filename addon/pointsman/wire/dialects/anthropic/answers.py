"""Answers in the dialect of Anthropic's Messages, streamed and whole."""

from collections.abc import Mapping, Sequence
from typing import Any

from pointsman.wire import jsontext
from pointsman.wire.dialects.anthropic.request import COUNT_TOKENS
from pointsman.wire.error_parsing import declared_fault, wrapped_fault
from pointsman.wire.frames import Frame, FrameKind, Reader, Usage
from pointsman.wire.json_access import count, mapping, mappings
from pointsman.wire.request_facts import RequestFacts
from pointsman.wire.sse import LARGE_EVENT, Decoder, Event
from pointsman.wire.stream_reader import StreamReader, is_run_of, malformed
from pointsman.wire.usage_counts import billed, cache_writes, is_possible
from pointsman.wire.whole_reader import CountReader, WholeReader, reader_for

FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}

CONTENT_EVENT = "content_block_delta"
SILENT_BLOCKS = ("text", "thinking")
"""Such a block is empty when it opens; of any other kind its mere being there says something."""


def reader(facts: RequestFacts, content_type: str, drop_usage: bool = False, /) -> Reader:
    if facts.action:
        return CountReader(COUNT_TOKENS.member)
    return reader_for(facts.stream, content_type, MessagesStreamReader, MessagesWholeReader)


class MessagesStreamReader(StreamReader):
    def __init__(self) -> None:
        super().__init__(Decoder(LARGE_EVENT, shortens=True))
        self._counts: Mapping[str, Any] = {}

    def is_plain_run(self, data: bytes) -> bool:
        return is_run_of(data, b"event: content_block_delta\ndata: {")

    def frame_of(self, event: Event) -> Frame:
        if self.has_spoken and event.event == CONTENT_EVENT:
            return Frame(FrameKind.CONTENT, event.raw)
        document = jsontext.loads(event.data or b"")
        if isinstance(document, Mapping):
            return self._frame_of_document(document, event.raw)
        if fault := wrapped_fault(document):
            return Frame(FrameKind.ERROR, event.raw, fault)
        raise ValueError("not an object")

    def _frame_of_document(self, document: Mapping[str, Any], raw: bytes) -> Frame:
        match document.get("type"):
            case "message_start":
                self._count(mapping(document.get("message")).get("usage"))
            case "content_block_start" if block_speaks(mapping(document.get("content_block"))):
                return Frame(FrameKind.CONTENT, raw)
            case "content_block_delta" if has_content(mapping(document.get("delta"))):
                return Frame(FrameKind.CONTENT, raw)
            case "message_delta":
                self._finish(mapping(document.get("delta")).get("stop_reason"))
                self._count(document.get("usage"))
            case "message_stop":
                self.finished = True
                return Frame(FrameKind.END, raw)
            case "ping":
                return Frame(FrameKind.PING, raw)
            case "error":
                return Frame(FrameKind.ERROR, raw, declared_fault(document))
            case _ if fault := wrapped_fault(document):
                return Frame(FrameKind.ERROR, raw, fault)
        return Frame(FrameKind.NEUTRAL, raw)

    def _finish(self, reason: object) -> None:
        if isinstance(reason, str) and reason:
            self.finish_reason = FINISH_REASONS.get(reason, reason)
            self.finished = True

    def _count(self, counts: object) -> None:
        """The opening counts the prompt, later events what was said. Some repeat all of it; 0 corrects nothing."""
        if isinstance(counts, Mapping):
            self._counts = {**self._counts, **{name: value for name, value in counts.items() if value}}
            self.usage = usage_of(self._counts)


class MessagesWholeReader(WholeReader):
    def frames_of(self, document: Mapping[str, Any], body: bytes) -> Sequence[Frame]:
        if not isinstance(document.get("content"), list):
            return [malformed("an answer without content")]
        reason = document.get("stop_reason")
        self.usage = usage_of(usage) if isinstance(usage := document.get("usage"), Mapping) else None
        self.finish_reason = FINISH_REASONS.get(reason, reason) if isinstance(reason, str) else None
        self.finished = True
        if any(map(block_speaks, mappings(document.get("content")))):
            return [Frame(FrameKind.CONTENT, body), Frame(FrameKind.END, b"")]
        return [Frame(FrameKind.END, body)]


def block_speaks(block: Mapping[str, Any]) -> bool:
    """Whether a block, just opened or whole, has content."""
    kind = block.get("type")
    return bool(block.get(kind)) if kind in SILENT_BLOCKS else kind is not None


def has_content(delta: Mapping[str, Any]) -> bool:
    """Whether a delta, of whatever kind, adds anything."""
    return any(value for name, value in delta.items() if name != "type")


def usage_of(counts: Mapping[str, Any]) -> Usage | None:
    """The prompt is counted in three parts: what was cached, what is now, and the rest. None: of impossible counts."""
    if not is_possible(counts):
        return None
    written, hour = cache_writes(counts)
    output = count(counts.get("output_tokens"))
    return Usage(
        input=count(counts.get("input_tokens")),
        output=output,
        cache_read=count(counts.get("cache_read_input_tokens")),
        cache_write_5m=written - hour,
        cache_write_1h=hour,
        reasoning=min(output, count(mapping(counts.get("output_tokens_details")).get("thinking_tokens"))),
        cost=billed(counts),
    )
