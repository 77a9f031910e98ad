"""Conversations, and the keys that a cascade makes of them."""

from collections.abc import Sequence
from itertools import cycle
from typing import Any

from pointsman.config import Sticky
from pointsman.config.enums import Dialect, KeySource
from pointsman.sessions.digests import Digests
from pointsman.sessions.key_sources import KeyResolver, SessionKey
from pointsman.sessions.prefix import PrefixChain
from pointsman.sessions.store import Pin
from pointsman.wire.conversation import Conversation, Message, body_ids, conversation
from support.clients_in_core import SECRET, caller

SCOPE = b"a scope"
HERE, THERE = Pin("groq", "llama", "key-1"), Pin("longcat", "flash", None)


def key_resolver(prefix: str = "X-", **sticky: Any) -> KeyResolver:
    return KeyResolver(Sticky(**sticky), prefix, Digests(SECRET))


def asked(document: dict[str, Any], made_by: KeyResolver | None = None, **known: Any) -> SessionKey | None:
    """The key of a chat request with this body."""
    read = {"body_ids": lambda: body_ids(document), "conversation": lambda: conversation(Dialect.OPENAI_CHAT, document)}
    return (made_by or key_resolver()).resolve(caller(**read, **known))


def talk(*said: str, preamble: str = "Be brief.") -> Conversation:
    """The user begins, and they take turns."""
    messages = tuple(
        Message(role, text.encode()) for role, text in zip(cycle(("user", "assistant")), said, strict=False)
    )
    return Conversation(preamble.encode(), messages)


def chain(*said: str, preamble: str = "Be brief.") -> PrefixChain:
    return PrefixChain(talk(*said, preamble=preamble), SCOPE)


def words(*said: str, preamble: str = "Be brief.") -> SessionKey:
    """The key of a request that is known by its words alone."""
    key = key_resolver().resolve(caller(conversation=lambda: talk(*said, preamble=preamble)))
    assert key
    assert key.source is KeySource.PREFIX_HASH
    return key


def named(name: str, source: KeySource = KeySource.SESSION_HEADER) -> SessionKey:
    """The key of a request that has an id."""
    digest = Digests(SECRET).digest(source, name)
    return SessionKey(source, SCOPE, (digest,), digest)


def messages(*said: str) -> list[dict[str, str]]:
    """As in a chat request, without a system prompt."""
    return [{"role": role, "content": text} for role, text in zip(cycle(("user", "assistant")), said, strict=False)]


def chat(*said: str, system: str | None = None, **members: Any) -> dict[str, Any]:
    above: Sequence[dict[str, str]] = [{"role": "system", "content": system}] if system is not None else []
    return {"model": "m", "messages": [*above, *messages(*said)], **members}
