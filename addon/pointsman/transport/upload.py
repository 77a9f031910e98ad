"""The body of a request that is coming in, of a chat or of an own page."""

from mitmproxy.proxy import events
from mitmproxy.proxy.layers.http import RequestData, RequestEndOfMessage, RequestProtocolError

from pointsman.transport.http1 import RequestBodyMalformed
from pointsman.transport.upload_timeout import UploadTimer
from pointsman.wire.errors import Code, Problem

MAX_DISCARDED_BYTES = 128 << 20
"""Bytes of a refused request's body that are taken in and forgotten: a client that is cut off while it sends may never
see its answer.
"""

MALFORMED_CHUNKING = Problem(Code.INVALID_REQUEST, "The request body is not valid chunked encoding.")

CONNECTION_CLOSE = (("Connection", "close"),)
"""For an answer after which nothing of its connection can be read as a request."""


class Upload:
    """Its timer, if it has one, and how much of it is discarded."""

    def __init__(self) -> None:
        self.timer: UploadTimer | None = None
        self._discarded_bytes = 0

    def track(self, event: events.Event) -> None:
        if self.timer is None:
            return
        if isinstance(event, RequestData):
            self.timer.on_data()
        elif isinstance(event, RequestEndOfMessage | RequestProtocolError | RequestBodyMalformed):
            self.timer.close()

    def discard(self, size: int) -> bool:
        """Returns whether more may follow."""
        self._discarded_bytes += size
        return self._discarded_bytes <= MAX_DISCARDED_BYTES

    def close(self) -> None:
        if self.timer is not None:
            self.timer.close()
