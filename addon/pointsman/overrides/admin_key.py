"""The admin key: the configured one, else one that is made once and kept in the data folder for its owner alone."""

import logging
from pathlib import Path
from secrets import token_urlsafe

from pydantic import SecretStr

from pointsman import private_files
from pointsman.overrides.atomic_file import write_atomically

logger = logging.getLogger(__name__)

FILE = "admin.key"
KEY_BYTES = 24
MIN_LENGTH = 16
"""Characters; a shorter one is damaged, and is replaced."""


class AdminKey:
    """`value` is empty until the key has been found."""

    def __init__(self) -> None:
        self.value = ""
        self.is_for_this_run = False
        """None is configured, and none can be kept."""

    def find(self, configured: SecretStr | None, folder: Path) -> None:
        """The configured one, else the one kept in `folder`; a new one if none can be kept there."""
        if configured:
            self.value = configured.get_secret_value()
            return
        try:
            self.value = keep_admin_key(folder)
        except OSError as error:
            logger.warning(
                f"Pointsman: the admin key cannot be kept in {folder} ({error}). A new one is made at each start."
            )
            self.value, self.is_for_this_run = token_urlsafe(KEY_BYTES), True

    def update(self, configured: SecretStr | None) -> None:
        """A key that is no longer configured stays in force until the next start."""
        if configured:
            self.value, self.is_for_this_run = configured.get_secret_value(), False


def keep_admin_key(folder: Path) -> str:
    """The kept key; a new one if there is none. Raises OSError; NotPrivate if other users may write it."""
    if key := read_admin_key(folder):
        return key
    key = token_urlsafe(KEY_BYTES)
    write_atomically(folder / FILE, f"{key}\n".encode())
    return key


def read_admin_key(folder: Path) -> str | None:
    """None if there is none. Raises OSError; NotPrivate if other users may write it."""
    try:
        private_files.check_folder(folder)
        key = private_files.read(folder / FILE).decode("ascii", "replace").strip()
    except FileNotFoundError:
        return None
    return key if len(key) >= MIN_LENGTH and key.isascii() and key.isprintable() else None
