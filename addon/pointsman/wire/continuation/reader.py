"""Reads the answer of the provider that goes on, and writes the rest of the answer that the client has begun to get."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pointsman.wire.continuation.base import Method, Obstacle, SeenAnswer, joined
from pointsman.wire.continuation.seam import Seam, SeamError
from pointsman.wire.conversion.converting_readers import StreamedAnswerReader
from pointsman.wire.conversion.ir import Kind, Piece
from pointsman.wire.errors import Fault, FaultKind
from pointsman.wire.finish_reasons import INTERRUPTED, Finish, finish_of
from pointsman.wire.frames import Frame, FrameKind, Usage
from pointsman.wire.request_facts import estimated_tokens


@dataclass(frozen=True, slots=True)
class Break:
    """Where an answer broke off: what the client has seen, and what the answer had used by then."""

    seen: SeenAnswer
    text: str
    usage: Usage | None
    prompt_tokens: int
    """An estimate, for providers that report none."""

    @property
    def output_tokens(self) -> int:
        return max(self.usage.output if self.usage else 0, _tokens(self.text))


@dataclass(eq=False)
class ContinuationReader(StreamedAnswerReader):
    """Its frames hold the rest of the client's stream. Until the seam is found, there is nothing to commit to; a second
    answer that does not fit is malformed. `is_whole`: it comes as one document.
    """

    broken: Break | None = None
    seam: Seam | None = None
    method: Method = Method.PREFILL
    tools: frozenset[str] = frozenset()
    """Names of the tools that may be called."""
    is_whole: bool = False
    _has_written: bool = False
    _is_calling: bool = False
    _half: str = ""
    """Of a character whose other half comes in the next piece."""

    @property
    def usage(self) -> Usage | None:
        """What this provider reports; of an answer that is not whole, at least what was read of its output."""
        own, read = self._own.usage, estimated_tokens(self._size)
        if own is None:
            return Usage(self._prompt_tokens, read, is_estimated=True) if read else None
        if self._own.finished or own.output >= read:
            return own
        return replace(own, output=read, is_estimated=True)

    @property
    def trimmed(self) -> int:
        """Characters of the answer that did not go out, as the client has them."""
        assert self.seam
        return self.seam.trimmed

    def _frames(self, frame: Frame) -> Sequence[Frame]:
        had_written, written = self._has_written, list[bytes]()
        try:
            return self._rest_of(frame, written)
        except (SeamError, Obstacle) as error:
            self._has_failed = True
            why = f"the answer does not go on from the text so far: {error}"
            failed = Frame(FrameKind.MALFORMED, b"", Fault(FaultKind.UNUSABLE, why))
            return [Frame(FrameKind.CONTENT, b"".join(written)), failed] if had_written else [failed]

    def _rest_of(self, frame: Frame, written: list[bytes]) -> list[Frame]:
        """Adds to `written` what it makes of the frame, as far as it comes."""
        if frame.fault:
            return [frame._replace(data=b"")]
        if frame.kind is FrameKind.PING:
            return [Frame(FrameKind.PING, b"")]
        for piece in self._pieces(frame):
            written.append(self._writer.take(self._spliced(piece)))
        out = b"".join(written)
        frames = [Frame(FrameKind.CONTENT if out else FrameKind.PING, out)]
        self._has_written = self._has_written or bool(out)
        if frame.kind is FrameKind.END:
            frames += self._ending()
        return frames

    def _pieces(self, frame: Frame) -> Sequence[Piece]:
        if not self.is_whole:
            return self._pieces_of(frame)
        return self._pieces_of_whole(frame.data) if frame.data else ()

    def _spliced(self, piece: Piece) -> list[Piece]:
        """What the client gets of it."""
        assert self.seam
        match piece.kind:
            case Kind.THOUGHT:
                return []
            case Kind.TEXT:
                text = self._whole_characters(piece.text)
                rest = text if self._is_calling else self.seam.take(text)
                return [piece._replace(text=rest)] if rest else []
            case Kind.CALL if self.method is Method.PREFILL and (self._is_calling or piece.name in self.tools):
                rest = "" if self._is_calling else self.seam.end()
                self._is_calling = True
                return [Piece(Kind.TEXT, rest), piece] if rest else [piece]
            case Kind.CALL:
                raise SeamError("it calls a tool")
            case Kind.REFUSAL:
                raise SeamError("it refuses")
            case Kind.IMAGE:
                raise SeamError("it is an image")

    def _whole_characters(self, text: str) -> str:
        """Without the half of a character at the end, which is kept for the next piece."""
        text = joined((self._half, text))
        self._half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
        return text.removesuffix(self._half) if self._half else text

    def _ending(self) -> list[Frame]:
        """The answer is whole. One that adds nothing is an end only if it has shown where it goes on."""
        assert self.seam
        if (word := self._own.finish_reason) is None:
            raise SeamError("it ended without a finish reason")
        if finish_of(word) is Finish.CONTENT_FILTER:
            raise SeamError("it was filtered")
        if finish_of(word) is None or word.lower() in INTERRUPTED:
            raise SeamError(f"it ended with {word!r}")
        if self._half:
            raise SeamError("it ended within a character")
        rest = "" if self._is_calling else self.seam.end()
        out = self._writer.take([Piece(Kind.TEXT, rest)]) if rest else b""
        if not (out or self._has_written or self.seam.is_placed):
            raise SeamError("it is empty")
        return [Frame(FrameKind.CONTENT, out + self._writer.end(word, self._client_usage())), Frame(FrameKind.END, b"")]

    def _client_usage(self) -> Usage:
        """The prompt counts once, as the first provider counted it, and the output of both."""
        assert self.broken
        own, first = self.usage or Usage(), self.broken.usage
        told = first if first and first.prompt else self._prompt_before(own)
        output, reasoning = self.broken.output_tokens + own.output, (first.reasoning if first else 0) + own.reasoning
        is_estimated = self._own.usage is None or first is None or output != first.output + own.output
        return replace(told, output=output, reasoning=reasoning, cost=None, is_estimated=is_estimated)

    def _prompt_before(self, own: Usage) -> Usage:
        """The second provider's prompt has the text so far, and perhaps the words that ask for the rest; where it
        reports none, the router's estimate has neither.
        """
        assert self.broken
        instruction = self._prompt_tokens - self.broken.prompt_tokens - _tokens(self.broken.text)
        added = self.broken.output_tokens + max(0, instruction)
        if own.prompt <= added or self._own.usage is None:
            return Usage(self.broken.prompt_tokens)
        return replace(own, input=max(0, own.input - added))


def _tokens(text: str) -> int:
    return estimated_tokens(len(text.encode("utf-8", "surrogatepass")))
