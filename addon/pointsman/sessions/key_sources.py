"""Session keys: what tells one conversation from another.

A request that is no chat is no part of a conversation: it is known by its client, whatever `sticky.key_sources` says.
For chats the sources of `sticky.key_sources` are tried in order, and the first that yields a key wins:

1. `session_header`: an id in a header made for it;
2. `session_body`: an id in the body;
3. `prefix_hash`: the conversation's own beginning, see `prefix`;
4. `auth_header`: the client's credential, unless all clients share it, or its name;
5. `ip`: the client's address.

Every key is scoped by the client's name, its credential and the requested model, after aliases: agents send side
requests (titles, summaries) to another model under the same id, and these must not move the main pin. For the same
reason a sub-agent that names itself in `AGENT_HEADER` has keys of its own. An empty or blank value is not a key, so no
two clients share a session because both sent nothing.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pointsman.config import Sticky
from pointsman.config.clients import DEFAULT_CLIENT
from pointsman.config.enums import KeySource, Kind
from pointsman.sessions.client_address import normalized_address
from pointsman.sessions.digests import Digests
from pointsman.sessions.prefix import PrefixChain
from pointsman.sessions.request_fingerprint import RequestFingerprint
from pointsman.wire.conversation import Conversation

VENDOR_HEADER = re.compile(r"x-[a-z0-9-]+-session-id")
AGENT_HEADER = "x-claude-code-agent-id"
"""Names the sub-agent that asks; absent in the main conversation, whose session id its sub-agents share."""
ID_PATTERN = re.compile(r"[A-Za-z0-9._:-]{8,128}")
CLIENT_SOURCES = (KeySource.AUTH_HEADER, KeySource.IP)
"""What tells one client from another."""


class SessionKey(NamedTuple):
    """What a source yielded. `names` are digests to look a session up by, the best first, and `own` is the one that
    this request adds. `echo` is the client's session id as it sent it, where a header decided. Where the words of the
    conversation did, `outline` is the further name that the request adds, and `chain` goes on with the answer.
    """

    source: KeySource
    scope: bytes
    names: tuple[bytes, ...]
    own: bytes
    echo: str | None = None
    outline: bytes | None = None
    chain: PrefixChain | None = None


class RequestWords(NamedTuple):
    """What tells a request's conversation and its turn from others. `key` is None where nothing names the former."""

    key: SessionKey | None
    fingerprint: RequestFingerprint


@dataclass(frozen=True, slots=True)
class Caller:
    """The client, and the parts of its request that can identify a conversation. Header names are in lower case.

    `client` is its name, None if it has none. `credential` is what it sent, None when it sent none or the key that its
    name stands for. `model` is the name asked for, after aliases. `body_ids` and `conversation` are read off the body
    only if a source needs them.
    """

    headers: Mapping[str, str] = field(repr=False)
    credential: str | None = field(repr=False)
    address: str
    body_ids: Callable[[], Sequence[tuple[str, str]]] = field(repr=False)
    conversation: Callable[[], Conversation | None] = field(repr=False)
    model: str = ""
    kind: Kind | None = Kind.CHAT
    """What is asked of the model; None if none is asked."""
    words: RequestWords | None = field(default=None, repr=False)
    """The words of the request, if they were computed beforehand for this model."""
    client: str | None = None

    @property
    def owner(self) -> str:
        """To whom belongs what is kept for this client."""
        return owner_of(self.client, self.credential, self.address)

    def with_model(self, model: str) -> "Caller":
        return self if model == self.model else self._with(model, self.words)

    def with_words(self, words: RequestWords) -> "Caller":
        return self._with(self.model, words)

    def _with(self, model: str, words: RequestWords | None) -> "Caller":
        """For each request: `replace` takes four times as long."""
        return Caller(
            self.headers,
            self.credential,
            self.address,
            self.body_ids,
            self.conversation,
            model,
            self.kind,
            words,
            self.client,
        )


def owner_of(client: str | None, credential: str | None, address: str) -> str:
    """A name that no two clients share. One with a key of its own is the same wherever it asks from."""
    return f"{client or ''}\0{credential or ('' if is_personal(client) else address)}"


