"""The prefix chain: a conversation is known by its own beginning.

F0 is the hash of the preamble (system prompt and tools), Fi the hash of Fi-1 and message i, normalised. A boundary is
an Fi that ends a request or an answer. A later request of the same conversation holds those messages too, so it finds
the boundary among its own. F0 alone never counts: whole teams share one system prompt.

Some clients write their past anew: the preamble holds today's files, a reminder hangs below the newest question only.
So each boundary has a second name, its outline: without the preamble, and with only the first paragraph of what the
user said before the last message. It is weaker, so it counts for less: only behind the exact name, and only once the
conversation has gone on from there.
"""

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import NamedTuple

from pointsman.sessions.digests import SIZE
from pointsman.wire.conversation import Conversation, Message


class Boundary(NamedTuple):
    """The two names of the place after a message."""

    exact: bytes
    outline: bytes


class Chain:
    """A running hash of what was said so far, and one of its gist."""

    def __init__(self, scope: bytes, preamble: bytes) -> None:
        self._said = blake2b(_hash(b"preamble", preamble), digest_size=SIZE, key=scope, person=b"prefix_hash")
        self._gist = blake2b(digest_size=SIZE, key=scope, person=b"prefix_outline")

    def add(self, message: Message) -> Boundary:
        """The conversation goes on with this message."""
        role, content = message.role.encode("utf-8", "surrogatepass"), message.content.strip()
        whole = _hash(role, content)
        self._said.update(whole)
        outline = self._gist.copy()
        outline.update(whole)
        first = content.partition(b"\n\n")[0] if message.role == "user" else content
        self._gist.update(whole if len(first) == len(content) else _hash(role, first))
        return Boundary(self._said.digest(), outline.digest())


def names(boundaries: Sequence[Boundary]) -> Iterator[bytes]:
    """What a request that came through these boundaries looks its session up by, the best first."""
    *passed, end = boundaries
    yield end.exact
    for boundary in reversed(passed):
        yield from boundary


def follow(conversation: Conversation, scope: bytes) -> tuple[Chain, list[Boundary]]:
    """A request's chain, and its boundaries from the first user message on; none if there is no such message."""
    chain = Chain(scope, conversation.preamble)
    boundaries: list[Boundary] = []
    for message in conversation.messages:
        boundary = chain.add(message)
        if boundaries or message.role == "user":
            boundaries.append(boundary)
    return chain, boundaries


def _hash(kind: bytes, content: bytes) -> bytes:
    return blake2b(b"%d:%b%b" % (len(kind), kind, content), digest_size=SIZE, person=b"prefix_message").digest()
