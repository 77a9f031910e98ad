"""Answers in Gemini's dialect: whole, streamed as events, and streamed as the elements of one list."""

from collections.abc import Mapping, Sequence
from typing import Any

from pointsman.wire import jsontext
from pointsman.wire.dialects.gemini.names import member
from pointsman.wire.dialects.gemini.request import COUNT_TOKENS, is_sse
from pointsman.wire.error_parsing import wrapped_fault
from pointsman.wire.frames import Frame, FrameKind, Opening, Reader, Usage
from pointsman.wire.json_access import Members, count, mapping, mappings
from pointsman.wire.jsonlist import END, ROOT, ListCutter
from pointsman.wire.request_facts import RequestFacts
from pointsman.wire.sse import EVENT_STREAM, LARGE_EVENT, Decoder, Event
from pointsman.wire.stream_reader import Cutter, StreamReader, malformed
from pointsman.wire.usage_counts import is_possible
from pointsman.wire.whole_reader import CountReader, RefusingReader, WholeReader, media_type, reader_for

FILTERS = (
    "SAFETY",
    "RECITATION",
    "LANGUAGE",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
)
FINISH_REASONS = {"STOP": "stop", "MAX_TOKENS": "length", **dict.fromkeys(FILTERS, "content_filter")}

TELLING_MEMBERS = (b'"finishReason"', b'"promptFeedback"', b'"error"')
"""With one of these a chunk says more than content."""
SILENT_MEMBERS = ("text", "thought", "thoughtSignature")


def reader(facts: RequestFacts, content_type: str, drop_usage: bool = False, /) -> Reader:
    if facts.action == COUNT_TOKENS.action:
        return CountReader(COUNT_TOKENS.member)
    asked = member(mapping(member(facts.document, "generationConfig")), "candidateCount")
    candidates = asked if isinstance(asked, int) else 1
    if facts.stream and not is_sse(facts):
        return list_reader(content_type, candidates)
    return reader_for(facts.stream, content_type, lambda: EventReader(candidates=candidates), GeminiWholeReader)


def list_reader(content_type: str, candidates: int) -> Reader:
    if media_type(content_type) in (EVENT_STREAM, "text/html"):
        return RefusingReader("an answer that is not a list, although the request asked for one")
    return ListReader(candidates)


class EventReader(StreamReader):
    """`candidates`: how many answers were asked for; the stream is whole when all of them are."""

    def __init__(self, cutter: Cutter | None = None, candidates: int = 1) -> None:
        super().__init__(cutter or Decoder(LARGE_EVENT, shortens=True))
        self._candidates = candidates
        self._finished: set[int] = set()
        self._opening: Opening | None = None

    @property
    def opening(self) -> Opening | None:
        return self._opening

    def frame_of(self, event: Event) -> Frame:
        data = event.data or b""
        if self.has_spoken and not self.finished and is_only_content(data):
            return Frame(FrameKind.CONTENT, event.raw)
        document = jsontext.loads(data)
        if fault := wrapped_fault(document):
            return Frame(FrameKind.ERROR, event.raw, fault)
        if not isinstance(document, Mapping):
            raise ValueError("not an object")
        self._opening = self._opening or Opening()
        self.usage = usage_of(document) or self.usage
        self._note_finish(document)
        return Frame(FrameKind.CONTENT if has_content(document) else FrameKind.NEUTRAL, event.raw)

    def _note_finish(self, document: Members) -> None:
        if not (reason := finish_reason_of(document)):
            return
        self.finish_reason = reason
        candidates = candidates_of(document)
        self._finished.update(count(each.get("index")) for each in candidates if each.get("finishReason"))
        self.finished = not candidates or len(self._finished) >= self._candidates


class ListReader(EventReader):
    """Its frames are elements, each with the bracket or comma before it, and the closing bracket. A whole answer, which
    came although a list was asked for, is made the only element."""

    def __init__(self, candidates: int = 1) -> None:
        super().__init__(ListCutter(LARGE_EVENT, shortens=True), candidates)

    def frame_of(self, event: Event) -> Frame:
        if event.event == END:
            return Frame(FrameKind.END, event.raw)
        frame = super().frame_of(event)
        if event.event != ROOT or frame.fault:
            return frame
        if self.finish_reason is None:
            return malformed("an answer that is not a list, although the request asked for one")
        return frame._replace(data=b"[" + event.raw + b"]")


class GeminiWholeReader(WholeReader):
    def frames_of(self, document: Mapping[str, Any], body: bytes) -> Sequence[Frame]:
        if not candidates_of(document) and "promptFeedback" not in document:
            return [malformed("an answer without candidates")]
        self.usage = usage_of(document)
        self.finish_reason = finish_reason_of(document)
        self.finished = True
        if has_content(document):
            return [Frame(FrameKind.CONTENT, body), Frame(FrameKind.END, b"")]
        return [Frame(FrameKind.END, body)]


def is_only_content(data: bytes) -> bool:
    """Whether bytes alone show that a chunk has neither a finish reason nor an error. Usage comes with the former."""
    return b'"candidates"' in data and not any(name in data for name in TELLING_MEMBERS)


def candidates_of(document: Members) -> list[Members]:
    return mappings(document.get("candidates"))


def has_content(document: Members) -> bool:
    """Whether a chunk has content: text, a thought, a call, data."""
    return any(map(part_has_content, parts_of(document)))


def parts_of(document: Members) -> list[Members]:
    contents = (mapping(candidate.get("content")) for candidate in candidates_of(document))
    return [part for content in contents for part in mappings(content.get("parts"))]


def part_has_content(part: Members) -> bool:
    return bool(part.get("text")) or any(value for name, value in part.items() if name not in SILENT_MEMBERS)


def finish_reason_of(document: Members) -> str | None:
    """A prompt that was blocked has no candidate, and is answered with that."""
    if mapping(document.get("promptFeedback")).get("blockReason"):
        return "content_filter"
    reasons = (candidate.get("finishReason") for candidate in candidates_of(document))
    words = (word for word in reasons if isinstance(word, str) and word and word != "FINISH_REASON_UNSPECIFIED")
    word = next(words, None)
    return FINISH_REASONS.get(word, word.lower()) if word else None


def usage_of(document: Members) -> Usage | None:
    usage = document.get("usageMetadata")
    if not isinstance(usage, Mapping) or not is_possible(usage):
        return None
    prompt, cached = count(usage.get("promptTokenCount")), count(usage.get("cachedContentTokenCount"))
    thoughts = count(usage.get("thoughtsTokenCount"))
    return Usage(
        input=max(0, prompt - cached) + count(usage.get("toolUsePromptTokenCount")),
        output=count(usage.get("candidatesTokenCount")) + thoughts,
        cache_read=cached,
        reasoning=thoughts,
    )