def is_personal(client: str | None) -> bool:
    """The client's name tells it from others: `default` stands for all who share that key."""
    return client is not None and client != DEFAULT_CLIENT


class KeyResolver:
    """Made for one configuration."""

    def __init__(self, sticky: Sticky, header_prefix: str, digests: Digests) -> None:
        self._sources = sticky.key_sources
        self._headers = tuple(name.lower() for name in (*sticky.session_headers, f"{header_prefix}Session-ID"))
        self._digests = digests
        self._finders: Mapping[KeySource, Callable[[Caller, bytes], SessionKey | None]] = {
            KeySource.SESSION_HEADER: self._by_header,
            KeySource.SESSION_BODY: self._by_body,
            KeySource.PREFIX_HASH: self._by_prefix,
            KeySource.AUTH_HEADER: self._by_credential,
            KeySource.IP: self._by_address,
        }

    def resolve(self, caller: Caller) -> SessionKey | None:
        """The first source's key; None when no source has one."""
        if caller.kind is not Kind.CHAT:
            owner = (caller.client or "", caller.kind or "", caller.credential or "", caller.model)
            scope = self._digests.digest("scope", *owner, keyed=True)
            return self._first(CLIENT_SOURCES, caller, scope)
        agent = caller.headers.get(AGENT_HEADER, "").strip()
        owner = (caller.client or "", caller.credential or "", caller.model, *((agent,) if agent else ()))
        scope = self._digests.digest("scope", *owner, keyed=True)
        return self._first(self._sources, caller, scope)

    def _first(self, sources: Sequence[KeySource], caller: Caller, scope: bytes) -> SessionKey | None:
        keys = (self._finders[source](caller, scope) for source in sources)
        return next((key for key in keys if key is not None), None)

    def answer_key(self, scope: bytes, answer_id: str) -> bytes:
        """The name by which a request that refers to this answer finds its session."""
        return self._by_id(scope, "previous_response_id", answer_id)

    def _by_header(self, caller: Caller, scope: bytes) -> SessionKey | None:
        value = next(self._header_ids(caller.headers), None)
        if value is None:
            return None
        name = self._digests.digest(KeySource.SESSION_HEADER, scope, value)
        return SessionKey(KeySource.SESSION_HEADER, scope, (name,), name, echo=value)

    def _header_ids(self, headers: Mapping[str, str]) -> Iterator[str]:
        yield from (headers[name] for name in self._headers if headers.get(name, "").strip())
        for name, value in headers.items():
            if VENDOR_HEADER.fullmatch(name) and ID_PATTERN.fullmatch(value):
                yield value

    def _by_body(self, caller: Caller, scope: bytes) -> SessionKey | None:
        found = next(((kind, value) for kind, value in caller.body_ids() if value.strip()), None)
        if found is None:
            return None
        name = self._by_id(scope, *found)
        return SessionKey(KeySource.SESSION_BODY, scope, (name,), name)

    def _by_id(self, scope: bytes, kind: str, value: str) -> bytes:
        return self._digests.digest(KeySource.SESSION_BODY, scope, kind, value)

    def _by_prefix(self, caller: Caller, scope: bytes) -> SessionKey | None:
        conversation = caller.conversation()
        if conversation is None:
            return None
        client = self._digests.digest("client", normalized_address(caller.address) or "", keyed=True)
        chain = PrefixChain(conversation, scope, client)
        if not chain.exact:
            return None
        names = tuple(chain.lookup_names())
        return SessionKey(KeySource.PREFIX_HASH, scope, names, names[0], outline=chain.outlines[-1], chain=chain)

    def _by_credential(self, caller: Caller, scope: bytes) -> SessionKey | None:
        if not (caller.credential or "").strip() and not is_personal(caller.client):
            return None
        name = self._digests.digest(KeySource.AUTH_HEADER, scope)
        return SessionKey(KeySource.AUTH_HEADER, scope, (name,), name)

    def _by_address(self, caller: Caller, scope: bytes) -> SessionKey | None:
        address = normalized_address(caller.address)
        if not address:
            return None
        name = self._digests.digest(KeySource.IP, scope, address, keyed=True)
        return SessionKey(KeySource.IP, scope, (name,), name)
