"""The reader of an answer with an error status: it collects the body, bounded, and says at its end what the provider
meant.
"""

from collections.abc import Sequence

from pointsman.wire.dialects.base import Dialect
from pointsman.wire.errors import Fault
from pointsman.wire.frames import Frame, FrameKind, Opening, Usage

MAX_ERROR_BODY = 1 << 20


class ErrorReader:
    finish_reason: str | None = None
    finished = False
    usage: Usage | None = None
    opening: Opening | None = None

    def __init__(self, dialect: Dialect, status: int, content_type: str) -> None:
        self._dialect, self._status, self._content_type = dialect, status, content_type
        self._body = bytearray()

    def read(self, data: bytes) -> Sequence[Frame]:
        self._body += data[: MAX_ERROR_BODY - len(self._body)]
        return self.close() if len(self._body) >= MAX_ERROR_BODY else ()

    def close(self) -> Sequence[Frame]:
        return (Frame(FrameKind.ERROR, b"", self.fault()),)

    def fault(self) -> Fault:
        """What is known so far: a body that never ends does not hide the status."""
        return self._dialect.fault(self._status, bytes(self._body), self._content_type)
