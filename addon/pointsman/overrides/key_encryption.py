"""Keys at rest: sealed by AES-256-GCM with a key of our own, which lies beside them, readable by its owner alone.

That keeps provider keys out of backups, searches and shared screens of the file that holds them. It does not keep them
from a person who may read both files.
"""

import os
from base64 import b64decode, b64encode
from pathlib import Path
from secrets import token_bytes

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pointsman import private_files
from pointsman.overrides.atomic_file import sync_folder, write_new

KEY_BYTES = 32
NONCE_BYTES = 12


class DecryptionError(Exception):
    """The key file, or something sealed, is not what it was."""


class KeyEncryption:
    """The key file is made at the first use."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._cipher: AESGCM | None = None

    def encrypt(self, text: str, context: str) -> str:
        """`context` is what the text belongs to: it opens for nothing else. Raises OSError, DecryptionError."""
        nonce = token_bytes(NONCE_BYTES)
        return b64encode(nonce + self._open_cipher(make=True).encrypt(nonce, text.encode(), context.encode())).decode()

    def decrypt(self, sealed: str, context: str) -> str:
        """Raises OSError, DecryptionError."""
        try:
            data = b64decode(sealed, validate=True)
            return (
                self._open_cipher(make=False).decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], context.encode()).decode()
            )
        except (InvalidTag, ValueError):
            raise DecryptionError("it was encrypted with another key, or was altered") from None

    def _open_cipher(self, make: bool) -> AESGCM:
        if self._cipher is None:
            self._cipher = AESGCM(self._make_key() if make and not os.path.lexists(self.path) else self._read_key())
        return self._cipher

    def _read_key(self) -> bytes:
        try:
            key = private_files.read(self.path)
        except FileNotFoundError:
            raise DecryptionError("its key file is missing") from None
        if len(key) != KEY_BYTES:
            raise DecryptionError(f"its key file has {len(key)} bytes instead of {KEY_BYTES}")
        return key

    def _make_key(self) -> bytes:
        key = token_bytes(KEY_BYTES)
        private_files.make_folder(self.path.parent)
        write_new(self.path, key)
        sync_folder(self.path.parent)
        return key
