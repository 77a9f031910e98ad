"""The way of one attempt between its client's dialect and its provider's, which are mostly the same."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from pointsman.config import Provider
from pointsman.config.enums import Capability
from pointsman.model_facts import facts_of
from pointsman.wire import jsontext, provider_quirks
from pointsman.wire.conversion.answer_reader import AnswerReader
from pointsman.wire.conversion.answer_writer import AnswerWriter
from pointsman.wire.conversion.base import Recipient
from pointsman.wire.conversion.converting_readers import (
    ConvertedReader,
    ConvertedStream,
    ConvertedWhole,
    ForeignErrorReader,
    JoinedStream,
    SplitWhole,
)
from pointsman.wire.conversion.identifiers import Identifiers
from pointsman.wire.conversion.ir import Identity, Inconvertible, dumps
from pointsman.wire.conversion.library_errors import why_not
from pointsman.wire.conversion.requests import convert, identifiers_between
from pointsman.wire.conversion.unsupported import blank_stops, left_out
from pointsman.wire.dialects.base import Dialect, Listener, UsageOption
from pointsman.wire.error_reader import ErrorReader
from pointsman.wire.errors import Fault
from pointsman.wire.frames import Reader
from pointsman.wire.headers import Headers, completed
from pointsman.wire.json_access import Members
from pointsman.wire.long_strings import LongStrings
from pointsman.wire.other_form_readers import JoinReader, SplitReader
from pointsman.wire.refusals import Refusal, is_refused, refusal_in, without_refused
from pointsman.wire.request_facts import RequestFacts
from pointsman.wire.sse import EVENT_STREAM
from pointsman.wire.thinking_signatures import (
    EVERYTHING,
    LeftOut,
    PartId,
    edit,
    leave_out,
    part_ids,
    without_foreign_thoughts,
)
from pointsman.wire.whole_reader import is_json, media_type

NOTHING_LEFT_OUT = LeftOut()
LARGE_COPY = 8 << 20
"""Bytes of a body of which a copy, one model's name changed, takes about a millisecond."""
LARGE_CONVERSION = 64 * 1024
"""Bytes of a body whose conversion takes about 10 ms."""
NEUTRAL_HEADERS = ("content-type", "user-agent")
"""Headers of a client that mean the same in every dialect."""


class Codec(Protocol):
    dialect: Dialect
    """The provider's."""

    @property
    def remark(self) -> str: ...

    """What the request lost on the way, for people; mostly empty."""
    asked_usage: bool
    """The router asks for a usage event, of its own accord."""

    def takes_long(self, body: bytes) -> bool:
        """Whether converting this body would block the event loop too long, so that it needs a thread."""
        ...

    def outbound(self, body: bytes, model: str) -> tuple[bytes, str]:
        """The body and the path for the provider. Raises Inconvertible."""
        ...

    def headers(self, headers: Headers) -> Headers:
        """The client's headers that the provider gets, and those that it requires."""
        ...

    def reader(self, status: int, content_type: str) -> Reader:
        """A reader of the provider's answer; its frames hold bytes for the client."""
        ...

    @property
    def refusals(self) -> Sequence[Refusal]:
        """What the target is known to refuse."""
        ...

    def refusal(self, fault: Fault) -> Refusal | None:
        """What the provider refused of its request, which may be repeated without."""
        ...

    def removable_parts(self, model: str) -> Sequence[PartId] | None:
        """The signed parts of the request; None if it would be the same without them."""
        ...


def codec_for(
    client: Dialect,
    provider_dialect: Dialect,
    listener: Listener,
    provider: Provider,
    reasons: bool,
    refusals: Sequence[Refusal] = (),
    parts_left_out: LeftOut = NOTHING_LEFT_OUT,
) -> Codec:
    """For one attempt. `listener` bears the name that an answer gets if its provider gives it none.

    `reasons`: the model is known to reason. `refusals`: what it has refused. `parts_left_out`: the signed parts
    that the provider is not sent.
    """
    if client is provider_dialect:
        return PassThrough(client, listener, provider, refusals, parts_left_out)
    return Converting(client, provider_dialect, listener, provider, reasons, refusals, parts_left_out)


