"""Readers of answers in the client's own dialect, but in the other form than it asked for: JSON for a stream is split,
a stream for JSON is joined. Whatever the provider wrote stays, known or not.

The provider's own reader judges what comes; only what the client gets is written here.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

from pointsman.wire import jsontext
from pointsman.wire.dialects.base import Joiner, OtherForm
from pointsman.wire.errors import FaultKind
from pointsman.wire.frames import Frame, FrameKind, Opening, Reader, Usage
from pointsman.wire.request_facts import RequestFacts
from pointsman.wire.stream_documents import StreamDocuments
from pointsman.wire.stream_reader import malformed
from pointsman.wire.whole_reader import MAX_ANSWER

LAST = (FrameKind.END, FrameKind.MALFORMED, FrameKind.ERROR)


@dataclass(eq=False)
class OtherFormReader(ABC):
    _own: Reader
    _over: bool = field(default=False, init=False)
    _has_failed: bool = field(default=False, init=False)

    @property
    def finish_reason(self) -> str | None:
        return self._own.finish_reason

    @property
    def finished(self) -> bool:
        return self._own.finished and not self._has_failed

    @property
    def usage(self) -> Usage | None:
        return self._own.usage

    @property
    def opening(self) -> Opening | None:
        """The client gets an answer at once, or nothing of it."""
        return None

    def read(self, data: bytes) -> Sequence[Frame]:
        return self._written(self._own.read(data))

    def close(self) -> Sequence[Frame]:
        return self._written(self._own.close())

    def _written(self, frames: Sequence[Frame]) -> list[Frame]:
        written: list[Frame] = []
        for frame in frames:
            if self._over:
                break
            try:
                written += [frame._replace(data=b"")] if frame.fault else self._frames(frame)
            except RecursionError:
                self._has_failed = True
                written.append(malformed("an answer that is nested too deeply"))
            self._over = bool(written) and written[-1].kind in LAST
        return written

    @abstractmethod
    def _frames(self, frame: Frame) -> Sequence[Frame]:
        """What the client gets for a frame of the provider's that reports no failure."""


@dataclass(eq=False)
class SplitReader(OtherFormReader):
    """Of a whole answer to a request for a stream."""

    _form: OtherForm
    _facts: RequestFacts

    def _frames(self, frame: Frame) -> Sequence[Frame]:
        if not frame.data:
            return [frame]
        return [frame._replace(data=self._form.split(jsontext.loads_exactly(frame.data), self._facts))]


@dataclass(eq=False)
class JoinReader(OtherFormReader):
    """Of a stream in answer to a request for a whole answer."""

    _joiner: Joiner
    _documents: StreamDocuments = field(default_factory=lambda: StreamDocuments(jsontext.loads_exactly))
    _length: int = 0
    _has_spoken: bool = False

    def close(self) -> Sequence[Frame]:
        frames = list(super().close())
        if self._own.finished and not self._over:  # the body ended without an end marker
            frames += self._written([Frame(FrameKind.END, b"")])
        return frames

    def _frames(self, frame: Frame) -> Sequence[Frame]:
        self._length += len(frame.data)
        if self._length > MAX_ANSWER:
            self._has_failed = True
            return [malformed(f"an answer of more than {MAX_ANSWER} bytes", FaultKind.INTERNAL)]
        for document in self._documents.of(frame.data):
            self._joiner.add(document)
        self._has_spoken = self._has_spoken or frame.kind is FrameKind.CONTENT
        if frame.kind is not FrameKind.END:
            return []
        whole = jsontext.dumps(self._joiner.whole())
        if self._has_spoken:
            return [Frame(FrameKind.CONTENT, whole), Frame(FrameKind.END, b"")]
        return [Frame(FrameKind.END, whole)]
