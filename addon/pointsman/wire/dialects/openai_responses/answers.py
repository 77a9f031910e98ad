"""Answers in the dialect of OpenAI's Responses, streamed and whole."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pointsman.wire import jsontext
from pointsman.wire.dialects.openai_responses.request import COMPACT, COUNT_TOKENS
from pointsman.wire.dialects.openai_responses.tools import CALLS
from pointsman.wire.error_parsing import declared_fault, wrapped_fault
from pointsman.wire.frames import Frame, FrameKind, Opening, Reader, Usage
from pointsman.wire.json_access import mapping, mappings, text
from pointsman.wire.request_facts import RequestFacts
from pointsman.wire.sse import LARGE_EVENT, Decoder, Event
from pointsman.wire.stream_reader import StreamReader, is_run_of, malformed
from pointsman.wire.usage_counts import usage_of_report
from pointsman.wire.whole_reader import CountReader, PlainReader, WholeReader, reader_for

FINISH_REASONS = {"max_output_tokens": "length", "max_tokens": "length"}

DELTA = ".delta"
PARTIAL_IMAGE = ".partial_image"
"""The end of an event's type; an image says something before it is whole, and is too large to be held."""
SILENT_ITEMS = {"message": ("content",), "reasoning": ("summary", "content")}
"""Such an item says what these members hold; one of any other kind is a call, or what came of it."""

NUMBER = b'"sequence_number"'
NUMBER_WIDTH = 64
"""Bytes within which its digits stand."""
_DIGITS = re.compile(rb"\s*:\s*(\d{1,15})")


def reader(facts: RequestFacts, content_type: str, drop_usage: bool = False, /) -> Reader:
    if facts.action == COUNT_TOKENS.action:
        return CountReader(COUNT_TOKENS.member)
    if facts.action in ("", COMPACT):
        return reader_for(facts.stream, content_type, ResponsesStreamReader, ResponsesWholeReader)
    return reader_for(facts.stream, content_type, StoredStreamReader, PlainReader)


class ResponsesStreamReader(StreamReader):
    """Remembers what `response.created` said, and the number of the last event."""

    def __init__(self) -> None:
        super().__init__(Decoder(LARGE_EVENT, shortens=True))
        self._answer: Mapping[str, Any] | None = None
        self._last = b""

    @property
    def opening(self) -> Opening | None:
        return None if self._answer is None else Opening(self._answer, number_of(self._last) + 1)

    def read(self, data: bytes) -> Sequence[Frame]:
        frames = super().read(data)
        for frame in reversed(frames):
            if (at := frame.data.rfind(NUMBER)) >= 0:
                self._last = frame.data[at : at + NUMBER_WIDTH]  # and not a whole image
                break
        return frames

    def is_plain_run(self, data: bytes) -> bool:
        return is_run_of(data, b"event: response.output_text.delta\ndata: {")

    def frame_of(self, event: Event) -> Frame:
        if event.event.endswith(PARTIAL_IMAGE) or (self.has_spoken and event.event.endswith(DELTA)):
            return Frame(FrameKind.CONTENT, event.raw)
        document = jsontext.loads(event.data or b"")
        if isinstance(document, Mapping):
            return self._frame_of_document(document, event.raw)
        if fault := wrapped_fault(document):
            return Frame(FrameKind.ERROR, event.raw, fault)
        raise ValueError("not an object")

    def _frame_of_document(self, document: Mapping[str, Any], raw: bytes) -> Frame:
        answer = mapping(document.get("response"))
        match document.get("type"):
            case "response.created":
                self._answer = answer
            case "response.completed" | "response.incomplete":
                return self._conclude(answer, raw)
            case "response.failed":
                return Frame(FrameKind.ERROR, raw, declared_fault({"error": answer.get("error")}))
            case "error":
                return Frame(FrameKind.ERROR, raw, declared_fault(document))
            case "ping":
                return Frame(FrameKind.PING, raw)
            case str(kind) if kind.endswith(PARTIAL_IMAGE):
                return Frame(FrameKind.CONTENT, raw)
            case "response.output_item.done" if item_speaks(mapping(document.get("item"))):
                return Frame(FrameKind.CONTENT, raw)
            case str(kind) if kind.endswith(DELTA):
                return Frame(FrameKind.CONTENT if document.get("delta") else FrameKind.NEUTRAL, raw)
            case str(kind) if kind.startswith("response."):
                pass
            case _ if fault := wrapped_fault(document):
                return Frame(FrameKind.ERROR, raw, fault)
        return Frame(FrameKind.NEUTRAL, raw)

    def _conclude(self, answer: Mapping[str, Any], raw: bytes) -> Frame:
        """The last event has the whole answer once more; some providers say it there for the first time."""
        self.finish_reason, self.usage, self.finished = finish_reason_of(answer), usage_of(answer), True
        is_first_word = not self.has_spoken and any(map(item_speaks, mappings(answer.get("output"))))
        return Frame(FrameKind.CONTENT if is_first_word else FrameKind.END, raw)


class StoredStreamReader(ResponsesStreamReader):
    """The events of a stored answer, perhaps from its middle on: what they report is what was asked for."""

    def _frame_of_document(self, document: Mapping[str, Any], raw: bytes) -> Frame:
        kind = super()._frame_of_document(document, raw).kind
        if kind is FrameKind.PING or document.get("type") == "error":
            return super()._frame_of_document(document, raw)
        self.finished = self.finished or document.get("type") == "response.failed"
        return Frame(FrameKind.CONTENT, raw)


class ResponsesWholeReader(WholeReader):
    def frames_of(self, document: Mapping[str, Any], body: bytes) -> Sequence[Frame]:
        output = document.get("output")
        if document.get("status") == "failed":
            return [Frame(FrameKind.ERROR, b"", declared_fault(document))]
        if not isinstance(output, list):
            return [malformed("an answer without output")]
        self.finish_reason, self.usage, self.finished = finish_reason_of(document), usage_of(document), True
        self.opening = Opening(document)
        if any(map(item_speaks, mappings(output))):
            return [Frame(FrameKind.CONTENT, body), Frame(FrameKind.END, b"")]
        return [Frame(FrameKind.END, body)]


def item_speaks(item: Mapping[str, Any]) -> bool:
    """Whether an item of an answer's output, when it is done, has content."""
    members = SILENT_ITEMS.get(str(item.get("type")))
    if members is None:
        return "type" in item
    parts = [part for member in members for part in mappings(item.get(member))]
    return any(value for part in parts for name, value in part.items() if name not in ("type", "annotations"))


def finish_reason_of(answer: Mapping[str, Any]) -> str:
    """An answer that runs in the background is not done, which is its own reason."""
    status = answer.get("status")
    if status == "incomplete":
        reason = str(mapping(answer.get("incomplete_details")).get("reason") or status)
        return FINISH_REASONS.get(reason, reason)
    if status in ("queued", "in_progress", "cancelled"):
        return str(status)
    return "tool_calls" if any(text(item.get("type")) in CALLS for item in mappings(answer.get("output"))) else "stop"


def usage_of(answer: Mapping[str, Any]) -> Usage | None:
    return usage_of_report(answer.get("usage"))


def number_of(raw: bytes) -> int:
    """The number of the last of these events; -1 where they have none."""
    at = raw.rfind(NUMBER)
    digits = _DIGITS.match(raw, at + len(NUMBER)) if at >= 0 else None
    return int(digits[1]) if digits else -1
