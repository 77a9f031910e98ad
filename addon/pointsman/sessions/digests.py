"""Digests: the only form in which anything a client sends is kept.

Each kind of value has a personalisation of its own, so that no value of one kind can be made to look like one of
another. Credentials and addresses are guessable, so theirs are keyed with a secret of this installation.
"""

from collections.abc import Iterable
from hashlib import blake2b

SIZE = 16
"""Bytes of a digest: 128 bits, of which nobody finds two alike."""


class Digests:
    """`secret` is this installation's, 16 to 64 bytes."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def of(self, kind: str, parts: Iterable[bytes], *, keyed: bool = False) -> bytes:
        """`kind` has at most 16 ASCII characters. Parts are told apart: ("ab", "c") is not ("a", "bc")."""
        digest = blake2b(digest_size=SIZE, person=kind.encode(), key=self._secret if keyed else b"")
        for part in parts:
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
        return digest.digest()
