"""The way of one attempt between its client's dialect and its provider's, which are mostly the same."""

from dataclasses import replace
from typing import Protocol, assert_never

from pointsman.config import Provider
from pointsman.config.words import Capability
from pointsman.config.words import Dialect as DialectName
from pointsman.wire import jsontext, provider_quirks
from pointsman.wire.conversion.answer_reader import Hearing
from pointsman.wire.conversion.answer_writer import Narrator, Teller
from pointsman.wire.conversion.converting_readers import ConvertedStream, ConvertedWhole, ForeignErrorReader
from pointsman.wire.conversion.ir import Identity, Inconvertible, dumps
from pointsman.wire.conversion.request_fixups import Recipient
from pointsman.wire.conversion.requests import convert
from pointsman.wire.conversion.tools import free_tools, spaces
from pointsman.wire.conversion.unsupported import left_out
from pointsman.wire.dialects.anthropic.answer_writer import MessagesTeller
from pointsman.wire.dialects.base import Dialect, Listener
from pointsman.wire.dialects.gemini import request as gemini
from pointsman.wire.dialects.gemini.answer_writer import GeminiTeller
from pointsman.wire.dialects.openai_chat.answer_writer import ChatTeller
from pointsman.wire.dialects.openai_responses.answer_writer import ResponsesTeller
from pointsman.wire.error_reader import ErrorReader
from pointsman.wire.errors import Fault
from pointsman.wire.frames import Reader
from pointsman.wire.headers import Headers, completed
from pointsman.wire.request_facts import RequestFacts
from pointsman.wire.thinking_signatures import without_foreign_thoughts

USAGE_OPTION = b'{"include_usage":true}'
NEUTRAL_HEADERS = ("content-type", "user-agent")
"""Headers of a client that mean the same in every dialect."""


class Codec(Protocol):
    dialect: Dialect
    """The provider's."""
    remark: str
    """What the request lost on the way, for people; mostly empty."""
    asked_usage: bool
    """The router asks for a usage event, of its own accord."""

    def outbound(self, body: bytes, model: str) -> tuple[bytes, str]:
        """The body and the path for the provider. Raises Inconvertible."""
        ...

    def headers(self, headers: Headers) -> Headers:
        """Of the client's headers those that the provider gets, and what it must be told besides."""
        ...

    def reader(self, status: int, content_type: str) -> Reader:
        """For the provider's answer; gives bytes for the client."""
        ...


def codec_for(
    client: Dialect, provider_dialect: Dialect, listener: Listener, provider: Provider, reasons: bool, asks_usage: bool
) -> Codec:
    """For one attempt. `listener` bears the name that an answer gets if its provider gives it none.

    `reasons`: the model is known to reason. `asks_usage`: ask for a usage event where the provider understands that.
    """
    if client is provider_dialect:
        return Straight(client, listener.facts, provider, asks_usage)
    return Crossing(client, provider_dialect, listener, provider, reasons, asks_usage)


class Straight:
    """Client and provider speak alike: the bytes pass."""

    remark = ""

    def __init__(self, dialect: Dialect, facts: RequestFacts, provider: Provider, asks_usage: bool) -> None:
        self.dialect = dialect
        self._facts, self._provider = facts, provider
        is_silent = facts.stream and not facts.asks_usage and "stream_options" not in facts.document
        self.asked_usage = asks_usage and is_silent and understands_usage(dialect.name, provider)

    def outbound(self, body: bytes, model: str) -> tuple[bytes, str]:
        body, path = self.dialect.outbound(body, self._facts, model)
        body = without_foreign_thoughts(self.dialect.name, body)
        body = provider_quirks.mended(self._provider, self.dialect.name, body, self._facts.document)
        return (jsontext.insert_member(body, "stream_options", USAGE_OPTION) if self.asked_usage else body), path

    def headers(self, headers: Headers) -> Headers:
        return completed(headers, self.dialect.own_headers)

    def reader(self, status: int, content_type: str) -> Reader:
        if 200 <= status < 300:
            return self.dialect.reader(self._facts, content_type, self.asked_usage)
        return ErrorReader(self.dialect, status, content_type)


