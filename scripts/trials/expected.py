"""What a provider says, to the byte: its behaviour is played to a responder that only records."""

from asyncio import StreamWriter
from collections.abc import Coroutine
from typing import Any, cast

from pointsman.demo import Responder
from pointsman.demo.responder import AnswerOver, Headers
from trials.faults import part
from trials.questions import Question

LONGEST = 4 << 20
"""Bytes after which nobody listens any more."""


class Recorder(Responder):
    """Keeps the body of an answer as a client should receive it, however slowly or oddly it would be sent."""

    def __init__(self, question: Question) -> None:
        super().__init__(question.seen(), cast(StreamWriter, _Nobody()))
        self.body = bytearray()

    async def head(self, status: int = 200, headers: Headers = (), length: int | None = None) -> None:
        pass

    def compose_head(self, status: int = 200, headers: Headers = (), length: int | None = None) -> bytes:
        return b"a head"

    async def write(self, raw: bytes) -> None:
        pass

    async def chunk(self, data: bytes) -> None:
        self.body += data
        if len(self.body) > LONGEST:
            raise AnswerOver

    async def end(self) -> None:
        pass

    async def sleep(self, seconds: float) -> None:
        pass


class _Nobody:
    """The connection of that responder. Behaviours may break it."""

    @property
    def transport(self) -> "_Nobody":
        return self

    def get_extra_info(self, _: str) -> "_Nobody":
        return self

    def setsockopt(self, *_: object) -> None:
        pass

    def abort(self) -> None:
        pass


def body(question: Question, provider: str) -> bytes:
    """All that this provider says to that question, until it breaks off or would go on for ever."""
    recorder = Recorder(question)
    _play(part(question, provider).behaviour.play(recorder))
    return bytes(recorder.body)


def _play(act: Coroutine[Any, Any, None]) -> None:
    """Nothing in there waits, but for who hangs, and that is for ever."""
    try:
        act.send(None)
    except (StopIteration, AnswerOver):
        return
    act.close()
