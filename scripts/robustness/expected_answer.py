"""The exact body that a provider sends: its behaviour runs against a connection that only records."""

from asyncio import StreamWriter
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, cast

from pointsman.demo import Behaviour, ReceivedRequest, Responder
from pointsman.demo.responder import AnswerOver, Headers
from robustness.faults import assignment
from robustness.requests import ChatRequest

LONGEST = 4 << 20
"""Bytes after which recording stops."""


class BodyRecorder(Responder):
    """Records the body of an answer as a client should receive it, without delays and framing."""

    def __init__(self, received: ReceivedRequest) -> None:
        super().__init__(received, cast(StreamWriter, _NullWriter()))
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


class _NullWriter:
    """A connection that discards everything. Behaviours may abort it."""

    @property
    def transport(self) -> "_NullWriter":
        return self

    def get_extra_info(self, _: str) -> "_NullWriter":
        return self

    def setsockopt(self, *_: object) -> None:
        pass

    def abort(self) -> None:
        pass


def expected_body(request: ChatRequest, provider: str, text: str | None = None, key: int | None = None) -> bytes:
    """All that this provider sends for the request, until it breaks off or LONGEST is reached. `text` is what it writes
    instead of an answer of its own, with that key.
    """
    mine = assignment(request, provider)
    return recorded(request.received(), mine.behaviour if text is None else replace(mine, text=text).behaviour_for(key))


def recorded(received: ReceivedRequest, behaviour: Behaviour) -> bytes:
    """All that a behaviour sends as the answer to a request."""
    recorder = BodyRecorder(received)
    _play(behaviour.play(recorder))
    return bytes(recorder.body)


def _play(act: Coroutine[Any, Any, None]) -> None:
    """One step is enough: the recorder never waits, and a behaviour that waits does so for ever."""
    try:
        act.send(None)
    except (StopIteration, AnswerOver):
        return
    act.close()
