"""The reader of an answer with an error status: it collects the body, bounded, and says at its end what the provider
meant.
"""

from collections.abc import Sequence
from dataclasses import replace

from pointsman.wire.dialect import Dialect
from pointsman.wire.faults import Fault
from pointsman.wire.frames import Frame, FrameKind, Opening, Usage

MAX_ERROR_BODY = 1 << 20


class ErrorReader:
    """`wait` is what the provider's headers say about when to come back, in seconds; it outranks the body's word."""

    finish_reason: str | None = None
    finished = False
    usage: Usage | None = None
    opening: Opening | None = None

    def __init__(self, dialect: Dialect, status: int, content_type: str, wait: float | None) -> None:
        self._dialect, self._status, self._content_type, self._wait = dialect, status, content_type, wait
        self._body = bytearray()

    def read(self, data: bytes) -> Sequence[Frame]:
        self._body += data[: MAX_ERROR_BODY - len(self._body)]
        return self.close() if len(self._body) >= MAX_ERROR_BODY else ()

    def close(self) -> Sequence[Frame]:
        return (Frame(FrameKind.ERROR, b"", self.fault()),)

    def fault(self) -> Fault:
        """What is known so far: a body that never ends does not hide the status."""
        fault = self._dialect.fault(self._status, bytes(self._body), self._content_type)
        return fault if self._wait is None else replace(fault, retry_after=self._wait)
