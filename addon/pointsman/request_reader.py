"""Reading a client's request once it is whole: its body decoded, its facts, and the words that its session is known by.

A small request is read at once. Of a large one each of these takes longer than others should wait for, so that it is
read in a thread; nothing here touches what exchanges share.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from mitmproxy import http

from pointsman.admission import ChatRequest
from pointsman.converted_items import ConvertedItems
from pointsman.routing.router import Router
from pointsman.sessions.key_sources import Caller, owner_of
from pointsman.transport.decoding import BodyTooLarge, UnknownCoding, decode
from pointsman.transport.header_map import header_map
from pointsman.wire.conversation import Conversation, body_ids, conversation
from pointsman.wire.errors import Code, Problem
from pointsman.wire.large_document import LargeDocument
from pointsman.wire.request_facts import RequestFacts
from pointsman.wire.request_options import has_options, is_option, read_options, unknown_options, without_options

LARGE_BODY_BYTES = 512 * 1024
"""Bytes of a body above which it is read in a thread: a megabyte takes about 10 ms."""


FINGERPRINT_BYTES = 64 * 1024
"""Of a request that is no chat, by which its repetition is recognised."""


@dataclass(frozen=True, slots=True)
class ParsedRequest:
    """A request, decoded and parsed."""

    body: bytes = field(repr=False)
    """Decoded."""
    facts: RequestFacts
    caller: Caller
    unknown_options: tuple[str, ...] = ()
    """Names that look like options of the request."""


@dataclass(frozen=True, slots=True)
class RequestReader:
    """Of the request in a flow. `credential` is None where it does not tell its client from others."""

    flow: http.HTTPFlow = field(repr=False)
    chat: ChatRequest
    credential: str | None = field(repr=False)
    max_body: int
    router: Router = field(repr=False)
    converted_items: ConvertedItems = field(repr=False)
    client_key: str | None = field(default=None, repr=False)
    """The key by which its client is known."""
    names_session: bool = False
    """The key of the session is found out at once: peers are asked about it."""

    def read_if_small(self) -> ParsedRequest | Problem | None:
        """None for a large request. One that is compressed shows its size only when it is decoded so far."""
        raw, codings = self.flow.request.raw_content or b"", self._codings
        if len(raw) > LARGE_BODY_BYTES:
            return None
        if not codings:
            return self._read(raw)
        try:
            return self._read(decode(raw, codings, min(LARGE_BODY_BYTES, self.max_body)))
        except BodyTooLarge:
            return None
        except ValueError:
            return self()  # which says what is wrong

    def __call__(self) -> ParsedRequest | Problem:
        """Everything, whatever the size. May be called in a thread."""
        try:
            body = self._decoded()
        except Problem as problem:
            return problem
        read = self._read(body)
        if isinstance(read, Problem) or self.chat.is_replay:
            return read
        return replace(read, caller=self.router.with_words(read.facts, read.caller))

    def _read(self, body: bytes) -> ParsedRequest | Problem:
        if not self.chat.is_replay and self.chat.endpoint is None:
            owner = owner_of(self.chat.client, self.credential, self.flow.client_conn.peername[0])
            body = self.converted_items.resolved(owner, body)
        headers = header_map(self.flow.request.headers)
        unknown: tuple[str, ...] = ()
        try:
            facts = self._facts(body)
            metadata = facts.document.get("metadata")
            asked = metadata if isinstance(metadata, dict) and any(map(is_option, metadata)) else {}
            if asked:
                body = without_options(body, facts.document)
                facts = self._facts(body)
            if asked or has_options(headers):
                facts = replace(facts, options=read_options(headers, asked))
                unknown = unknown_options(headers, asked)
        except Problem as problem:
            return problem
        is_large = len(body) > LARGE_BODY_BYTES
        if is_large and facts.document:
            facts = replace(facts, document=LargeDocument(body, facts.document))
        caller = self._caller(facts, body, headers)
        if self.names_session and not is_large:  # of a large one, all words are found out afterwards
            caller = self.router.with_key(facts, caller)
        return ParsedRequest(body, facts, caller, unknown)

    def _facts(self, body: bytes) -> RequestFacts:
        """Raises Problem."""
        form, headers = self.chat.form, self.flow.request.headers
        path, model = self.chat.standard_path(self.flow.request.path)
        if form.form_facts:
            facts = form.form_facts(body, path, headers.get("content-type", ""))
        else:
            facts = form.facts(body, path)
        if self.client_key and self.client_key in (model or facts.model or ""):  # which logs and records show
            raise Problem(Code.INVALID_REQUEST, "The name of the model contains the client's key.", param="model")
        return facts if model is None else replace(facts, model=model)

    def _caller(self, facts: RequestFacts, body: bytes, headers: Mapping[str, str]) -> Caller:
        """A replay is no client."""
        if self.chat.is_replay:
            return Caller({}, None, "", list, lambda: None)
        return Caller(
            headers=headers,
            credential=self.credential,
            client=self.chat.client,
            address=self.flow.client_conn.peername[0],
            body_ids=partial(body_ids, facts.document),
            conversation=partial(_beginning_of, body)
            if self.chat.endpoint
            else partial(conversation, self.chat.dialect, facts.document),
            kind=facts.kind,
        )

    @property
    def _codings(self) -> str:
        codings: str = self.flow.request.headers.get("content-encoding", "")
        return codings

    def _decoded(self) -> bytes:
        """The body as its client meant it. Raises Problem."""
        body, codings = self.flow.request.raw_content or b"", self._codings
        if not codings:
            return body
        try:
            return decode(body, codings, self.max_body)
        except UnknownCoding as error:
            known = "gzip, deflate, br and zstd"
            raise Problem(
                Code.INVALID_REQUEST, f"Unknown Content-Encoding {str(error)[:40]!r}; supported are {known}."
            ) from None
        except BodyTooLarge:
            message = f"The decoded request body exceeds server.max_body ({self.max_body} bytes)."
            raise Problem(Code.REQUEST_TOO_LARGE, message) from None
        except ValueError as error:
            raise Problem(Code.INVALID_REQUEST, f"The request body is not valid {codings[:40]}: {error}.") from None


def _beginning_of(body: bytes) -> Conversation:
    """What stands for the words of a request that is no chat."""
    return Conversation(b"%d " % len(body) + body[:FINGERPRINT_BYTES], ())
