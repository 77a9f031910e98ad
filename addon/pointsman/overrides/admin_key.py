"""The admin key that is made once and kept in the data folder, readable by its owner alone."""

from pathlib import Path
from secrets import token_urlsafe

from pointsman import private_files
from pointsman.overrides.atomic_file import write_atomically

FILE = "admin.key"
KEY_BYTES = 24
MIN_LENGTH = 16
"""Characters; a shorter one is damaged, and is replaced."""


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
