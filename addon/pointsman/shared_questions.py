"""Asks all instances what pages show, and answers what they ask."""

import asyncio
import logging
import socket
import zlib
from collections.abc import Awaitable, Callable
from secrets import token_bytes, token_hex
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pointsman.sessions.digests import Digests
from pointsman.shared.hub import Hub
from pointsman.shared.questions import PeerAnswers, SharedQuestions
from pointsman.shared.secret_part import NONCE_BYTES, derived_key
from pointsman.wire.errors import Problem

logger = logging.getLogger(__name__)

LONGEST_WAIT = 1.0
"""Seconds for which answers are waited for."""
MAX_ANSWER = 512 * 1024
"""Bytes of an answer, compressed."""
MAX_CLEAR = 32 * MAX_ANSWER
"""Bytes of an answer, decompressed."""
MAX_ANSWERING = 4
"""Questions that are answered at the same time; further ones are left to time out."""

type Answerer = Callable[[Any], Awaitable[Any]]
"""From what is asked to the answer, both in plain JSON types."""


class SecretSeal:
    """A `shared.questions.Seal`, with a key derived from the secret of the digests."""

    def __init__(self, digests: Digests, prefix: str) -> None:
        self._digests, self._prefix = digests, prefix.encode()
        self._known: tuple[bytes, AESGCM] | None = None
        """A secret and what is made of it: one value, since answers are sealed in threads."""

    def close(self, clear: bytes) -> bytes:
        nonce = token_bytes(NONCE_BYTES)
        return nonce + self._cipher().encrypt(nonce, zlib.compress(clear, 1), None)

    def open(self, sealed: bytes) -> bytes | None:
        try:
            packed = self._cipher().decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], None)
            unpacking = zlib.decompressobj()
            clear = unpacking.decompress(packed, MAX_CLEAR)
            return clear if unpacking.eof else None
        except (InvalidTag, ValueError, zlib.error):
            return None

    def _cipher(self) -> AESGCM:
        secret, known = self._digests.secret, self._known
        if known is None or known[0] != secret:
            known = self._known = secret, AESGCM(derived_key(secret, self._prefix, b"pointsman: questions"))
        return known[1]


class Peers:
    """The other instances, as pages ask them."""

    def __init__(self, hub: Hub, digests: Digests) -> None:
        self._hub = hub
        self.answerers: dict[str, Answerer] = {}
        """By the kind of question."""
        self._running: set[asyncio.Task[None]] = set()  # at most MAX_ANSWERING
        title = f"{socket.gethostname()[:60]}-{hub.instance[:4]}"
        instances = f"{{{hub.prefix}}}:instances"
        seal = SecretSeal(digests, hub.prefix)
        self._part = SharedQuestions(hub.key, instances, hub.instance, title, seal, self._on_question)
        hub.register(self._part)

    @property
    def title(self) -> str:
        """What people call this instance."""
        return self._part.title

    def announce(self) -> None:
        """This instance has another secret than before."""
        self._part.announce()

    async def ask(self, kind: str, asked: Any) -> PeerAnswers:
        """Within a second."""
        part = self._part
        question = part.ask(token_hex(8), [kind, asked]) if self._hub.is_connected else None
        if question is None:
            return PeerAnswers(missing=tuple(map(part.title_of, part.known)))
        done = asyncio.Event()
        question.on_complete = done.set
        try:
            async with asyncio.timeout(LONGEST_WAIT):
                await done.wait()
        except TimeoutError:
            pass
        finally:
            part.close(question)
        alive = part.known if question.alive is None else question.alive
        given = {each: said for each, said in question.answers.items() if said is not None}
        missing = tuple(part.title_of(each) for each in alive - given.keys())
        return PeerAnswers({part.title_of(each): said for each, said in given.items()}, missing)

    def _on_question(self, id: str, question: Any) -> None:
        kind, asked = question
        if kind in self.answerers and len(self._running) < MAX_ANSWERING:
            task = asyncio.get_running_loop().create_task(self._answer(id, self.answerers[kind], asked))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _answer(self, id: str, answerer: Answerer, asked: Any) -> None:
        try:
            said = await answerer(asked)
        except Problem:  # a peer of another version may ask what is not known here
            said = None
        except Exception:
            logger.exception("Pointsman: shared state: a question of a peer could not be answered.")
            said = None
        sealed = await asyncio.to_thread(self._part.sealed_answer, said)
        if len(sealed) > MAX_ANSWER:
            logger.warning(f"Pointsman: shared state: an answer for a peer has {len(sealed)} bytes, which is too long.")
            sealed = self._part.sealed_answer(None)
        self._part.answer(id, sealed)
