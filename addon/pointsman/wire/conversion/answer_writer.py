"""Writes an answer in order: one part after the other, each opened, continued and closed.

Providers may mix the pieces of several calls. Most dialects cannot say that, so a call that begins within another one
waits until the arguments of the other are whole.
"""

from collections.abc import Collection, Iterable
from typing import Protocol

from pointsman.wire.conversion.ir import Identity, Inconvertible, Kind, Part, Piece, dumps
from pointsman.wire.frames import Opening, Usage
from pointsman.wire.json_access import Members

LONGEST = 16 << 20
"""Characters that one answer may have: a call is kept until it is whole, an answer for events that repeat it."""
WRAPPED = "input"
"""The member that stands for the whole text of a tool that takes any."""


class DialectWriter(Protocol):
    """Writes answers in one dialect (`answer_writer.py` in its folder). Methods give bytes for the client, or none."""

    items: list[Members]
    """What later requests may refer to by its id; empty in most dialects."""
    signatures: dict[str, str]
    """Google's, by the ids of the calls that they sign, for dialects that have a place for them."""

    @property
    def opening(self) -> Opening | None:
        """Like `Reader.opening`."""
        ...

    def begin(self, identity: Identity, usage: Usage | None) -> bytes: ...

    def open(self, part: Part) -> bytes: ...

    def more(self, part: Part, text: str) -> bytes: ...

    def close(self, part: Part) -> bytes:
        """The part is whole. Raises Inconvertible."""
        ...

    def end(self, finish: str, usage: Usage | None) -> bytes:
        """`finish` is in the words of `Reader.finish_reason`."""
        ...

    def whole(self, identity: Identity, parts: list[Part], finish: str, usage: Usage | None) -> bytes:
        """The same answer, not streamed."""
        ...


class AnswerWriter:
    """`free_tools` are the names of the client's tools that take any text, where other dialects know only objects."""

    def __init__(self, writer: DialectWriter, free_tools: Collection[str] = ()) -> None:
        self.writer = writer
        self.has_called = False
        self._free_tools = free_tools
        self._open: Part | None = None
        self._waiting: list[Part] = []
        self._calls: dict[str, Part] = {}
        self._closed_ids: set[str] = set()
        """Ids of calls that are closed."""
        self._length = 0

    def take(self, pieces: Iterable[Piece]) -> bytes:
        """Raises Inconvertible."""
        return b"".join([self._take(piece) for piece in pieces])

    def end(self, finish: str, usage: Usage | None) -> bytes:
        """What is left, and the end. Raises Inconvertible."""
        out = [self._close()]
        while self._waiting:
            out += [self._begin(self._waiting.pop(0)), self._close()]
        return b"".join(out) + self.writer.end(self.finish(finish), usage)

    def whole(self, identity: Identity, pieces: Iterable[Piece], finish: str, usage: Usage | None) -> bytes:
        parts = [Part(*piece) for piece in pieces if piece.text or piece.kind is Kind.CALL]
        for part in parts:
            if part.kind is Kind.CALL:
                self._complete(part)
        return self.writer.whole(identity, parts, self.finish(finish), usage)

    def finish(self, finish: str) -> str:
        """Not every dialect says that an answer stopped for its calls."""
        return "tool_calls" if finish == "stop" and self.has_called else finish

    def _take(self, piece: Piece) -> bytes:
        self._length += len(piece.text)
        if self._length > LONGEST:
            raise Inconvertible(f"an answer of more than {LONGEST} characters")
        if piece.id in self._closed_ids:
            if piece.text.strip():
                raise Inconvertible("more data for a complete tool call")
            return b""
        part = self._part(piece)
        out = self._turn_to(part)
        part.text += piece.text
        is_written = self._open is part and piece.text and not part.is_free
        return out + self.writer.more(part, piece.text) if is_written else out

    def _part(self, piece: Piece) -> Part:
        if piece.kind is not Kind.CALL:
            same = self._open if self._open and self._open.kind is piece.kind else None
            return same or Part(piece.kind)
        part = self._calls.get(piece.id)
        if part is None:
            is_free = piece.name in self._free_tools
            part = self._calls[piece.id] = Part(Kind.CALL, "", piece.id, piece.name, is_free)
        return part

    def _turn_to(self, part: Part) -> bytes:
        """Makes it the open part, unless an open call has to be finished first: then it waits."""
        out = []
        while self._open is not part:
            if part.kind is Kind.CALL and self._is_unfinished():
                if part not in self._waiting:
                    self._waiting.append(part)
                break
            out.append(self._close())
            out.append(self._begin(self._waiting.pop(0) if self._waiting else part))
        return b"".join(out)

    def _is_unfinished(self) -> bool:
        """A call without arguments may still get some."""
        if self._open is None or self._open.kind is not Kind.CALL:
            return False
        try:
            self._open.arguments()
        except Inconvertible:
            return True
        return not self._open.text.strip()

    def _begin(self, part: Part) -> bytes:
        self._open = part
        if part.is_free:
            return b""
        return self.writer.open(part) + (self.writer.more(part, part.text) if part.text else b"")

    def _close(self) -> bytes:
        part, self._open = self._open, None
        if part is None:
            return b""
        out = b""
        if part.kind is Kind.CALL:
            self._complete(part)
            self._closed_ids.add(part.id)
            if part.is_free:
                out = self.writer.open(part) + self.writer.more(part, part.text)
        return out + self.writer.close(part)

    def _complete(self, part: Part) -> None:
        """A call is whole: its arguments must be, too."""
        self.has_called = True
        arguments = part.arguments()
        part.is_free = part.name in self._free_tools
        if part.is_free:
            wrapped = arguments.get(WRAPPED)
            part.text = wrapped if isinstance(wrapped, str) else dumps(arguments).decode()
        elif not part.text.strip():
            part.text = "{}"
