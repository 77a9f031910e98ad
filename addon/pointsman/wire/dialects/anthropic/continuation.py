"""How Messages that broke off go on."""

from pointsman.wire.continuation.base import DialectContinuation, Obstacle, SeenAnswer
from pointsman.wire.continuation.reasons import NotContinued
from pointsman.wire.conversion.ir import Kind, Part
from pointsman.wire.dialects.anthropic.answer_writer import MessagesWriter
from pointsman.wire.json_access import Document, Members, mapping, mappings, text
from pointsman.wire.request_facts import RequestFacts
from pointsman.wire.thinking_signatures import MARK

FORCING = ("any", "tool")


def obstacle(request: Members) -> NotContinued | None:
    formats = (request.get("output_format"), mapping(request.get("output_config")).get("format"))
    messages = mappings(request.get("messages"))
    if any(mapping(each).get("type") not in (None, "text") for each in formats):
        return NotContinued.JSON_FORMAT
    if mapping(request.get("tool_choice")).get("type") in FORCING:
        return NotContinued.FORCED_TOOL
    return NotContinued.OWN_PREFILL if messages and messages[-1].get("role") == "assistant" else None


def turns(request: Members, said: str, instruction: str | None) -> Document:
    messages = [*request["messages"], _turn("assistant", said)]
    return {"messages": messages if instruction is None else [*messages, _turn("user", instruction)]}


def _turn(role: str, said: str) -> Document:
    return {"role": role, "content": [{"type": "text", "text": said}]}


def may_prefill(request: Members) -> bool:
    """A model that is to think cannot begin with a text."""
    return mapping(request.get("thinking")).get("type") in (None, "disabled")


class SeenMessage(SeenAnswer):
    """The client's text is that of all blocks."""

    def __init__(self) -> None:
        super().__init__()
        self._block = -1
        """The index of the last block."""
        self._opened = 0
        """How many texts stand before the last block of text."""
        self._is_open = False

    def _note(self, document: Document) -> None:
        match document.get("type"):
            case "message_start" if mappings(mapping(document.get("message")).get("content")):
                raise Obstacle(NotContinued.NOT_TEXT)
            case "content_block_start":
                self._note_opening(document, mapping(document.get("content_block")))
            case "content_block_delta":
                self._note_delta(mapping(document.get("delta")))
            case "content_block_stop":
                self._is_open = self._is_thinking = False
            case "message_start" | "ping":
                pass
            case _:
                raise Obstacle(NotContinued.NOT_TEXT)

    def _note_opening(self, document: Members, block: Members) -> None:
        if document.get("index") != self._block + 1:
            raise Obstacle(NotContinued.NOT_TEXT)
        self._block += 1
        match block.get("type"):
            case "text" if not block.get("citations"):
                self._opened, self._is_open = len(self._texts), True
                self._add_text(text(block.get("text")))
            case "thinking" if not _is_signed(block):
                self._is_thinking = True
            case "thinking" | "redacted_thinking":
                raise Obstacle(NotContinued.THINKING)
            case "tool_use":
                raise Obstacle(NotContinued.TOOL_CALL)
            case _:
                raise Obstacle(NotContinued.NOT_TEXT)

    def _note_delta(self, delta: Members) -> None:
        match delta.get("type"):
            case "text_delta" if self._is_open:
                self._add_text(text(delta.get("text")))
            case "thinking_delta":
                pass
            case "signature_delta":
                if _is_signed(delta):
                    raise Obstacle(NotContinued.THINKING)
            case _:
                raise Obstacle(NotContinued.NOT_TEXT)

    def open_part(self) -> Part | None:
        return Part(Kind.TEXT, "".join(self._texts[self._opened :])) if self._is_open else None

    def writer(self, facts: RequestFacts) -> MessagesWriter:
        return MessagesWriter(facts.model, self._block)


def _is_signed(members: Members) -> bool:
    return members.get("signature") not in (None, "", MARK)


def seen(facts: RequestFacts) -> SeenMessage:
    return SeenMessage()


CONTINUATION = DialectContinuation(
    obstacle=obstacle,
    turns=turns,
    limits=(("max_tokens",),),
    may_prefill=may_prefill,
    heeds_model_facts=True,
    seen=seen,
)
