"""Writes an answer in order: one part after the other, each opened, continued and closed.

Providers may mix the pieces of several calls, and of calls and texts. Most dialects cannot express that, so what
begins within a call waits until its arguments are whole. A call that was cut is written as far as it came.
"""

from collections.abc import Callable, Collection, Iterable
from typing import Protocol

from pointsman.wire.conversion.arguments import WRAPPED
from pointsman.wire.conversion.ir import Identity, Inconvertible, Kind, Part, Piece, dumps
from pointsman.wire.conversion.media import Media, of_url
from pointsman.wire.finish_reasons import Finish, finish_of
from pointsman.wire.frames import Opening, Usage
from pointsman.wire.json_access import Members

LONGEST = 32 << 20
"""Characters that one answer may have: a call is kept until it is whole, an answer for events that repeat it."""


class DialectWriter(Protocol):
    """Writes answers in one dialect (`answer_writer.py` in its folder). Methods give bytes for the client, or none."""

    items: list[Members]
    """What later requests may refer to by its id; empty in most dialects."""
    signatures: dict[str, str]
    """Google's, by the ids of the calls that they sign, for dialects that have a place for them."""
    only_objects: bool
    """Arguments of calls are objects here; in other dialects they are texts, of any form."""

    def can_show(self, image: Media) -> bool:
        """Answers in this dialect have a place for such an image; else it becomes a text."""
        ...

    @property
    def opening(self) -> Opening | None:
        """Like `Reader.opening`."""
        ...

    def begin(self, identity: Identity, usage: Usage | None) -> bytes: ...

    def open(self, part: Part) -> bytes: ...

    def more(self, part: Part, text: str) -> bytes: ...

    def close(self, part: Part) -> bytes:
        """The part is whole, or cut (`part.is_cut`)."""
        ...

    def end(self, finish: str, usage: Usage | None) -> bytes:
        """`finish` is `stop`, `length`, `content_filter` or `tool_calls`."""
        ...

    def whole(self, identity: Identity, parts: list[Part], finish: str, usage: Usage | None) -> bytes:
        """The same answer, not streamed."""
        ...