class PassThrough:
    """Client and provider use the same dialect: the bytes pass, without what the provider has refused."""

    remark = ""

    def __init__(
        self,
        dialect: Dialect,
        listener: Listener,
        provider: Provider,
        refusals: Sequence[Refusal] = (),
        parts_left_out: LeftOut = NOTHING_LEFT_OUT,
    ) -> None:
        self.dialect, self.refusals = dialect, refusals
        facts = listener.facts
        self._listener, self._facts, self._provider, self._left_out = listener, facts, provider, parts_left_out
        option = usage_option(dialect, provider)
        is_silent = facts.stream and not facts.asks_usage and not (option and option.member in facts.document)
        self.asked_usage = is_silent and option is not None and may_ask_usage(dialect, refusals)
        self._sent: Members = facts.document
        self._has_refused = is_refused(refusals, facts.document)

    def takes_long(self, body: bytes) -> bool:
        return len(body) > (LARGE_CONVERSION if self._has_refused or self._left_out else LARGE_COPY)

    def outbound(self, body: bytes, model: str) -> tuple[bytes, str]:
        body, path = self.dialect.outbound(body, self._facts, model)
        body = without_foreign_thoughts(self.dialect, body, self._left_out, model)
        body = provider_quirks.adapted_body(self._provider, self.dialect, body, self._facts.document)
        if self._has_refused:
            self._sent = document = json.loads(body)  # integers of any length survive
            self.remark = "; ".join(without_refused(self.refusals, document))
            body = json.dumps(document).encode()
        if self.asked_usage and (option := self.dialect.usage_option):
            body = jsontext.insert_member(body, option.member, dumps(option.value))
        return body, path

    def headers(self, headers: Headers) -> Headers:
        return completed(headers, self.dialect.own_headers)

    def reader(self, status: int, content_type: str) -> Reader:
        if not 200 <= status < 300:
            return ErrorReader(self.dialect, status, content_type)
        if is_other_form(self._facts, self.dialect, self._listener, content_type):
            return self._other_form_reader(content_type) or self.dialect.reader(self._facts, content_type)
        return self.dialect.reader(self._facts, content_type, self.asked_usage)

    def _other_form_reader(self, content_type: str) -> Reader | None:
        form, facts = self.dialect.other_form, self._facts
        if form is None:
            return None
        asked = self.dialect.conversion.asked_in_path(replace(facts, stream=not facts.stream))
        own = self.dialect.reader(asked, content_type)
        return SplitReader(own, form, facts) if facts.stream else JoinReader(own, form.joiner())

    def refusal(self, fault: Fault) -> Refusal | None:
        sent = dict(self._sent)
        if self.asked_usage and (option := self.dialect.usage_option):
            sent[option.member] = option.value
        return new_refusal(self.refusals, sent, fault)

    def removable_parts(self, model: str) -> Sequence[PartId] | None:
        bare = edit(self.dialect, self._facts.document, EVERYTHING, model)
        if bare is None or bare == edit(self.dialect, self._facts.document, self._left_out, model):
            return None
        return part_ids(self.dialect, self._facts.document)


class Converting:
    """Each speaks a dialect of its own."""

    def __init__(
        self,
        client: Dialect,
        dialect: Dialect,
        listener: Listener,
        provider: Provider,
        reasons: bool,
        refusals: Sequence[Refusal] = (),
        parts_left_out: LeftOut = NOTHING_LEFT_OUT,
    ) -> None:
        self.dialect, self.refusals, self._left_out = dialect, refusals, parts_left_out
        self._sent: Members = {}
        """The request, as the provider got it."""
        self._error_reader: ForeignErrorReader | None = None
        self._client, self._listener, self._provider, self._reasons = client, listener, provider, reasons
        self._facts = listener.facts
        self._name = ""
        self.identifiers = identifiers_between(client.conversion, dialect.conversion, listener.request_id)
        self.asked_usage = self._facts.stream and may_ask_usage(dialect, refusals)
        without = [*left_out(client, self._facts), *blank_stops(client, dialect, self._facts)]
        self._remark = f"without {', '.join(without)}" if without else ""
        self._answer: AnswerReader | None = None

    @property
    def remark(self) -> str:
        left_out = sorted(self._answer.state.left_out) if self._answer else ()
        return "; ".join(filter(None, (self._remark, *(f"answer without {each}" for each in left_out))))

    def takes_long(self, body: bytes) -> bool:
        return len(body) > LARGE_CONVERSION

    def outbound(self, body: bytes, model: str) -> tuple[bytes, str]:
        conversion, facts = self.dialect.conversion, facts_of(model)
        provider = self._provider
        marks = provider_quirks.takes_cache_marks(provider, facts)
        to = Recipient(model, self._reasons, provider.quirks.max_tokens, marks, facts)
        client = self._client.conversion
        self.identifiers = identifiers_between(client, conversion, self._listener.request_id, facts)
        remarks: list[str] = []
        try:
            document = convert(client, conversion, jsontext.loads(body), to, self.identifiers, remarks)
        except Exception as error:  # whatever the library raises
            raise Inconvertible(f"{why_not(error)} ({self._client.name} to {self.dialect.name})") from error
        provider_quirks.adapt(self._provider, self.dialect, document)
        leave_out(self.dialect, document, self._left_out, model)
        remarks += without_refused(self.refusals, document)
        self._remark = "; ".join(filter(None, (self._remark, *remarks)))
        if self._facts.stream and conversion.stream_member:
            document[conversion.stream_member] = True
        if self.asked_usage and (option := self.dialect.usage_option):
            document[option.member] = dict(option.value)
        self._name, self._sent = model, document
        return self.dialect.outbound(dumps(document), self._asked(model), model)

    def headers(self, headers: Headers) -> Headers:
        accept = "text/event-stream" if self._facts.stream else "application/json"
        neutral = tuple((name, value) for name, value in headers if name.lower() in NEUTRAL_HEADERS)
        return completed(neutral, (("Accept", accept), *self.dialect.own_headers))

    def reader(self, status: int, content_type: str) -> Reader:
        if not 200 <= status < 300:
            self._error_reader = ForeignErrorReader(self.dialect, status, content_type)
            return self._error_reader
        asked = self._asked(self._name)
        reader = converting_reader(self._client, self.dialect, self._listener, asked, content_type, self.identifiers)
        self._answer = reader.answer
        return reader

    def refusal(self, fault: Fault) -> Refusal | None:
        told = self._error_reader.original_fault() if self._error_reader else fault
        return new_refusal(self.refusals, self._sent, told)

    def removable_parts(self, model: str) -> Sequence[PartId] | None:
        is_signed = edit(self.dialect, self._sent, EVERYTHING, model) is not None
        return part_ids(self.dialect, self._sent) if is_signed else None

    def _asked(self, model: str) -> RequestFacts:
        """Facts of the request that the provider gets."""
        facts = replace(self._facts, model=model, model_span=None, document={}, action="", query="")
        return self.dialect.conversion.asked_in_path(facts)


