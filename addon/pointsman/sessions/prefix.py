"""The prefix chain: a conversation is known by its own beginning.

F0 is the hash of the preamble (system prompt and tools), Fi the hash of Fi-1 and message i, normalised. A boundary is
an Fi that ends a request or an answer. A later request of the same conversation holds those messages too, so it finds
the boundary among its own. F0 alone never counts: whole teams share one system prompt. Boundaries begin with the first
user message that says something, because clients that send a blank one have only that in common.

Some clients rewrite earlier messages: the preamble holds today's files, a reminder follows the newest message only.
So each boundary has a second name, its outline: without the preamble, and with only the beginning of what the user
said before the last message. It is weaker, so it counts for less: only behind the exact name, and only once the
conversation has gone on from there.
"""

from collections.abc import Iterator
from hashlib import blake2b

from pointsman.sessions.digests import DIGEST_BYTES
from pointsman.wire.conversation import Conversation, Message

USER = "user"
MAX_GIST_BYTES = 256
"""Bytes of what the user said that count in an outline, and no more than the first paragraph."""


class PrefixChain:
    """The boundaries of a conversation, from its first user message that is not blank on, by both of their names.

    They come from two running hashes, of all that was said and of its gist, so that one more costs little.
    """

    def __init__(self, conversation: Conversation, scope: bytes) -> None:
        preamble = _hash("preamble", conversation.preamble)
        self._said = blake2b(preamble, digest_size=DIGEST_BYTES, key=scope, person=b"prefix_hash")
        self._gist = blake2b(digest_size=DIGEST_BYTES, key=scope, person=b"prefix_outline")
        self.exact: list[bytes] = []
        self.outlines: list[bytes] = []
        for message in conversation.messages:
            self.add(message)

    def add(self, message: Message) -> None:
        """The conversation goes on with this message."""
        role, content = message.role, message.content.strip()
        whole = _hash(role, content)
        self._said.update(whole)
        outline = self._gist.copy()
        outline.update(whole)
        gist = content[:MAX_GIST_BYTES].partition(b"\n\n")[0] if role == USER else content
        self._gist.update(whole if len(gist) == len(content) else _hash(role, gist))
        if self.exact or (role == USER and not _is_blank(content)):
            self.exact.append(self._said.digest())
            self.outlines.append(outline.digest())

    def lookup_names(self) -> Iterator[bytes]:
        """What a request that ends here looks its session up by, the best first."""
        yield self.exact[-1]
        for names in zip(self.exact[-2::-1], self.outlines[-2::-1], strict=True):
            yield from names


def _is_blank(content: bytes) -> bool:
    """No text, or white space only, as Unicode has it."""
    return not content or (len(content) <= MAX_GIST_BYTES and not content.decode(errors="replace").strip())


def _hash(kind: str, content: bytes) -> bytes:
    digest = blake2b(content, digest_size=DIGEST_BYTES)
    digest.update(ENDINGS.get(kind) or _ending(kind))
    return digest.digest()


def _ending(kind: str) -> bytes:
    """Its length comes last, so that no content can pass for content of another kind."""
    name = kind.encode("utf-8", "surrogatepass")
    return name + len(name).to_bytes(8, "big")


ENDINGS = {kind: _ending(kind) for kind in (USER, "assistant", "tool", "system", "developer")}
"""Ready for every message of nearly every request."""
