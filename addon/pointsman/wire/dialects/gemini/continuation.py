"""How answers in Gemini's dialect go on when they broke off."""

from collections.abc import Iterable
from typing import Any

from pointsman.wire import jsontext
from pointsman.wire.continuation.base import DialectContinuation, Obstacle, SeenAnswer
from pointsman.wire.continuation.reasons import NotContinued
from pointsman.wire.dialects.gemini.answer_writer import GeminiWriter
from pointsman.wire.dialects.gemini.names import member
from pointsman.wire.dialects.gemini.request import is_sse
from pointsman.wire.json_access import Document, Members, count, mapping, mappings, text
from pointsman.wire.jsonlist import ListCutter
from pointsman.wire.request_facts import RequestFacts
from pointsman.wire.sse import LARGE_EVENT

SCHEMAS = ("responseSchema", "responseJsonSchema")
OF_ONE_EVENT = ("candidates", "usageMetadata", "promptFeedback")
"""Members of a chunk that the next one has not to repeat."""
SOURCES = ("groundingMetadata", "citationMetadata", "urlContextMetadata")
"""Members of a candidate that speak of places in its text."""
TEXT_MEMBERS = frozenset({"text", "thought"})


def obstacle(request: Members) -> NotContinued | None:
    config, contents = mapping(member(request, "generationConfig")), mappings(request.get("contents"))
    calling = mapping(member(mapping(member(request, "toolConfig")), "functionCallingConfig"))
    if count(member(config, "candidateCount")) > 1:
        return NotContinued.SEVERAL_CHOICES
    if member(config, "responseLogprobs"):
        return NotContinued.LOGPROBS
    if member(config, "responseMimeType") not in (None, "text/plain") or any(member(config, name) for name in SCHEMAS):
        return NotContinued.JSON_FORMAT
    if str(calling.get("mode")).upper() == "ANY":
        return NotContinued.FORCED_TOOL
    if member(config, "responseModalities") not in (None, [], ["TEXT"]):
        return NotContinued.NOT_TEXT
    return NotContinued.OWN_PREFILL if contents and contents[-1].get("role") == "model" else None


def turns(request: Members, said: str, instruction: str | None) -> Document:
    contents = [*request["contents"], _turn("model", said)]
    return {"contents": contents if instruction is None else [*contents, _turn("user", instruction)]}


def _turn(role: str, said: str) -> Document:
    return {"role": role, "parts": [{"text": said}]}


class SeenContent(SeenAnswer):
    def __init__(self, is_list: bool) -> None:
        super().__init__()
        self._frame: dict[str, Any] = {}
        self._cutter = ListCutter(LARGE_EVENT) if is_list else None

    def _documents_of(self, data: bytes) -> Iterable[Document]:
        if self._cutter is None:
            return super()._documents_of(data)
        elements = (jsontext.parsed(event.data or b"") for event in self._cutter.feed(data))
        return [element for element in elements if isinstance(element, dict)]

    def _note(self, document: Document) -> None:
        self._frame = {name: value for name, value in document.items() if name not in OF_ONE_EVENT}
        for candidate in mappings(document.get("candidates")):
            if candidate.get("index") not in (0, None):
                raise Obstacle(NotContinued.SEVERAL_CHOICES)
            if candidate.get("finishReason") or candidate.get("logprobsResult") or any(map(candidate.get, SOURCES)):
                raise Obstacle(NotContinued.NOT_TEXT)
            for part in mappings(mapping(candidate.get("content")).get("parts")):
                self._note_part(part)

    def _note_part(self, part: Members) -> None:
        if part.get("thoughtSignature"):
            raise Obstacle(NotContinued.THINKING)
        if part.get("functionCall"):
            raise Obstacle(NotContinued.TOOL_CALL)
        if set(part) - TEXT_MEMBERS:
            raise Obstacle(NotContinued.NOT_TEXT)
        if part.get("thought"):
            self._is_thinking = True
        else:
            self._add_text(text(part.get("text")))

    def writer(self, facts: RequestFacts) -> GeminiWriter:
        return GeminiWriter(self._cutter is not None, self._frame)


def seen(facts: RequestFacts) -> SeenContent:
    return SeenContent(is_list=not is_sse(facts))


CONTINUATION = DialectContinuation(
    obstacle=obstacle,
    turns=turns,
    limits=(("generationConfig", "maxOutputTokens"), ("generation_config", "max_output_tokens")),
    seen=seen,
)
