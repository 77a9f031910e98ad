"""Files that only this user may see, in folders that only this user may change.

Others who may write in a folder can put a link, or a file of their own, in the place of ours. Root is no other: it can
do so anyway. On Windows permissions are left to the user's profile.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

OWNER_ONLY = 0o600
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
NO_WAIT = getattr(os, "O_NONBLOCK", 0)
"""Without it, opening a named pipe would wait for a writer."""

ELSEWHERE = "use a folder that you own"


class NotPrivate(OSError):
    """Other users own or can write a file or folder. The message names it and the remedy."""


def make_folder(folder: Path) -> None:
    """Creates the folder if needed; only its owner can write to it afterwards. Raises NotPrivate, OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_folder(folder)


def check_folder(folder: Path) -> None:
    """Raises NotPrivate, OSError; FileNotFoundError if there is none."""
    _check(folder.stat(), folder, "700")


def check_file(path: Path) -> None:
    """Raises NotPrivate, OSError; FileNotFoundError if there is none."""
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):
        raise NotPrivate(f"{path} is a link or not a regular file; replace it with a regular file")
    _check(found, path, "600")


def create(path: Path) -> int:
    """A new file, open to write. Raises OSError; FileExistsError if there is anything of that name, also a link."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_FOLLOW, OWNER_ONLY)


def read(path: Path) -> bytes:
    """What an own file holds, closed to other readers from now on. Raises NotPrivate, OSError."""
    check_file(path)
    with open(os.open(path, os.O_RDONLY | NO_FOLLOW | NO_WAIT), "rb") as file:
        found = os.fstat(file.fileno())
        _check(found, path, "600")
        if os.name != "nt" and stat.S_IMODE(found.st_mode) & ~OWNER_ONLY:
            with suppress(OSError):  # of a file of root's, say, which we may read all the same
                os.fchmod(file.fileno(), OWNER_ONLY)
        return file.read()


def others_can_read(path: Path) -> bool:
    """A group counts if the file is our own: with another owner, the group may be the way in which we read it."""
    if os.name == "nt":
        return False
    try:
        found = path.stat()
    except OSError:
        return False
    group = stat.S_IRGRP if found.st_uid == os.geteuid() else 0
    return bool(found.st_mode & (stat.S_IROTH | group))


def _check(found: os.stat_result, path: Path, mode: str) -> None:
    if os.name == "nt":
        return
    own = os.geteuid()
    if found.st_uid not in (own, 0):
        raise NotPrivate(f"{path} belongs to another user (uid {found.st_uid}); chown {own} {path}, or {ELSEWHERE}")
    if found.st_mode & OTHERS_WRITE:
        close = "" if found.st_mode & stat.S_ISVTX else f"chmod {mode} {path}, or "  # /tmp should stay open
        raise NotPrivate(f"{path} may be written by other users; {close}{ELSEWHERE}")