def converting_reader(
    client: Dialect,
    dialect: Dialect,
    listener: Listener,
    asked: RequestFacts,
    content_type: str,
    identifiers: Identifiers,
) -> ConvertedReader:
    """A reader that converts the provider's answer to the client's dialect. `asked` are the facts of the request that
    the provider got. A whole answer is split where the client wants a stream, and a stream is joined where it does not.
    """
    stream = is_stream = listener.facts.stream
    if is_other_form(asked, dialect, listener, content_type):
        is_stream = not stream
        asked = dialect.conversion.asked_in_path(replace(asked, stream=is_stream))
    identity = Identity(listener.request_id, asked.model or "", int(listener.started))
    conversion = client.conversion
    long_strings = LongStrings(listener.request_id)
    answer = AnswerReader(dialect.conversion, identity, long_strings.size_of)
    free_tools = conversion.free_tools(listener.facts.document)
    writer = AnswerWriter(conversion.writer(listener.facts), free_tools, long_strings.size_of)
    kinds: dict[tuple[bool, bool], type[ConvertedReader]] = {
        (True, True): ConvertedStream, (True, False): JoinedStream,
        (False, True): SplitWhole, (False, False): ConvertedWhole,
    }  # fmt: skip
    own = dialect.reader(asked, content_type)
    make, tokens = kinds[is_stream, stream], listener.facts.tokens
    return make(own, answer, writer, identifiers, tokens, listener.on_items, long_strings)


def is_other_form(asked: RequestFacts, dialect: Dialect, listener: Listener, content_type: str) -> bool:
    """JSON came where a stream was due, or the other way round."""
    if dialect.count_tokens and asked.action == dialect.count_tokens.action:
        return False
    if not asked.stream:
        return media_type(content_type) == EVENT_STREAM
    is_events = dialect.control_events(replace(listener, facts=asked)).stream_type == EVENT_STREAM
    return is_events and is_json(content_type)


def usage_option(dialect: Dialect, provider: Provider) -> UsageOption | None:
    """How to ask this provider for usage in a stream; None where that is not needed, or not understood."""
    return dialect.usage_option if provider.stream_usage else None


def may_ask_usage(dialect: Dialect, refusals: Sequence[Refusal]) -> bool:
    """Usage can be asked for, and the provider has not refused that."""
    option = dialect.usage_option
    return option is not None and not is_refused(refusals, {option.member: option.value})


def new_refusal(known: Sequence[Refusal], sent: Members, fault: Fault) -> Refusal | None:
    """What a fault says of the request that was sent, if that is not known already."""
    refusal = refusal_in(sent, fault)
    return refusal if refusal not in known else None


def reasons(supports: frozenset[Capability] | None) -> bool:
    """The model is known to reason."""
    return supports is not None and Capability.REASONING in supports
