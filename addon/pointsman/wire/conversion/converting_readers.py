"""Readers of answers in another dialect than the client's.

The provider's own reader judges what comes: which frames there are, faults, how it ends, and usage. Only what the
client gets for each frame is written here.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from pointsman.wire import jsontext
from pointsman.wire.conversion.answer_reader import AnswerReader
from pointsman.wire.conversion.answer_writer import AnswerWriter
from pointsman.wire.conversion.identifiers import Identifiers
from pointsman.wire.conversion.ir import Inconvertible, Kind, Piece, dumps
from pointsman.wire.dialects.base import OnItems
from pointsman.wire.error_reader import ErrorReader
from pointsman.wire.errors import Fault, FaultKind
from pointsman.wire.frames import Frame, FrameKind, Opening, Reader, Usage
from pointsman.wire.json_access import Members
from pointsman.wire.long_strings import LongStrings
from pointsman.wire.request_facts import estimated_tokens
from pointsman.wire.stream_documents import StreamDocuments
from pointsman.wire.whole_reader import MAX_ANSWER


@dataclass(eq=False)
class ConvertedReader(ABC):
    """What all kinds share: whatever the conversion raises is a fault of the attempt. `_prompt_tokens` is an estimate,
    for providers that report no usage.
    """

    _own: Reader
    answer: AnswerReader
    _writer: AnswerWriter
    _identifiers: Identifiers
    _prompt_tokens: int
    _on_items: OnItems
    _long_strings: LongStrings
    """Of the provider's answer: conversion handles stand-ins for them."""
    _size: int = 0
    """Bytes of what the answer has said so far."""
    _told_usage: Usage | None = None
    _over: bool = False
    _has_failed: bool = False

    @property
    def finish_reason(self) -> str | None:
        return self._own.finish_reason

    @property
    def finished(self) -> bool:
        return self._own.finished and not self._has_failed

    @property
    def usage(self) -> Usage | None:
        """As the client was told, once it was."""
        return self._told_usage or self._own.usage

    @property
    def opening(self) -> Opening | None:
        return self._writer.writer.opening

    def read(self, data: bytes) -> Sequence[Frame]:
        return self._converted(self._own.read(data))

    def close(self) -> Sequence[Frame]:
        return self._converted(self._own.close())

    def _converted(self, frames: Sequence[Frame]) -> list[Frame]:
        converted: list[Frame] = []
        for frame in frames:
            if self._over:
                break
            if frame.kind is FrameKind.ERROR and frame.fault:
                frame = Frame(FrameKind.ERROR, b"", replace(frame.fault, converted=True))
            try:
                put_back = self._long_strings.put_back
                converted += [each._replace(data=put_back(each.data)) for each in self._frames(frame)]
            except Exception as error:  # whatever the library raises
                message = (
                    str(error) if isinstance(error, Inconvertible) else f"conversion failed: {type(error).__name__}"
                )
                converted.append(Frame(FrameKind.MALFORMED, b"", Fault(FaultKind.INTERNAL, message)))
                self._has_failed = True
            self._over = bool(converted) and converted[-1].kind in (FrameKind.END, FrameKind.MALFORMED)
            if self._over and converted[-1].kind is FrameKind.END:
                self._on_items(self._remembered(self._writer.writer.items))
        return converted

    def _remembered(self, items: list[Members]) -> list[Members]:
        """Those that later requests may refer to: what has a long string in it is too large for that."""
        return [item for item in items if not self._long_strings.are_in(dumps(item))] if self._long_strings else items

    def _renamed(self, pieces: Sequence[Piece]) -> list[Piece]:
        """The pieces as the client is to see them."""
        renamed = self._identifiers.answer(pieces)
        signatures = self.answer.state.signatures
        if signatures:
            named = zip(pieces, renamed, strict=True)
            self._writer.writer.signatures.update(
                (two.id, signatures[one.id]) for one, two in named if one.id in signatures
            )
        self._size += sum(len(piece.text.encode(errors="replace")) for piece in renamed)
        return renamed

    def _client_usage(self) -> Usage:
        """What the provider reports, estimated where it reports nothing: clients shorten their context by these."""
        reported = self._own.usage or Usage()
        prompt, completion = reported.prompt or self._prompt_tokens, reported.completion or estimated_tokens(self._size)
        is_estimated = self._own.usage is None or (prompt, completion) != (reported.prompt, reported.completion)
        told = replace(reported, prompt=prompt, completion=completion, is_estimated=is_estimated)
        self._told_usage = told
        return told

    @abstractmethod
    def _frames(self, frame: Frame) -> Sequence[Frame]:
        """What the client gets for a frame of the provider's."""

    def _pieces_of_whole(self, answer: bytes) -> list[Piece]:
        document = jsontext.parsed(self._long_strings.take_out(answer))
        if document is None:  # what stood between two quotes was no string
            document = jsontext.loads(answer)
        return self._renamed(self.answer.whole(document))

    def _whole(self, pieces: list[Piece]) -> bytes:
        finish = self._own.finish_reason or "stop"
        return self._writer.whole(self.answer.state.identity, pieces, finish, self._client_usage())


