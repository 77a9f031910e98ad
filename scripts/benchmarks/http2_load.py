"""The load generator's HTTP/2 clients: several streams on one connection, each sending one request after the other."""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from h2.events import DataReceived, Event, ResponseReceived, StreamEnded, StreamReset

from benchmarks.http2 import Connection

if TYPE_CHECKING:
    from benchmarks.load import Run


@dataclass(slots=True)
class Answer:
    """An answer so far; `kept` is its bytes if they will be compared, else None."""

    kept: bytearray | None
    sent_at: float = field(default_factory=time.perf_counter)
    received: int = 0


class Http2Client(Connection):
    """One connection with `streams` concurrent streams. The first answer of each is compared byte by byte, the others
    by size.
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

    def on_event(self, event: Event) -> None:
        match event:
            case DataReceived(stream_id=int(stream_id), data=bytes(data)):
                answer = self._answers[stream_id]
                answer.received += len(data)
                if answer.kept is not None:
                    answer.kept += data
            case ResponseReceived(stream_id=int(stream_id), headers=headers):
                self._run.first_bytes.append(time.perf_counter() - self._answers[stream_id].sent_at)
                if (":status", "200") not in (headers or ()):
                    self._run.fail(f"the answer begins with {headers!r}")
            case StreamEnded(stream_id=int(stream_id)):
                self._on_end(self._answers.pop(stream_id))
            case StreamReset(stream_id=int(stream_id)) if stream_id in self._answers:
                self._run.fail(f"the stream was reset after {self._answers[stream_id].received} bytes of an answer")

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        if not self._closing and self._answers:
            received = sum(answer.received for answer in self._answers.values())
            self._run.fail(f"the connection was closed after {received} bytes of {len(self._answers)} answers")

    def _ask(self, kept: bytearray | None) -> None:
        stream_id = self.request(self._body)
        self._answers[stream_id] = Answer(kept)

    def _on_end(self, answer: Answer) -> None:
        if answer.received != len(self._run.body):
            self._run.fail(f"the answer has {answer.received} bytes instead of {len(self._run.body)}")
        elif answer.kept is not None and answer.kept != self._run.body:
            self._run.fail(f"differs from what the provider sent: {bytes(answer.kept[:2000])!r}")
        elif self._run.should_continue():
            self._ask(None)
