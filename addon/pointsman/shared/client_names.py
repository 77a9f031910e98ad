"""Names of clients, as the engine sees them: digests, with a key that is derived from the password of `shared.url` and
the prefix. All instances know both, and a dump of the engine has no password. Without a password, names can be guessed.
"""

from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b

from pointsman.shared.secret_part import derived_key

DIGEST_BYTES = 15
MAX_NAMES = 10_000
"""Names whose digests are kept."""

type ClientDigest = Callable[[str], str]
"""From the name of a client."""


def client_digest(password: str, prefix: str) -> ClientDigest:
    key = derived_key(password.encode(), prefix.encode(), b"pointsman: names of clients")

    @lru_cache(MAX_NAMES)
    def digest(name: str) -> str:
        return blake2b(name.encode(), digest_size=DIGEST_BYTES, key=key).hexdigest()

    return digest