@dataclass(eq=False)
class StreamedAnswerReader(ConvertedReader):
    """Of an answer that comes as a stream. Where its body ends without an end marker, one more frame ends it."""

    def __post_init__(self) -> None:
        self._documents = StreamDocuments(long_strings=self._long_strings)

    def close(self) -> Sequence[Frame]:
        frames = list(super().close())
        if self._own.finished and not self._over:
            frames += self._converted([Frame(FrameKind.END, b"")])
        return frames

    def _pieces_of(self, frame: Frame) -> list[Piece]:
        known = len(self._long_strings)
        said = [piece for document in self._documents.of(frame.data) for piece in self.answer.event(document)]
        if not said:
            self._long_strings.forget(known)
        return self._renamed(said)


@dataclass(eq=False)
class ConvertedStream(StreamedAnswerReader):
    """Its frames are the provider's."""

    _has_begun: bool = False

    def _frames(self, frame: Frame) -> Sequence[Frame]:
        if frame.fault or frame.kind is FrameKind.PING:
            return [frame._replace(data=b"")]
        pieces, out = self._pieces_of(frame), b""
        if not self._has_begun:
            self._has_begun = True
            out = self._writer.writer.begin(self.answer.state.identity, self._own.usage)
        out += self._writer.take(pieces)
        if frame.kind is FrameKind.END:
            out += self._writer.end(self._own.finish_reason or "stop", self._client_usage())
        return [frame._replace(data=out)]


class ConvertedWhole(ConvertedReader):
    def _frames(self, frame: Frame) -> Sequence[Frame]:
        if frame.fault or not frame.data:
            return [frame]
        return [frame._replace(data=self._whole(self._pieces_of_whole(frame.data)))]


class SplitWhole(ConvertedReader):
    """A stream, made of an answer that was not streamed although the request asked for that."""

    def _frames(self, frame: Frame) -> Sequence[Frame]:
        if frame.fault or not frame.data:
            return [frame]
        pieces = self._pieces_of_whole(frame.data)
        out = self._writer.writer.begin(self.answer.state.identity, self._own.usage) + self._writer.take(pieces)
        return [frame._replace(data=out + self._writer.end(self._own.finish_reason or "stop", self._client_usage()))]


@dataclass(eq=False)
class JoinedStream(StreamedAnswerReader):
    """A whole answer, made of a stream that the request did not ask for."""

    _pieces: list[Piece] = field(default_factory=list)
    _length: int = 0

    def _frames(self, frame: Frame) -> Sequence[Frame]:
        if frame.fault:
            return [frame._replace(data=b"")]
        self._length += len(frame.data)
        if self._length > MAX_ANSWER:
            raise Inconvertible(f"an answer of more than {MAX_ANSWER} bytes")
        self._pieces += self._pieces_of(frame)
        if frame.kind is not FrameKind.END:
            return []
        whole = self._whole(self._pieces)
        if any(piece.text or piece.kind is Kind.CALL for piece in self._pieces):
            return [Frame(FrameKind.CONTENT, whole), Frame(FrameKind.END, b"")]
        return [Frame(FrameKind.END, whole)]


class ForeignErrorReader(ErrorReader):
    """Drops the provider's own error body, so that the client gets the error in its own dialect."""

    def original_fault(self) -> Fault:
        """With that body."""
        return super().fault()

    def fault(self) -> Fault:
        return replace(super().fault(), body=None, converted=True)
