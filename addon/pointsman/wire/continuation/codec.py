"""The way of an attempt that goes on with an answer: as of any other (`wire/conversion/codec.py`), but for what its
request ends with, and for what the client gets of its answer.
"""

from collections.abc import Sequence
from dataclasses import replace

from pointsman.config.enums import Prefill
from pointsman.wire import jsontext
from pointsman.wire.continuation.base import Method
from pointsman.wire.continuation.reader import Break, ContinuationReader
from pointsman.wire.continuation.seam import AnchorSeam, PrefillSeam
from pointsman.wire.conversion.answer_reader import AnswerReader
from pointsman.wire.conversion.answer_writer import AnswerWriter
from pointsman.wire.conversion.codec import Codec, Converting, is_other_form
from pointsman.wire.conversion.identifiers import Identifiers
from pointsman.wire.conversion.ir import Identity, Inconvertible, dumps
from pointsman.wire.conversion.requests import identifiers_between
from pointsman.wire.dialects.base import Dialect, Listener
from pointsman.wire.error_reader import ErrorReader
from pointsman.wire.errors import Fault
from pointsman.wire.frames import Reader
from pointsman.wire.headers import Headers
from pointsman.wire.long_strings import LongStrings
from pointsman.wire.refusals import Refusal
from pointsman.wire.thinking_signatures import PartId


class ContinuingCodec:
    """`inner` is the way of a usual attempt. The listener's facts are those of the request that goes on."""

    def __init__(
        self, inner: Codec, client: Dialect, listener: Listener, broken: Break, method: Method, prefill: Prefill
    ) -> None:
        self.dialect, self.asked_usage, self.refusals = inner.dialect, inner.asked_usage, inner.refusals
        self._inner, self._client, self._listener = inner, client, listener
        self._broken, self._method, self._prefill = broken, method, prefill
        self._reader: ContinuationReader | None = None

    @property
    def trimmed(self) -> int:
        """Characters of the answer that were dropped, as the client has them."""
        return self._reader.trimmed if self._reader else 0

    @property
    def remark(self) -> str:
        return self._inner.remark

    def takes_long(self, body: bytes) -> bool:
        return self._inner.takes_long(body)

    def outbound(self, body: bytes, model: str) -> tuple[bytes, str]:
        body, path = self._inner.outbound(body, model)
        if self._method is Method.ANCHOR:
            return body, path
        document = jsontext.loads_exactly(body)
        assert self.dialect.continuation
        if not self.dialect.continuation.may_prefill(document):
            raise Inconvertible("a model that is to think cannot go on after a text of its own")
        self.dialect.continuation.mark(document, self._prefill)
        return body if self._prefill is Prefill.YES else dumps(document), path

    def headers(self, headers: Headers) -> Headers:
        return self._inner.headers(headers)

    def reader(self, status: int, content_type: str) -> Reader:
        if not 200 <= status < 300:
            return ErrorReader(self.dialect, status, content_type)
        facts = self._listener.facts
        asked = facts
        if self.dialect is not self._client:
            asked = replace(facts, model_span=None, document={}, action="", query="")
            asked = self.dialect.conversion.asked_in_path(asked)
        is_whole = is_other_form(asked, self.dialect, self._listener, content_type)
        if is_whole:
            asked = self.dialect.conversion.asked_in_path(replace(asked, stream=False))
        self._reader = self._reader_of_rest(self.dialect.reader(asked, content_type), is_whole)
        return self._reader

    def _reader_of_rest(self, own: Reader, is_whole: bool) -> ContinuationReader:
        listener, conversion, broken = self._listener, self._client.conversion, self._broken
        facts = listener.facts
        long_strings = LongStrings(listener.request_id)
        identity = Identity(listener.request_id, facts.model or "", int(listener.started))
        writer = AnswerWriter(
            broken.seen.writer(facts), conversion.free_tools(facts.document), long_strings.size_of
        )  # fmt: skip
        writer.go_on(broken.seen.open_part())
        seam = PrefillSeam if self._method is Method.PREFILL else AnchorSeam
        functions = conversion.functions(dict(facts.document))
        return ContinuationReader(
            own,
            AnswerReader(self.dialect.conversion, identity, long_strings.size_of),
            writer,
            self._identifiers(),
            facts.tokens,
            listener.on_items,
            long_strings,
            broken=broken,
            seam=seam(broken.text),
            method=self._method,
            tools=frozenset(str(each.get("name")) for each in functions),
            is_whole=is_whole,
        )

    def _identifiers(self) -> Identifiers:
        """Of calls and tools, in the request and in the answer."""
        if isinstance(self._inner, Converting):
            return self._inner.identifiers
        own = self.dialect.conversion
        return identifiers_between(own, own, self._listener.request_id)

    def refusal(self, fault: Fault) -> Refusal | None:
        return None

    def removable_parts(self, model: str) -> Sequence[PartId] | None:
        return None
