"""Reads a provider's answer into the neutral form, by way of the library's own reading of it.

The library reads each dialect's events; what it would lose or mistake is put right in them first (`Conversion.repair`).
"""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

from llm_rosetta import ConversionContext, get_converter_for_provider

from pointsman.wire.conversion.answer_forms import well_formed
from pointsman.wire.conversion.base import Conversion
from pointsman.wire.conversion.ir import AnswerState, Identity, Kind, Piece, json_text, stem_of
from pointsman.wire.json_access import Document, dicts, mapping, text

warnings.filterwarnings("ignore", module=r"llm_rosetta\.")  # what it would say, `unsupported` has said


class AnswerReader:
    """Of one answer. Documents are changed in reading them.

    reader = AnswerReader(ANTHROPIC.conversion, Identity("r-1", "m", 1_700_000_000))
    reader.event({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}})
    """

    def __init__(self, provider: Conversion, identity: Identity, size_of: Callable[[str], int] = len) -> None:
        self.state = AnswerState(identity, size_of)
        self._plain_text, self._repair, self._late = provider.plain_text, provider.repair, provider.late
        self._calls, self._forms = provider.calls, provider.answer_forms
        self._repeated = provider.repeated_answer
        self._converter = get_converter_for_provider(provider.library_name)
        self._context = self._converter.create_stream_context()
        self._is_named = False
        """The answer has said who it is, and something in words: more of these need no library."""

    def event(self, document: Document) -> list[Piece]:
        """The pieces that one event of a stream brings."""
        if self._is_named and (said := self._plain_text(document)):
            return [Piece(Kind.TEXT, said)]
        well_formed(document, self._forms)
        pieces = list(self._repair(self.state, document))
        calls = list(self._calls(self.state, document)) if self._calls else []
        pieces += self._library_pieces(document)
        pieces += [*calls, *self._late(self.state, document)]
        state = self.state
        if self._repeated and not state.spoken_ids and (whole := self._repeated(document)):
            pieces += self.whole(whole)
        state.spoken_ids.update([piece.id for piece in pieces if piece.text])
        state.spoken_kinds.update([piece.kind for piece in pieces if piece.text])
        self._is_named = self._is_named or any(piece.kind is Kind.TEXT for piece in pieces)
        return pieces

    def _library_pieces(self, document: Document) -> list[Piece]:
        """A call that the library reads stands whole in its event."""
        pieces: list[Piece] = []
        whole_calls: list[Piece] = []
        for said in self._converter.stream_response_from_provider(document, context=self._context):
            match said["type"]:
                case "text_delta" if said["text"]:
                    pieces.append(self.state.said(said["text"]))
                case "reasoning_delta" if said["reasoning"]:
                    pieces.append(Piece(Kind.THOUGHT, said["reasoning"]))
                case "refusal_delta" if said["refusal"]:
                    pieces.append(Piece(Kind.REFUSAL, said["refusal"]))
                case "tool_call_start":
                    pieces.append(Piece(Kind.CALL, "", said["tool_call_id"], said["tool_name"] or ""))
                    whole_calls.append(Piece(Kind.CALL, "", said["tool_call_id"], is_last=True))
                case "tool_call_delta" if said["arguments_delta"]:
                    pieces.append(Piece(Kind.CALL, said["arguments_delta"], said["tool_call_id"]))
                case "stream_start":
                    self._name(said)
        return [*pieces, *whole_calls]

    def whole(self, document: Document) -> list[Piece]:
        """The parts of an answer that was not streamed, each in one piece."""
        well_formed(document, self._forms)
        found = list(self._repair(self.state, document))
        calls = list(self._calls(self.state, document)) if self._calls else []
        answer = self._converter.response_from_provider(document, context=ConversionContext())
        self._name({**answer, "response_id": answer.get("id")})
        parts = dicts(mapping(mapping(next(iter(answer.get("choices") or ()), None)).get("message")).get("content"))
        return [*found, *(piece for part in parts if (piece := self._piece(part))), *calls]

    def _piece(self, part: Mapping[str, Any]) -> Piece | None:
        match part.get("type"):
            case "text":
                return self.state.said(part["text"])
            case "reasoning":
                return Piece(Kind.THOUGHT, text(part.get("reasoning")))
            case "refusal":
                return Piece(Kind.REFUSAL, text(part.get("refusal")))
            case "tool_call":
                call_id = part["tool_call_id"]
                said = self.state.arguments_of(call_id)
                return Piece(
                    Kind.CALL, json_text(part["tool_input"]) if said is None else said, call_id, part["tool_name"]
                )
        return None

    def _name(self, said: Mapping[str, Any]) -> None:
        before = self.state.identity
        self.state.identity = Identity(
            stem_of(text(said.get("response_id"))) or before.stem,
            text(said.get("model")) or before.model,
            said.get("created") or before.created,
        )
