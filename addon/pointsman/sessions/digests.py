"""Digests: the only form in which anything a client sends is kept.

Each kind of value has a personalisation of its own, so that no value of one kind can be made to look like one of
another. Credentials and addresses are guessable, so theirs are keyed with a secret of this installation.
"""

from hashlib import blake2b

DIGEST_BYTES = 15
"""Bytes of a digest: 120 bits, so that no two values collide. In memory a sixteenth byte would cost sixteen."""


class Digests:
    """`secret` is this installation's, 16 to 64 bytes."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    @property
    def secret(self) -> bytes:
        return self._secret

    def use(self, secret: bytes) -> None:
        """Uses this secret from now on. Earlier keyed digests are no longer recognised."""
        self._secret = secret

    def digest(self, kind: str, *parts: bytes | str, keyed: bool = False) -> bytes:
        """`kind` has at most 16 ASCII characters. Parts are told apart: ("ab", "c") is not ("a", "bc")."""
        digest = blake2b(digest_size=DIGEST_BYTES, person=kind.encode(), key=self._secret if keyed else b"")
        for part in map(_raw, parts):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
        return digest.digest()


def _raw(part: bytes | str) -> bytes:
    """Of any text, even of what a body or a header holds that is no Unicode; different texts stay different."""
    return part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
