"""The prefix chain: a conversation is recognised by its own beginning.

F0 is the hash of the preamble (system prompt and tools), Fi the hash of Fi-1 and message i, normalised. A boundary is
an Fi that ends a request or an answer. A later request of the same conversation holds those messages too, so it finds
the boundary among its own. F0 alone never counts: whole teams share one system prompt. Boundaries begin with the first
user message that says something, because clients that send a blank one have only that in common.

Some clients rewrite earlier messages: the preamble holds today's files, a reminder follows the newest message only.
So each boundary has a second name, its outline: without the preamble, and with only the beginning of what the user
said before the last message. It is weaker, so it counts for less: only behind the exact name, and only once the
conversation has gone on from there.

Others insert messages in the middle, above the newest turns. Then a part of the conversation names it: an exchange,
which is an answer and the beginning of what the user had said before it. An answer that is short is no such part.
"""

import re
from collections.abc import Iterator
from hashlib import blake2b, sha256

from pointsman.sessions.digests import DIGEST_BYTES
from pointsman.wire.conversation import Conversation, Message

USER, ASSISTANT = "user", "assistant"
MAX_GIST_BYTES = 256
"""Bytes of what the user said that count in an outline, and no more than the first paragraph."""
REMINDER = b"<system-reminder>"
REMINDERS = re.compile(rb"(?:<system-reminder>.*?</system-reminder>\s*)*+", re.DOTALL)
"""What agents put above a question, and take out when they send it again."""
MIN_ANSWER_BYTES = 64
"""Bytes of an answer from which on it tells one conversation from another. Shorter ones occur in many."""
MAX_EXCHANGES = 3
"""Exchanges of a request that it is looked up by, the last ones."""


class PrefixChain:
    """The boundaries of a conversation, from its first user message that is not blank on, by both of their names.

    They come from two running hashes, of all that was said and of its gist, so that one more costs little.
    """

    def __init__(self, conversation: Conversation, scope: bytes, client: bytes = b"") -> None:
        """`scope` counts in every name; `client`, who asks, in those of exchanges as well."""
        preamble = _hash("preamble", conversation.preamble)
        self._said = blake2b(preamble, digest_size=DIGEST_BYTES, key=scope, person=b"prefix_hash")
        self._gist = blake2b(digest_size=DIGEST_BYTES, key=scope, person=b"prefix_outline")
        self.exact: list[bytes] = []
        self.outlines: list[bytes] = []
        self._scope, self._client = scope, client
        self._question: bytes | None = None
        self._exchanges: tuple[bytes, ...] = ()
        """Of each exchange its question and its answer, at most MAX_EXCHANGES."""
        self.last_answer = -1
        """The place of the last answer among the boundaries; -1: there is none."""
        for message in conversation.messages:
            self.add(message)

    def add(self, message: Message) -> None:
        """The conversation goes on with this message."""
        role, content = message.role, message.content.strip()
        whole = _hash(role, content)
        self._said.update(whole)
        outline = self._gist.copy()
        outline.update(whole)
        gist = _gist(content) if role == USER else content
        heard = whole if len(gist) == len(content) else _hash(role, gist)
        self._gist.update(heard)
        if role == USER:
            self._question = heard
        elif role == ASSISTANT and self._question and len(content) >= MIN_ANSWER_BYTES:
            self._exchanges = (*self._exchanges[1 - MAX_EXCHANGES :], self._question + heard)
        if self.exact or (role == USER and not _is_blank(content)):
            if role == ASSISTANT:
                self.last_answer = len(self.exact)
            self.exact.append(self._said.digest())
            self.outlines.append(outline.digest())

    def add_answer(self, message: Message) -> bytes | None:
        """The conversation goes on with this answer. Returns the name of the exchange that it ends, if it has one."""
        self.add(message)
        has_name = bool(self._question) and len(message.content.strip()) >= MIN_ANSWER_BYTES
        return next(self.exchange_names()) if has_name else None

    def exchange_names(self) -> Iterator[bytes]:
        """The names of the last exchanges, the newest first."""
        for said in reversed(self._exchanges):
            name = blake2b(self._client, digest_size=DIGEST_BYTES, key=self._scope, person=b"prefix_exchange")
            name.update(said)
            yield name.digest()

    def lookup_names(self) -> Iterator[bytes]:
        """What a request that ends here looks its session up by, the best first."""
        yield self.exact[-1]
        for names in zip(self.exact[-2::-1], self.outlines[-2::-1], strict=True):
            yield from names

    def position_of(self, place: int) -> int:
        """The boundary that the name at this place of `lookup_names` stands for."""
        return len(self.exact) - 1 - (place + 1) // 2


def _gist(content: bytes) -> bytes:
    """What of a question stays when its client sends it again."""
    match = REMINDERS.match(content) if content.startswith(REMINDER) else None
    start = match.end() if match else 0
    return content[start : start + MAX_GIST_BYTES].partition(b"\n\n")[0] or content


def _is_blank(content: bytes) -> bool:
    """No text, or white space only, as Unicode has it."""
    return not content or (len(content) <= MAX_GIST_BYTES and not content.decode(errors="replace").strip())


def _hash(kind: str, content: bytes) -> bytes:
    digest = sha256(content)  # for which processors have instructions
    digest.update(ENDINGS.get(kind) or _ending(kind))
    return digest.digest()


def _ending(kind: str) -> bytes:
    """Its length comes last, so that no content can pass for content of another kind."""
    name = kind.encode("utf-8", "surrogatepass")
    return name + len(name).to_bytes(8, "big")


ENDINGS = {kind: _ending(kind) for kind in (USER, "assistant", "tool", "system", "developer")}
"""Ready for every message of nearly every request."""
