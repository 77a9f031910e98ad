"""Answers of Duo, streamed and whole."""

from collections.abc import Mapping, Sequence
from typing import Any

from pointsman.wire.dialects.duo.errors import wrapped

from pointsman.wire import jsontext
from pointsman.wire.frames import Frame, FrameKind, Reader, Usage
from pointsman.wire.json_access import Members, count, mapping, mappings
from pointsman.wire.request_facts import RequestFacts
from pointsman.wire.sse import Event
from pointsman.wire.stream_reader import StreamReader, malformed
from pointsman.wire.whole_reader import WholeReader, reader_for

FINISH_REASONS = {"done": "stop", "cut": "length"}


def reader(facts: RequestFacts, content_type: str, drop_usage: bool = False, /) -> Reader:
    return reader_for(facts.stream, content_type, DuoStreamReader, DuoWholeReader)


class DuoStreamReader(StreamReader):
    def frame_of(self, event: Event) -> Frame:
        document = jsontext.loads(event.data or b"")
        if not isinstance(document, Mapping):
            raise ValueError("not an object")
        if fault := wrapped(document):
            return Frame(FrameKind.ERROR, event.raw, fault)
        if "over" in document:
            self.finish_reason, self.usage, self.finished = finish_of(document), usage_of(document), True
            return Frame(FrameKind.END, event.raw)
        return Frame(FrameKind.CONTENT if document.get("say") else FrameKind.NEUTRAL, event.raw)


class DuoWholeReader(WholeReader):
    def frames_of(self, document: Mapping[str, Any], body: bytes) -> Sequence[Frame]:
        if fault := wrapped(document):
            return [Frame(FrameKind.ERROR, b"", fault)]
        if not isinstance(document.get("lines"), list):
            return [malformed("an answer without lines")]
        self.finish_reason, self.usage, self.finished = finish_of(document), usage_of(document), True
        if any(line.get("words") for line in mappings(document["lines"])):
            return [Frame(FrameKind.CONTENT, body), Frame(FrameKind.END, b"")]
        return [Frame(FrameKind.END, body)]


def finish_of(document: Members) -> str:
    return FINISH_REASONS.get(str(document.get("over")), str(document.get("over")))


def usage_of(document: Members) -> Usage | None:
    counts = mapping(document.get("counts"))
    return Usage(count(counts.get("in")), count(counts.get("out"))) if counts else None
