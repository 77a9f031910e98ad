"""What a dialect says of continuations (`continuation.py` in its folder), and what a client has seen of an answer."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from pointsman.config.enums import Prefill
from pointsman.wire.continuation.reasons import NotContinued
from pointsman.wire.conversion.answer_writer import DialectWriter
from pointsman.wire.conversion.ir import Kind, Part
from pointsman.wire.json_access import Document, Members
from pointsman.wire.request_facts import RequestFacts
from pointsman.wire.stream_documents import StreamDocuments

BATCH = 64 * 1024
"""Bytes of an answer that are read at once: what reading them costs is noticed neither by chunk nor at a break."""
MAX_TEXT = 4 << 20
"""Characters of an answer that may be continued."""
_HALF = re.compile("[\ud800-\udfff]")


class Method(StrEnum):
    PREFILL = "prefill"
    """The second model goes on after the text, which is its own last message."""
    ANCHOR = "anchor"
    """It is asked to, and to repeat the last words first."""


class Obstacle(Exception):
    """The answer, or its request, cannot be continued."""

    def __init__(self, reason: NotContinued) -> None:
        super().__init__(reason.value)
        self.reason = reason


class SeenAnswer(ABC):
    """What the client has seen of an answer: its text, and what the events that end it will have to repeat.

    Bytes are kept, and read in batches, so that a stream which does not break costs little.
    """

    def __init__(self) -> None:
        self._documents = StreamDocuments()
        self._unread: list[bytes] = []
        self._unread_bytes = 0
        self._obstacle: NotContinued | None = None
        self._texts: list[str] = []
        self._length = 0
        self._is_thinking = False
        """The last thing that was said is a thought."""

    def feed(self, data: bytes) -> None:
        """Whole events."""
        if self._obstacle:
            return
        self._unread.append(data)
        self._unread_bytes += len(data)
        if self._unread_bytes >= BATCH:
            self._read()

    def obstacle(self) -> NotContinued | None:
        """Why it cannot be continued."""
        self._read()
        if self._obstacle is None and self._is_thinking:
            return NotContinued.THINKING
        return self._obstacle

    @property
    def text(self) -> str:
        """All of it, up to where `obstacle` has read."""
        return joined(self._texts)

    @abstractmethod
    def writer(self, facts: RequestFacts) -> DialectWriter:
        """Writes the rest of this answer."""

    def open_part(self) -> Part | None:
        """The text that the rest goes on with; None if it is closed, so that more text begins another one."""
        return Part(Kind.TEXT, self.text)

    @abstractmethod
    def _note(self, document: Document) -> None:
        """Reads one event. Raises Obstacle."""

    def _add_text(self, text: str) -> None:
        if not text:
            return
        self._is_thinking = False
        self._texts.append(text)
        self._length += len(text)
        if self._length > MAX_TEXT:
            raise Obstacle(NotContinued.TOO_LONG)

    def _documents_of(self, data: bytes) -> Iterable[Document]:
        return self._documents.of(data)

    def _read(self) -> None:
        unread, self._unread, self._unread_bytes = b"".join(self._unread), [], 0
        if self._obstacle or not unread:
            return
        try:
            for document in self._documents_of(unread):
                self._note(document)
        except Obstacle as obstacle:
            self._obstacle = obstacle.reason
            self._texts.clear()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DialectContinuation:
    """One of each dialect."""

    obstacle: Callable[[Members], NotContinued | None]
    """Why an answer to this request cannot be continued."""
    turns: Callable[[Members, str, str | None], Document]
    """The members of a request that go on after it: the text as the assistant's turn, then perhaps a user's."""
    limits: tuple[tuple[str, ...], ...]
    """Where a request has the limit for its output tokens."""
    may_prefill: Callable[[Members], bool] = lambda _: True
    """A request, as its provider gets it, may end with the assistant's words."""
    mark: Callable[[Document, Prefill], None] = lambda *_: None
    """Marks the last message of a request as the beginning of the answer."""
    heeds_model_facts: bool = False
    """Where nothing is configured, `model_facts.yaml` says which of its models take a prefill."""
    seen: Callable[[RequestFacts], SeenAnswer]


def joined(texts: Iterable[str]) -> str:
    """One text; halves of a character that came apart are put together."""
    text = "".join(texts)
    if _HALF.search(text):
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    return text


def is_whole_text(text: str) -> bool:
    """It has no half of a character, which JSON can express and UTF-8 cannot."""
    return _HALF.search(text) is None
