"""Questions to the peers, for pages that show all instances: an instance asks with a delta, and each peer puts its
answer where the asker finds it.

    TAG:ID  a list of answers, which the engine forgets after some seconds

Questions and answers may hold what people may read and the engine must not, such as the names of clients. So both are
sealed with the secret that all instances have.
"""

from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import orjson
from cachetools import LRUCache

from pointsman.shared.part import Call, Delta, Script, SharedTime

KEPT = 10
"""Seconds for which the engine keeps answers."""
MAX_OPEN = 16
"""Questions that wait for answers; further ones are not asked."""
MAX_UNSENT = 64
"""Answers that have not been sent; the oldest go first."""
MAX_NAMES = 256
"""Peers whose names are known."""

PUT = Script(
    "questions-put",
    """
redis.call('RPUSH', KEYS[1], ARGV[2])
return redis.call('EXPIRE', KEYS[1], ARGV[1])
""",
)
TAKE = Script("questions-take", "return redis.call('LRANGE', KEYS[1], ARGV[1], -1)")
ALIVE = Script("questions-alive", "return redis.call('ZRANGE', KEYS[1], 0, -1)")


class Seal(Protocol):
    """Keeps what it seals from those who have not the secret."""

    def close(self, clear: bytes) -> bytes: ...

    def open(self, sealed: bytes) -> bytes | None:
        """The content; None if it was sealed with another secret, is damaged or is too long."""


@dataclass(frozen=True, slots=True)
class PeerAnswers:
    """The answers by the name of the instance, in plain JSON types. `missing` are the names of those that did not
    answer in time, or could not.
    """

    answers: dict[str, Any] = field(default_factory=dict)
    missing: tuple[str, ...] = ()

    def to_dict(self, own: str) -> dict[str, Any]:
        """Whose figures a page shows, in plain JSON types."""
        return {"answered": [own, *sorted(self.answers)], "missing": sorted(self.missing)}


@dataclass(slots=True, eq=False)
class Question:
    """One that was asked here. `answers` are by instance, in plain JSON types; `alive` are the peers that should
    answer, None as long as that is not known. `taken`: answers that were read.
    """

    id: str
    answers: dict[str, Any] = field(default_factory=dict)
    taken: int = 0
    alive: frozenset[str] | None = None
    on_complete: Callable[[], None] = lambda: None

    @property
    def is_complete(self) -> bool:
        return self.alive is not None and self.alive <= self.answers.keys()


class SharedQuestions:
    """A `shared.part.Part`. `title` is what people call this instance. `on_question` is called with the id of a peer's
    question and the question; `answer` takes what is to be said.
    """

    name = "questions"

    def __init__(
        self,
        key: Callable[..., str],
        instances_key: str,
        instance: str,
        title: str,
        seal: Seal,
        on_question: Callable[[str, Any], None],
    ) -> None:
        self._key, self._instances_key, self._instance, self.title = key, instances_key, instance, title
        self._seal, self._on_question = seal, on_question
        self._deltas: deque[Delta] = deque(maxlen=MAX_OPEN)
        self._unsent: deque[Call] = deque(maxlen=MAX_UNSENT)
        self._open: dict[str, Question] = {}
        self._titles: LRUCache[str, str] = LRUCache(MAX_NAMES)
        self._announces = True

    def announce(self) -> None:
        """Peers are to know what this instance is called; those with another secret cannot read it."""
        self._announces = True

    def title_of(self, instance: str) -> str:
        return self._titles.get(instance, instance)

    @property
    def known(self) -> frozenset[str]:
        """Peers that were heard of; some may be gone."""
        return frozenset(self._titles)

    def ask(self, id: str, asked: Any) -> Question | None:
        """Asks all peers; None if too many questions wait already."""
        if len(self._open) >= MAX_OPEN:
            return None
        question = self._open[id] = Question(id)
        self._deltas.append(self._delta("ask", id, asked))
        return question

    def close(self, question: Question) -> None:
        """Answers that come later do not count."""
        self._open.pop(question.id, None)

    def sealed_answer(self, said: Any) -> bytes:
        """For `answer`. May be called in a thread."""
        return self._seal.close(orjson.dumps([self._instance, self.title, said]))

    def answer(self, id: str, sealed: bytes) -> None:
        self._unsent.append(Call(PUT, [self._key(self.name, id)], [KEPT, sealed]))

    def deltas(self, now: SharedTime) -> Iterator[Delta]:
        if self._announces:
            self._announces = False
            yield self._delta("here", self._instance, self.title)
        while self._deltas:
            yield self._deltas.popleft()

    def on_delta(self, delta: Delta, now: SharedTime) -> None:
        kind, id, sealed = orjson.loads(delta.body)
        clear = self._seal.open(b64decode(sealed))
        if clear is None:
            return
        said = orjson.loads(clear)
        if kind == "ask":
            self._on_question(id, said)
        elif kind == "here":
            self._titles[id] = str(said)

    def calls(self, now: SharedTime) -> Iterator[Call]:
        while self._unsent:
            yield self._unsent.popleft()
        if self._open:
            yield Call(ALIVE, [self._instances_key], (), self._on_alive)
        for question in self._open.values():
            yield Call(TAKE, [self._key(self.name, question.id)], [question.taken], partial(self._on_answers, question))

    def publish_all(self, now: SharedTime) -> None:
        self._announces = True

    def on_connected(self, now: SharedTime, is_new_engine: bool) -> None:
        self._announces = True

    def on_disconnected(self, now: SharedTime) -> None:
        """Nothing to do: waiting questions time out."""

    def _on_alive(self, reply: Iterable[bytes], _: SharedTime) -> None:
        alive = frozenset(each.decode() for each in reply) - {self._instance}
        for question in list(self._open.values()):
            question.alive = alive
            self._finish(question)

    def _on_answers(self, question: Question, reply: Sequence[bytes], _: SharedTime) -> None:
        question.taken += len(reply)
        for sealed in reply:
            if clear := self._seal.open(sealed):
                instance, self._titles[instance], said = orjson.loads(clear)
                question.answers[instance] = said
        self._finish(question)

    def _finish(self, question: Question) -> None:
        if question.is_complete:
            question.on_complete()

    def _delta(self, kind: str, id: str, said: Any) -> Delta:
        sealed = b64encode(self._seal.close(orjson.dumps(said))).decode()
        return Delta(self.name, orjson.dumps([kind, id, sealed]))
