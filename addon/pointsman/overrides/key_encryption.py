"""Keys at rest: sealed by AES-256-GCM with a key of our own, which lies beside them, readable by its owner alone.

That keeps provider keys out of backups, searches and shared screens of the file that holds them. It does not keep them
from whoever may read both files.
"""

import os
from base64 import b64decode, b64encode
from pathlib import Path
from secrets import token_bytes

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pointsman import private_files
from pointsman.overrides.atomic_file import sync_folder, write_new

LENGTH = 32
NONCE = 12


class Unreadable(Exception):
    """The key file, or something sealed, is not what it was."""


class Vault:
    """The key file is made at the first use."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._cipher: AESGCM | None = None

    def seal(self, text: str, about: str) -> str:
        """`about` is what the text belongs to: it opens for nothing else. Raises OSError, Unreadable."""
        nonce = token_bytes(NONCE)
        return b64encode(nonce + self._opened(make=True).encrypt(nonce, text.encode(), about.encode())).decode()

    def open(self, sealed: str, about: str) -> str:
        """Raises OSError, Unreadable."""
        try:
            data = b64decode(sealed, validate=True)
            return self._opened(make=False).decrypt(data[:NONCE], data[NONCE:], about.encode()).decode()
        except (InvalidTag, ValueError):
            raise Unreadable("it was sealed with another key, or was altered") from None

    def _opened(self, make: bool) -> AESGCM:
        if self._cipher is None:
            self._cipher = AESGCM(self._made() if make and not os.path.lexists(self.path) else self._read())
        return self._cipher

    def _read(self) -> bytes:
        try:
            key = private_files.read(self.path)
        except FileNotFoundError:
            raise Unreadable("its key file is gone") from None
        if len(key) != LENGTH:
            raise Unreadable(f"its key file has {len(key)} bytes instead of {LENGTH}")
        return key

    def _made(self) -> bytes:
        key = token_bytes(LENGTH)
        private_files.make_folder(self.path.parent)
        write_new(self.path, key)
        sync_folder(self.path.parent)
        return key
