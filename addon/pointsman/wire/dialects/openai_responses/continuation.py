"""How Responses that broke off go on. Their events build on each other: the last ones repeat the whole text, under the
ids of the first ones.
"""

from collections.abc import Mapping
from typing import Any

from pointsman.wire.continuation.base import DialectContinuation, Obstacle, SeenAnswer
from pointsman.wire.continuation.reasons import NotContinued
from pointsman.wire.conversion.ir import Kind, Part
from pointsman.wire.dialects.openai_responses.answer_writer import ResponsesWriter
from pointsman.wire.dialects.openai_responses.tools import CALLS, namespaces
from pointsman.wire.json_access import Document, Members, mapping, mappings, text
from pointsman.wire.request_facts import RequestFacts
from pointsman.wire.thinking_signatures import MARK

CLOSING = ("response.output_text.done", "response.content_part.done")
"""What ends a text, before its item is done."""
UNFORCED = ("auto", "none", None)
THOUGHTS = "response.reasoning"
"""How the types of events about thoughts begin."""
UNEVENTFUL = ("response.in_progress", "response.queued", "response.reasoning_summary_part.added", "keepalive", "ping")

UNNUMBERED = ("keepalive", "ping")
"""They count only where they have a number of their own."""


def obstacle(request: Members) -> NotContinued | None:
    choice, items, included = request.get("tool_choice"), mappings(request.get("input")), request.get("include")
    is_of_allowed = mapping(choice).get("type") == "allowed_tools" and mapping(choice).get("mode") != "required"
    if request.get("top_logprobs") or (isinstance(included, list) and "message.output_text.logprobs" in included):
        return NotContinued.LOGPROBS
    if mapping(mapping(request.get("text")).get("format")).get("type") not in (None, "text"):
        return NotContinued.JSON_FORMAT
    if choice not in UNFORCED and not is_of_allowed:
        return NotContinued.FORCED_TOOL
    if request.get("background"):
        return NotContinued.NOT_TEXT
    return NotContinued.OWN_PREFILL if items and items[-1].get("role") == "assistant" else None


def turns(request: Members, said: str, instruction: str | None) -> Document:
    before = request.get("input")
    items = [{"role": "user", "content": before}] if isinstance(before, str) else [*(before or ())]
    items.append({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": said}]})
    if instruction is not None:
        items.append({"type": "message", "role": "user", "content": [{"type": "input_text", "text": instruction}]})
    return {"input": items}


class SeenResponse(SeenAnswer):
    """The client's text is that of all messages."""

    def __init__(self) -> None:
        super().__init__()
        self._answer: Members = {}
        self._number = -1
        """Of the last event."""
        self._done: list[Members] = []
        """The items that are done, in order."""
        self._item: Members | None = None
        """The message that is open."""
        self._closed: set[str] = set()
        """What has been sent of `CLOSING` for it."""
        self._opened = 0
        """How many texts stand before it."""

    def _note(self, document: Document) -> None:
        number = document.get("sequence_number")
        if isinstance(number, int):
            self._number = number
        elif document.get("type") not in UNNUMBERED:
            self._number += 1
        match document.get("type"):
            case "response.created":
                self._answer = mapping(document.get("response"))
            case "response.output_item.added":
                self._open(document, mapping(document.get("item")))
            case "response.output_item.done":
                self._close(mapping(document.get("item")))
            case "response.content_part.added":
                self._note_part(document)
            case "response.output_text.delta" if self._item and not self._closed:
                self._expect_first_part(document)
                if document.get("logprobs"):
                    raise Obstacle(NotContinued.LOGPROBS)
                self._add_text(text(document.get("delta")))
            case str(kind) if kind in CLOSING and self._item:
                self._expect_first_part(document)
                self._closed.add(kind)
            case "response.refusal.delta":
                raise Obstacle(NotContinued.REFUSAL)
            case str(kind) if kind.startswith(THOUGHTS) or kind in UNEVENTFUL or kind == CLOSING[1]:
                pass
            case _:
                raise Obstacle(NotContinued.NOT_TEXT)

    def _open(self, document: Members, item: Members) -> None:
        if document.get("output_index") != len(self._done) or self._item is not None:
            raise Obstacle(NotContinued.NOT_TEXT)
        match item.get("type"):
            case "message" if not item.get("content"):
                self._item, self._closed, self._opened = item, set(), len(self._texts)
                self._is_thinking = False
            case "reasoning":
                self._is_thinking = True
            case str(kind) if kind in CALLS:
                raise Obstacle(NotContinued.TOOL_CALL)
            case _:
                raise Obstacle(NotContinued.NOT_TEXT)

    def _close(self, item: Members) -> None:
        if item.get("encrypted_content") not in (None, "", MARK):
            raise Obstacle(NotContinued.THINKING)
        self._done.append(item)
        self._item, self._is_thinking = None, False

    def _note_part(self, document: Members) -> None:
        if self._item is None:
            return  # of a thought
        if mapping(document.get("part")).get("type") == "refusal":
            raise Obstacle(NotContinued.REFUSAL)
        self._expect_first_part(document)

    def _expect_first_part(self, document: Members) -> None:
        if document.get("content_index") != 0 or document.get("output_index") != len(self._done):
            raise Obstacle(NotContinued.NOT_TEXT)

    def open_part(self) -> Part | None:
        return None if self._item is None else Part(Kind.TEXT, "".join(self._texts[self._opened :]))

    def writer(self, facts: RequestFacts) -> ResponsesWriter:
        return RestWriter(facts.document, self._answer, self._number + 1, self._done, self._item, self._closed)


class RestWriter(ResponsesWriter):
    """Writes the rest of an answer of which the client has a part: `done` items, and an `item` that is open, of whose
    end the events `closed` are out.
    """

    def __init__(
        self,
        request: Mapping[str, Any],
        answer: Members,
        number: int,
        done: list[Members],
        item: Members | None,
        closed: set[str],
    ) -> None:
        super().__init__(request, namespaces(request))
        self._answer, self._number, self.items = dict(answer), number, list(done)
        self._open_item, self._open_place, self._closed = item, len(done), set(closed)

    def more(self, part: Part, text: str) -> bytes:
        if self._closed:
            raise Obstacle(NotContinued.NOT_TEXT)
        return super().more(part, text)

    def _is_seen(self) -> bool:
        return self._open_item is not None and self._place == self._open_place

    def _id(self, part: Part) -> str:
        return str(self._open_item["id"]) if self._open_item and self._is_seen() else super()._id(part)

    def _item(self, part: Part, status: str) -> dict[str, Any]:
        item = super()._item(part, status)
        return {**self._open_item, **item} if self._open_item and self._is_seen() else item

    def _event(self, kind: str, **members: Any) -> bytes:
        if kind in self._closed:
            self._closed.discard(kind)
            return b""
        return super()._event(kind, **members)


def seen(facts: RequestFacts) -> SeenResponse:
    return SeenResponse()


CONTINUATION = DialectContinuation(obstacle=obstacle, turns=turns, limits=(("max_output_tokens",),), seen=seen)