class Crossing:
    """Each speaks a dialect of its own."""

    def __init__(
        self, client: Dialect, dialect: Dialect, listener: Listener, provider: Provider, reasons: bool, asks_usage: bool
    ) -> None:
        self.dialect = dialect
        self._client, self._listener, self._provider, self._reasons = client, listener, provider, reasons
        self._facts = listener.facts
        self._name = ""
        self.asked_usage = asks_usage and self._facts.stream and understands_usage(dialect.name, provider)
        without = left_out(client.name, self._facts)
        self.remark = f"without {', '.join(without)}" if without else ""

    def outbound(self, body: bytes, model: str) -> tuple[bytes, str]:
        to = Recipient(model, self._reasons, self._provider.quirks.max_tokens)
        try:
            document = convert(self._client.name, self.dialect.name, jsontext.loads(body), to)
        except Exception as error:  # whatever the library raises
            raise Inconvertible(
                f"the request does not convert to {self.dialect.name}: {type(error).__name__}"
            ) from error
        provider_quirks.mend(self._provider, self.dialect.name, document)
        if self._facts.stream and self.dialect.name is not DialectName.GEMINI:
            document["stream"] = True
        if self.asked_usage:
            document["stream_options"] = {"include_usage": True}
        self._name = model
        return self.dialect.outbound(dumps(document), self._asked(model), model)

    def headers(self, headers: Headers) -> Headers:
        accept = "text/event-stream" if self._facts.stream else "application/json"
        neutral = tuple((name, value) for name, value in headers if name.lower() in NEUTRAL_HEADERS)
        return completed(neutral, (("Accept", accept), *self.dialect.own_headers))

    def reader(self, status: int, content_type: str) -> Reader:
        if not 200 <= status < 300:
            return ForeignErrorReader(self.dialect, status, content_type)
        own = self.dialect.reader(self._asked(self._name), content_type)
        identity = Identity(self._listener.request_id, self._name, int(self._listener.started))
        hearing = Hearing(self.dialect.name, identity)
        narrator = Narrator(self._teller(), free_tools(self._client.name, self._facts.document))
        kind = ConvertedStream if self._facts.stream else ConvertedWhole
        return kind(own, hearing, narrator)

    def _asked(self, model: str) -> RequestFacts:
        """Facts of the request that the provider gets."""
        facts = replace(self._facts, model=model, model_span=None, document={}, action="", query="")
        if self.dialect.name is not DialectName.GEMINI:
            return facts
        if facts.stream:
            return replace(facts, action=gemini.STREAM, query="?alt=sse")
        return replace(facts, action=gemini.GENERATE)

    def _teller(self) -> Teller:
        document = self._facts.document
        match self._client.name:
            case DialectName.OPENAI_CHAT:
                return ChatTeller(self._facts.asks_usage)
            case DialectName.OPENAI_RESPONSES:
                return ResponsesTeller(document, spaces(document))
            case DialectName.ANTHROPIC:
                return MessagesTeller()
            case DialectName.GEMINI:
                return GeminiTeller(is_list=not gemini.is_sse(self._facts))
        assert_never(self._client.name)


def understands_usage(dialect: DialectName, provider: Provider) -> bool:
    """Only chat completions have to be asked for usage in a stream."""
    return dialect is DialectName.OPENAI_CHAT and provider.stream_usage


def refuses_usage(fault: Fault) -> bool:
    """The provider does not understand that it is asked for usage, after all."""
    said = fault.message.encode() + (fault.body or b"")
    return fault.status in (400, 422) and b"stream_options" in said


def reasons(supports: frozenset[Capability] | None) -> bool:
    """The model is known to reason."""
    return supports is not None and Capability.REASONING in supports
