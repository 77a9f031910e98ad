"""The secret by which all instances make the same digests of credentials and addresses.

It is made once, by the first instance, and kept at the engine and in the data folder of each instance. At the engine it
is wrapped: AES-GCM, with a key that HKDF derives from the password of `shared.url` and the prefix. This protects it
from those who get hold of a dump, a backup or a replica and not of the configuration: without it they cannot try out
credentials and addresses against the digests there. It does not protect it from those who know the password, and
without a password in the URL it does no more than keep it out of plain sight.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pointsman.shared.part import Call, Delta, Script, SharedTime

SECRET_BYTES, NONCE_BYTES, KEY_BYTES = 32, 12, 32
CHECKED_AGAIN = 30.0
"""Seconds after which it is asked for again: an engine may have come back with another one."""

AGREE = Script(
    "secret-agree",
    """
if ARGV[2] == '1' then
  redis.call('SET', KEYS[1], ARGV[1])
else
  redis.call('SET', KEYS[1], ARGV[1], 'NX')
end
return redis.call('GET', KEYS[1])
""",
)
"""Offers a wrapped secret, which counts if there is none yet or it is to replace the one that is there. Returns the one
that counts.
"""


class Wrapping:
    """`password` is that of the engine. `random` makes so many bytes."""

    def __init__(self, password: str, prefix: str, random: Callable[[int], bytes]) -> None:
        self._key, self._random = derived_key(password.encode(), prefix.encode(), b"pointsman: hashing secret"), random
        self._prefix = prefix.encode()

    def wrap(self, secret: bytes) -> bytes:
        nonce = self._random(NONCE_BYTES)
        return nonce + AESGCM(self._key).encrypt(nonce, secret, self._prefix)

    def unwrap(self, wrapped: bytes) -> bytes | None:
        """None if it was wrapped with another password or prefix, or is damaged."""
        try:
            return AESGCM(self._key).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], self._prefix)
        except (InvalidTag, ValueError):
            return None


def derived_key(secret: bytes, salt: bytes, purpose: bytes) -> bytes:
    """A key for AES."""
    return HKDF(SHA256(), KEY_BYTES, salt, purpose).derive(secret)


class SecretPart:
    """A `shared.part.Part`. `secret` is the one of the data folder, or a new one; `use` is called with the one that all
    have, once it is known and whenever it becomes another one. Instances with different passwords would replace each
    other's secret again and again, so each does so only once.
    """

    name = "secret"

    def __init__(self, secret: bytes, wrapping: Wrapping, key: str, use: Callable[[bytes], None]) -> None:
        self._secret, self._wrapping, self._key, self._use = secret, wrapping, key, use
        self._next = 0.0
        self.is_agreed = False
        self.is_foreign = False
        """The secret at the engine was wrapped with another password, and is replaced once."""
        self._replaces = False

    def deltas(self, now: SharedTime) -> Iterable[Delta]:
        return ()

    def on_delta(self, delta: Delta, now: SharedTime) -> None:
        """There are none."""

    def calls(self, now: SharedTime) -> Iterator[Call]:
        if now.now >= self._next:
            self._next = now.now + CHECKED_AGAIN
            offer, replaces = self._wrapping.wrap(self._secret), int(self._replaces)
            self._replaces = False
            yield Call(AGREE, [self._key], [offer, replaces], self._on_reply)

    def publish_all(self, now: SharedTime) -> None:
        """Nothing: each instance asks the engine for the secret."""

    def on_connected(self, now: SharedTime, is_new_engine: bool) -> None:
        self._next = now.now

    def on_disconnected(self, now: SharedTime) -> None:
        """Nothing changes."""

    def _on_reply(self, reply: Any, now: SharedTime) -> None:
        secret = self._wrapping.unwrap(reply)
        if secret is None or len(secret) != SECRET_BYTES:
            if not self.is_foreign:
                self.is_foreign = self._replaces = True
                self._next = now.now
            return
        if not self.is_agreed or secret != self._secret:
            self._secret, self.is_agreed = secret, True
            self._use(secret)