class AnswerWriter:
    """`free_tools` are the names of the client's tools that take any text, where other dialects know only objects.
    `size_of` gives the length of the base64 of an image, which may be shortened.
    """

    def __init__(
        self, writer: DialectWriter, free_tools: Collection[str] = (), size_of: Callable[[str], int] = len
    ) -> None:
        self.writer = writer
        self._size_of = size_of
        self.has_called = False
        self._free_tools = free_tools
        self._open: Part | None = None
        self._waiting: list[Part] = []
        self._calls: dict[str, Part] = {}
        self._closed_ids: set[str] = set()
        """Ids of calls that are closed."""
        self._has_cut_call = False
        self._length = 0

    def take(self, pieces: Iterable[Piece]) -> bytes:
        """Raises Inconvertible."""
        return b"".join([self._take(self._shown(piece)) for piece in pieces])

    def go_on(self, part: Part | None) -> None:
        """What follows is more of an answer that has begun already; this part of it is still open."""
        self._open = part

    def end(self, finish: str, usage: Usage | None) -> bytes:
        """What is left, and the end."""
        is_cut = finish_of(finish) is Finish.LENGTH
        out = [self._close(is_cut and not self._waiting)]
        while self._waiting:
            out += [self._begin(self._waiting.pop(0)), self._close(is_cut and not self._waiting)]
        return b"".join(out) + self.writer.end(self.finish(finish), usage)

    def whole(self, identity: Identity, pieces: Iterable[Piece], finish: str, usage: Usage | None) -> bytes:
        parts = self._gathered(pieces)
        for part in parts:
            part.is_cut = finish_of(finish) is Finish.LENGTH and part is parts[-1]
            if part.kind is Kind.CALL:
                self._complete(part)
        return self.writer.whole(identity, parts, self.finish(finish), usage)

    def _gathered(self, pieces: Iterable[Piece]) -> list[Part]:
        """Texts that follow each other are one text; the pieces of a call belong together wherever they stand."""
        parts: list[Part] = []
        for piece in map(self._shown, pieces):
            if piece.kind is Kind.CALL:
                if piece.id not in self._calls:
                    self._calls[piece.id] = Part(Kind.CALL, id=piece.id)
                    parts.append(self._calls[piece.id])
                call = self._calls[piece.id]
                call.name = piece.name or call.name
                call.said.add(piece.text)
            elif piece.text:
                if not (parts and parts[-1].goes_on_with(piece)):
                    parts.append(Part(piece.kind))
                parts[-1].text += piece.text
        return parts

    def finish(self, word: str) -> Finish:
        """In the words of `Finish`. Not every dialect says that an answer stopped for its calls, or within one."""
        finish = finish_of(word) or Finish.STOP
        if finish in (Finish.STOP, Finish.TOOL_CALLS) and self._has_cut_call:
            return Finish.LENGTH
        return Finish.TOOL_CALLS if finish is Finish.STOP and self.has_called else finish

    def _shown(self, piece: Piece) -> Piece:
        """An image that the dialect has no place for is told."""
        if piece.kind is not Kind.IMAGE or self.writer.can_show(image := of_url(piece.text, "image/*")):
            return piece
        return Piece(Kind.TEXT, image.generated_placeholder(self._size_of(image.data)))

    def _take(self, piece: Piece) -> bytes:
        self._length += len(piece.text)
        if self._length > LONGEST:
            raise Inconvertible(f"an answer of more than {LONGEST} characters")
        if not piece.text and piece.kind is not Kind.CALL:
            return b""  # of an answer that came whole: an empty part
        if piece.id in self._closed_ids:
            return b""  # its arguments were an object; what follows that is a repetition, or nothing a client could use
        part = self._part(piece)
        out = self._turn_to(part)
        if piece.kind is not Kind.CALL:
            part.text += piece.text
            return out + (self.writer.more(part, piece.text) if self._open is part else b"")
        passed = part.said.add(piece.text)
        part.text += passed
        part.said.has_ended = part.said.has_ended or piece.is_last
        if piece.name and not part.is_announced:
            part.name, part.is_free = piece.name, piece.name in self._free_tools
        if self._open is not part or not passed:
            return out
        return out + (self.writer.more(part, passed) if part.is_announced else self._announce(part))

    def _part(self, piece: Piece) -> Part:
        if piece.kind is not Kind.CALL:
            last = self._waiting[-1] if self._waiting else self._open
            return last if last and last.goes_on_with(piece) else Part(piece.kind)
        part = self._calls.get(piece.id)
        if part is None:
            is_free = piece.name in self._free_tools
            part = self._calls[piece.id] = Part(Kind.CALL, "", piece.id, piece.name, is_free)
        return part

    def _turn_to(self, part: Part) -> bytes:
        """Makes it the open part, unless an open call has to be finished first: then it waits."""
        out = []
        while self._open is not part:
            if self._open and self._open.kind is Kind.CALL and not self._open.said.is_whole:
                if part not in self._waiting:
                    self._waiting.append(part)
                break
            out.append(self._close())
            out.append(self._begin(self._waiting.pop(0) if self._waiting else part))
        return b"".join(out)

    def _begin(self, part: Part) -> bytes:
        self._open = part
        return self._announce(part)

    def _announce(self, part: Part) -> bytes:
        """A call is not written before its name is whole, which its arguments show, nor before all of it is if its
        tool takes any text.
        """
        if part.kind is Kind.CALL and (part.is_free or not part.name or not part.text):
            return b""
        part.is_announced = True
        return self.writer.open(part) + (self.writer.more(part, part.text) if part.text else b"")

    def _close(self, is_cut: bool = False) -> bytes:
        part, self._open = self._open, None
        if part is None:
            return b""
        part.is_cut = is_cut
        out = b""
        if part.kind is Kind.CALL:
            told = part.text
            self._complete(part)
            self._closed_ids.add(part.id)
            if not part.is_announced:
                out, told = self.writer.open(part), ""
            if rest := part.text[len(told) :]:
                out += self.writer.more(part, rest)
        return out + self.writer.close(part)

    def _complete(self, part: Part) -> None:
        """A call is over. Its arguments may be cut, or no object: the dialect expresses them as well as it can."""
        self.has_called = True
        part.is_free = part.name in self._free_tools
        only_object = part.is_free or self.writer.only_objects
        told = part.text
        part.said.finish(only_object)
        part.text = part.said.text
        is_readable = part.is_readable()
        part.is_cut = not is_readable and (part.is_cut or part.said.is_open)
        self._has_cut_call = self._has_cut_call or part.is_cut
        if part.is_free:
            wrapped = part.arguments().get(WRAPPED) if is_readable else None
            part.text = wrapped if isinstance(wrapped, str) else part.text
        elif not is_readable and self.writer.only_objects and not told:
            part.text = dumps(part.arguments()).decode()
