"""The prefix chain: a conversation is known by its own beginning.

F0 is the hash of the preamble (system prompt and tools), Fi the hash of Fi-1 and message i, normalised. A boundary is
an Fi that ends a request or an answer. A later request of the same conversation holds those messages too, so it finds
the boundary among its own. F0 alone never counts: whole teams share one system prompt.
"""

from hashlib import blake2b

from pointsman.sessions.digests import SIZE
from pointsman.wire.conversation import Conversation, Message

WINDOW = 8
"""Boundaries that a session is found by."""
PERSON = b"prefix_hash"


def chain(conversation: Conversation, scope: bytes) -> tuple[bytes, ...]:
    """The chain of a request from its end back to its first user message; empty if there is none."""
    current = blake2b(conversation.preamble, digest_size=SIZE, person=PERSON, key=scope).digest()
    links: list[bytes] = []
    for message in conversation.messages:
        current = extend(current, message)
        if links or message.role == "user":
            links.append(current)
    return tuple(reversed(links))


def extend(boundary: bytes, message: Message) -> bytes:
    """The boundary after one more message."""
    role = message.role.encode()
    return blake2b(
        len(role).to_bytes(2, "big") + role + message.content, digest_size=SIZE, person=PERSON, key=boundary
    ).digest()
