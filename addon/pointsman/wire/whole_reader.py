"""Readers of answers that are not streams: the body is collected, then judged as a whole. Also who reads what."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from typing import Any

from pointsman.wire import jsontext
from pointsman.wire.error_parsing import wrapped_fault
from pointsman.wire.errors import FaultKind
from pointsman.wire.frames import Frame, FrameKind, Opening, Reader, Usage
from pointsman.wire.long_strings import shortened
from pointsman.wire.sse import EVENT_STREAM
from pointsman.wire.stream_reader import malformed

MAX_ANSWER = 64 << 20
"""Bytes that an answer may have."""


def media_type(content_type: str) -> str:
    """`application/json` of `Application/JSON; charset=utf-8`."""
    return content_type.partition(";")[0].strip().lower()


def reader_for(streamed: bool, content_type: str, stream: Callable[[], Reader], whole: Callable[[], Reader]) -> Reader:
    """The reader for what was asked for and what came. A type that says nothing is taken for what was asked for."""
    media = media_type(content_type)
    if not streamed:
        return RefusingReader("a stream for a request that is not streamed") if media == EVENT_STREAM else whole()
    if media == "text/html":
        return RefusingReader("an HTML page for a streamed request")
    return UnstreamedReader() if is_json(content_type) else stream()


def is_json(content_type: str) -> bool:
    media = media_type(content_type)
    return media == "application/json" or media.endswith("+json")


class WholeReader(ABC):
    """A reader of one JSON object; its subclass says what the object means."""

    may_report_failure = True
    """An object that states an error is a failure of its provider; else it is what was asked for."""

    def __init__(self) -> None:
        self.finish_reason: str | None = None
        self.finished = False
        self.usage: Usage | None = None
        self.opening: Opening | None = None
        self._body = BytesIO()  # which gives its buffer away without a copy
        self._over = False

    @abstractmethod
    def frames_of(self, document: Mapping[str, Any], body: bytes) -> Sequence[Frame]:
        """What an object that reports no failure means. `body` is its text; the object's long strings are shortened."""

    def read(self, data: bytes) -> Sequence[Frame]:
        if self._over:
            return ()
        self._body.write(data)
        if self._body.tell() <= MAX_ANSWER:
            return ()
        self._over = True
        self._body = BytesIO()
        return [malformed(f"an answer of more than {MAX_ANSWER} bytes")]

    def close(self) -> Sequence[Frame]:
        if self._over:
            return ()
        self._over = True
        body = self._body.getvalue()
        self._body = BytesIO()
        if not body or body.isspace():
            return [malformed("an empty body", FaultKind.EMPTY)]
        try:
            document = self._parsed(body)
        except ValueError as error:
            return [malformed(f"an answer that is {error}")]
        if self.may_report_failure and (fault := wrapped_fault(document)):
            return [Frame(FrameKind.ERROR, b"", fault)]
        if not isinstance(document, Mapping):
            return [malformed("an answer that is not an object")]
        return self.frames_of(document, body)

    def _parsed(self, body: bytes) -> Any:
        short = shortened(body)
        if short is body or (document := jsontext.parsed(short)) is None:
            return jsontext.loads(body)
        return document


class CountReader(WholeReader):
    """For the answer to a question for a number of tokens, which stands in `member`."""

    def __init__(self, member: str) -> None:
        super().__init__()
        self._member = member

    def frames_of(self, document: Mapping[str, Any], body: bytes) -> Sequence[Frame]:
        if not isinstance(document.get(self._member), int):
            return [malformed(f"an answer without {self._member}")]
        self.finished = True
        return [Frame(FrameKind.CONTENT, body), Frame(FrameKind.END, b"")]


class PlainReader(WholeReader):
    """For an answer that is passed on whatever its object says."""

    may_report_failure = False

    def frames_of(self, document: Mapping[str, Any], body: bytes) -> Sequence[Frame]:
        self.finished = True
        return [Frame(FrameKind.CONTENT, body), Frame(FrameKind.END, b"")]


class UnstreamedReader(WholeReader):
    """For a JSON body where a stream was due: at best it says what went wrong."""

    def frames_of(self, document: Mapping[str, Any], body: bytes) -> Sequence[Frame]:
        return [malformed("a JSON body for a streamed request")]


class RefusingReader:
    """For a body of a kind that cannot be an answer, whatever it holds."""

    finish_reason: str | None = None
    finished = False
    usage: Usage | None = None
    opening: Opening | None = None

    def __init__(self, reason: str) -> None:
        self._verdict: list[Frame] = [malformed(reason)]

    def read(self, data: bytes) -> Sequence[Frame]:
        return self.close()

    def close(self) -> Sequence[Frame]:
        """The verdict, once."""
        verdict, self._verdict = self._verdict, []
        return verdict
