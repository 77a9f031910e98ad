"""Answers in the dialect of OpenAI's chat completions, streamed and whole."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pointsman.wire import jsontext
from pointsman.wire.error_parsing import wrapped_fault
from pointsman.wire.frames import Frame, FrameKind, Reader, Usage
from pointsman.wire.json_access import count, mapping, mappings
from pointsman.wire.request_facts import RequestFacts
from pointsman.wire.sse import LARGE_EVENT, Decoder, Event
from pointsman.wire.stream_reader import DONE, StreamReader, malformed
from pointsman.wire.usage_counts import usage_of_report
from pointsman.wire.whole_reader import WholeReader, reader_for

CONTENT_MEMBERS = (
    "content",
    "reasoning_content",
    "reasoning",
    "tool_calls",
    "function_call",
    "refusal",
    "audio",
    "images",
)
"""Any of these, not empty, in a delta or a message is content."""

TELLING_MEMBERS = (b'"finish_reason"', b'"usage"', b'"error"')
"""With any of these not null, a chunk says more than content."""

_NULL = re.compile(rb"\s*:\s*null")


def reader(facts: RequestFacts, content_type: str, drop_usage: bool = False, /) -> Reader:
    asked = facts.document.get("n")
    choices = asked if isinstance(asked, int) else 1
    return reader_for(facts.stream, content_type, lambda: ChatStreamReader(drop_usage, choices), ChatWholeReader)


class ChatStreamReader(StreamReader):
    """`drop_usage`: usage-only events are the router's own business, and do not reach the client. `choices`: how many
    answers were asked for; the stream is whole when all of them are.
    """

    def __init__(self, drop_usage: bool, choices: int = 1) -> None:
        super().__init__(Decoder(LARGE_EVENT, shortens=True))
        self._drop_usage = drop_usage
        self._choices = choices
        self._finished: set[object] = set()

    def is_plain_run(self, data: bytes) -> bool:
        return (
            not self.finished
            and data.startswith(b"data: {")
            and data.endswith(b"}\n\n")
            and b"\r" not in data
            and data.count(b'"choices"') == data.count(b"\n\n") == data.count(b"\ndata: {") + 1
            and is_only_content(data)
        )

    def frame_of(self, event: Event) -> Frame:
        data = event.data or b""
        if self.has_spoken and not self.finished and is_only_content(data):
            return Frame(FrameKind.CONTENT, event.raw)
        if data.strip() == DONE:
            self.finished = True
            return Frame(FrameKind.END, event.raw)
        document = jsontext.loads(data)
        if fault := wrapped_fault(document):
            return Frame(FrameKind.ERROR, event.raw, fault)
        if not isinstance(document, Mapping):
            raise ValueError("not an object")
        return self._frame_of_chunk(document, event.raw)

    def _frame_of_chunk(self, chunk: Mapping[str, Any], raw: bytes) -> Frame:
        usage = usage_of(chunk)
        choices = choices_of(chunk)
        finish_reason = finish_reason_of(choices)
        self.usage = usage or self.usage
        self.finish_reason = finish_reason or self.finish_reason
        self._finished.update(count(choice.get("index")) for choice in choices if finish_reason_of([choice]))
        self.finished = self.finished or 0 < len(self._finished) >= self._choices
        if any(map(has_content, choices)):
            return Frame(FrameKind.CONTENT, raw)
        is_usage_only = not choices and bool(usage or mapping(chunk.get("usage")))
        return Frame(FrameKind.NEUTRAL, b"" if is_usage_only and self._drop_usage else raw)


class ChatWholeReader(WholeReader):
    def frames_of(self, document: Mapping[str, Any], body: bytes) -> Sequence[Frame]:
        choices = choices_of(document)
        if not any(has_message(choice) for choice in choices):
            return [malformed("an answer without a message")]
        self.usage = usage_of(document)
        self.finish_reason = finish_reason_of(choices)
        self.finished = True
        if any(map(has_content, choices)):
            return [Frame(FrameKind.CONTENT, body), Frame(FrameKind.END, b"")]
        return [Frame(FrameKind.END, body)]


def is_only_content(data: bytes) -> bool:
    """Whether bytes alone show that a chunk has neither a finish reason, nor usage, nor an error."""
    if b'"choices"' not in data:
        return False
    for member in TELLING_MEMBERS:
        at = data.find(member)
        while at >= 0:
            at += len(member)
            if not _NULL.match(data, at):
                return False
            at = data.find(member, at)
    return True


def choices_of(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return mappings(document.get("choices"))


def has_message(choice: Mapping[str, Any]) -> bool:
    return isinstance(choice.get("message"), Mapping) or isinstance(choice.get("text"), str)


def has_content(choice: Mapping[str, Any]) -> bool:
    """Whether a choice, streamed or whole, has content. Some providers stream whole messages, or legacy text."""
    return bool(choice.get("text")) or any(
        isinstance(said, Mapping) and any(said.get(member) for member in CONTENT_MEMBERS)
        for said in (choice.get("delta"), choice.get("message"))
    )


def finish_reason_of(choices: Sequence[Mapping[str, Any]]) -> str | None:
    reasons = (choice.get("finish_reason") for choice in choices)
    return next((reason for reason in reasons if isinstance(reason, str) and reason), None)


def usage_of(document: Mapping[str, Any]) -> Usage | None:
    """The root's usage; Groq streams it in a member of its own, Moonshot in the last choice."""
    usage = document.get("usage") or mapping(document.get("x_groq")).get("usage")
    if usage is None:
        usage = next((choice["usage"] for choice in choices_of(document) if choice.get("usage")), None)
    return usage_of_report(usage)
