"""The way of an attempt whose request is no chat: like to like, without conversion."""

from collections.abc import Sequence

from pointsman.config import Provider
from pointsman.wire import provider_quirks
from pointsman.wire.conversion.codec import LARGE_COPY
from pointsman.wire.dialects.base import Dialect
from pointsman.wire.error_reader import ErrorReader
from pointsman.wire.errors import Fault
from pointsman.wire.frames import Reader
from pointsman.wire.headers import Headers, completed
from pointsman.wire.refusals import Refusal
from pointsman.wire.request_facts import RequestFacts
from pointsman.wire.thinking_signatures import PartId


class EndpointCodec:
    """See `Codec`. `dialect` is one of `Dialect.endpoints`."""

    remark = ""
    asked_usage = False
    refusals: Sequence[Refusal] = ()

    def __init__(self, dialect: Dialect, facts: RequestFacts, provider: Provider) -> None:
        self.dialect, self._facts, self._provider = dialect, facts, provider

    def takes_long(self, body: bytes) -> bool:
        return len(body) > LARGE_COPY

    def outbound(self, body: bytes, model: str) -> tuple[bytes, str]:
        body, path = self.dialect.outbound(body, self._facts, model)
        return provider_quirks.adapted_body(self._provider, self.dialect, body, self._facts.document), path

    def headers(self, headers: Headers) -> Headers:
        return completed(headers, self.dialect.own_headers)

    def reader(self, status: int, content_type: str) -> Reader:
        if not 200 <= status < 300:
            return ErrorReader(self.dialect, status, content_type)
        return self.dialect.reader(self._facts, content_type)

    def refusal(self, fault: Fault) -> Refusal | None:
        return None

    def removable_parts(self, model: str) -> Sequence[PartId] | None:
        return None
