"""An attempt that goes on with the answer of another one, which broke off."""

from dataclasses import dataclass

from pointsman.config.enums import Prefill
from pointsman.domain.records import ContinuationRecord
from pointsman.domain.targets import Candidate
from pointsman.exchange.client_request import ClientRequest
from pointsman.wire.continuation.base import Method
from pointsman.wire.continuation.codec import ContinuingCodec
from pointsman.wire.continuation.reader import Break
from pointsman.wire.conversion.codec import Codec


@dataclass(slots=True, eq=False)
class Continuation:
    """`request` is the client's, made to go on after the text so far."""

    candidate: Candidate
    request: ClientRequest
    broken: Break
    broken_attempt: int
    method: Method
    prefill: Prefill
    _codec: ContinuingCodec | None = None

    def codec(self, inner: Codec, n: int) -> ContinuingCodec:
        """The way of attempt `n`; `inner` is that of a usual one with the same request."""
        listener, client = self.request.listener(n), self.request.dialect
        self._codec = ContinuingCodec(inner, client, listener, self.broken, self.method, self.prefill)
        return self._codec

    @property
    def characters(self) -> int:
        """Of the text so far."""
        return len(self.broken.text)

    def to_record(self) -> ContinuationRecord:
        trimmed = self._codec.trimmed if self._codec else 0
        return ContinuationRecord(self.broken_attempt, self.method.value, self.characters, trimmed)
