"""Readers of answers that are no chats: one JSON document, plain text, events, or bytes that pass unread."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pointsman.wire import jsontext
from pointsman.wire.error_parsing import declared_fault, wrapped_fault
from pointsman.wire.errors import FaultKind
from pointsman.wire.frames import Frame, FrameKind, Opening, Reader, Usage
from pointsman.wire.json_access import Members
from pointsman.wire.sse import EVENT_STREAM, LARGE_EVENT, Decoder, Event
from pointsman.wire.stream_reader import DONE, StreamReader, malformed
from pointsman.wire.whole_reader import MAX_ANSWER, RefusingReader, UnstreamedReader, WholeReader, is_json, media_type

type Lacks = Callable[[Members], str]
"""What a document lacks to be an answer, such as `embeddings`; empty if it lacks nothing."""
type ReadUsage = Callable[[Members], Usage | None]

LAST_TYPES = (".done", ".completed")
"""How the type of the event ends that says that its answer is whole."""


def no_usage(document: Members) -> Usage | None:
    return None


class DocumentReader(WholeReader):
    """One JSON document with content. One without is a failure: another provider may have it."""

    def __init__(self, lacks: Lacks, usage: ReadUsage = no_usage) -> None:
        super().__init__()
        self._lacks, self._usage = lacks, usage

    def frames_of(self, document: Mapping[str, Any], body: bytes) -> Sequence[Frame]:
        if missing := self._lacks(document):
            return [malformed(f"an answer without {missing}", FaultKind.EMPTY)]
        self.usage, self.finished = self._usage(document), True
        return [Frame(FrameKind.CONTENT, body), Frame(FrameKind.END, b"")]


class TextReader:
    """A whole answer in plain text, such as subtitles. Silence makes an empty one."""

    finish_reason: str | None = None
    usage: Usage | None = None
    opening: Opening | None = None

    def __init__(self) -> None:
        self.finished = False
        self._body = bytearray()

    def read(self, data: bytes) -> Sequence[Frame]:
        self._body += data
        return [malformed(f"an answer of more than {MAX_ANSWER} bytes")] if len(self._body) > MAX_ANSWER else ()

    def close(self) -> Sequence[Frame]:
        self.finished = True
        return [Frame(FrameKind.CONTENT, bytes(self._body)), Frame(FrameKind.END, b"")]


class BytesReader:
    """Bytes that pass as they come: the first ones commit, and only the end of the body ends the answer.

    `may_be_empty`: that there are none is an answer too.
    """

    finish_reason: str | None = None
    usage: Usage | None = None
    opening: Opening | None = None

    def __init__(self, may_be_empty: bool = False) -> None:
        self.finished = False
        self._has_data = False
        self._may_be_empty = may_be_empty

    def read(self, data: bytes) -> Sequence[Frame]:
        if not data:
            return ()
        self._has_data = True
        return (Frame(FrameKind.CONTENT, data),)

    def close(self) -> Sequence[Frame]:
        if not self._has_data and not self._may_be_empty:
            return [malformed("an empty body", FaultKind.EMPTY)]
        self.finished = True
        end = Frame(FrameKind.END, b"")
        return [end] if self._has_data else [Frame(FrameKind.CONTENT, b""), end]


class EventsReader(StreamReader):
    """Events of any type: whatever is no error is content. The answer is whole at `[DONE]`, or with an event whose type
    says so.
    """

    def __init__(self, usage: ReadUsage = no_usage) -> None:
        super().__init__(Decoder(LARGE_EVENT))
        self._usage = usage

    def frame_of(self, event: Event) -> Frame:
        data = event.data or b""
        if data.strip() == DONE:
            self.finished = True
            return Frame(FrameKind.END, event.raw)
        document = jsontext.loads(data)
        kind = str(document.get("type") or event.event) if isinstance(document, Mapping) else ""
        if fault := wrapped_fault(document) or (declared_fault(document) if kind == "error" else None):
            return Frame(FrameKind.ERROR, event.raw, fault)
        if not isinstance(document, Mapping):
            raise ValueError("not an object")
        self.usage = self._usage(document) or self.usage
        self.finished = self.finished or kind.endswith(LAST_TYPES)
        return Frame(FrameKind.CONTENT, event.raw)


def events_reader(content_type: str, usage: ReadUsage = no_usage) -> Reader:
    """For an answer that was asked for as events."""
    if media_type(content_type) == "text/html":
        return RefusingReader("an HTML page for a streamed request")
    return UnstreamedReader() if is_json(content_type) else EventsReader(usage)


def bytes_reader(content_type: str) -> Reader:
    """For an answer that is to be a file: a document in its place is a failure, however it is called."""
    media = media_type(content_type)
    if media in ("text/html", EVENT_STREAM):
        return RefusingReader(f"{media} where a file was due")
    return DocumentReader(lambda _: "a file") if is_json(content_type) else BytesReader()


def document_reader(content_type: str, lacks: Lacks, usage: ReadUsage = no_usage) -> Reader:
    """For an answer that was asked for as one JSON document."""
    if media_type(content_type) == EVENT_STREAM:
        return RefusingReader("a stream for a request that is not streamed")
    return DocumentReader(lacks, usage)
