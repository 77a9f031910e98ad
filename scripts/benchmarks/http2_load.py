"""The load generator's clients that speak HTTP/2: several streams on one connection, each asking one request after the
other.
"""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from h2.events import DataReceived, Event, ResponseReceived, StreamEnded, StreamReset

from benchmarks.http2 import Line

if TYPE_CHECKING:
    from benchmarks.load import Run


@dataclass(slots=True)
class Answer:
    """What has come of one; `kept` is its bytes where they are to be compared, else None."""

    kept: bytearray | None
    asked: float = field(default_factory=time.perf_counter)
    received: int = 0


class SharedClient(Line):
    """One connection with `streams` streams at a time. Their first answers alone are compared, of the others the size
    alone matters.
    """

    def __init__(self, run: "Run", body: bytes, streams: int) -> None:
        super().__init__()
        self._run = run
        self._body = body
        self._streams = streams
        self._answers: dict[int, Answer] = {}
        self._closing = False

    def ask(self) -> None:
        for _ in range(self._streams):
            self._ask(bytearray())

    def close(self) -> None:
        self._closing = True
        self._transport.close()

    def take(self, event: Event) -> None:
        match event:
            case DataReceived(stream_id=int(number), data=bytes(data)):
                answer = self._answers[number]
                answer.received += len(data)
                if answer.kept is not None:
                    answer.kept += data
            case ResponseReceived(stream_id=int(number), headers=headers):
                self._run.first_bytes.append(time.perf_counter() - self._answers[number].asked)
                if (":status", "200") not in (headers or ()):
                    self._run.fail(f"an answer that begins with {headers!r}")
            case StreamEnded(stream_id=int(number)):
                self._take_end(self._answers.pop(number))
            case StreamReset(stream_id=int(number)) if number in self._answers:
                self._run.fail(f"a stream was reset after {self._answers[number].received} bytes of an answer")

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        if not self._closing and self._answers:
            received = sum(answer.received for answer in self._answers.values())
            self._run.fail(f"a connection was closed after {received} bytes of {len(self._answers)} answers")

    def _ask(self, kept: bytearray | None) -> None:
        asked = self.request(self._body)
        self._answers[asked] = Answer(kept)

    def _take_end(self, answer: Answer) -> None:
        if answer.received != len(self._run.body):
            self._run.fail(f"an answer of {answer.received} bytes, not {len(self._run.body)}")
        elif answer.kept is not None and answer.kept != self._run.body:
            self._run.fail(f"not what the provider sent: {bytes(answer.kept[:2000])!r}")
        elif self._run.goes_on():
            self._ask(None)
