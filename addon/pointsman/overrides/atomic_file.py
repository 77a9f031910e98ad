"""Writing a file so that readers find the old one or the new one whole, even after the power was cut."""

import os
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

from pointsman import private_files


def write_atomically(path: Path, data: bytes) -> None:
    """On disk when this returns, readable by its owner alone. Raises OSError; NotPrivate if others may write in its
    folder.
    """
    private_files.make_folder(path.parent)
    draft = path.with_name(f".{path.name}.{token_hex(8)}.draft")
    write_new(draft, data)
    try:
        draft.replace(path)
    except OSError:
        with suppress(OSError):
            draft.unlink()
        raise
    sync_folder(path.parent)


def write_beside(path: Path, data: bytes) -> Path:
    """Replaces a file of the user's, a link's target, and keeps its permissions and a copy of what it was. Returns
    the copy. Raises OSError; the file is then as it was.
    """
    target = path.resolve()
    backup = _free_name(target, "backup")
    mode = target.stat().st_mode & 0o777
    write_new(backup, target.read_bytes())
    backup.chmod(mode)
    draft = target.with_name(f".{target.name}.{token_hex(8)}.draft")
    write_new(draft, data)
    draft.chmod(mode)
    draft.replace(target)
    sync_folder(target.parent)
    return backup


def write_new(path: Path, data: bytes) -> None:
    """On disk when this returns, readable by its owner alone. Raises OSError, and leaves nothing behind then;
    FileExistsError if there is anything of that name.
    """
    descriptor = private_files.create(path)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        with suppress(OSError):
            path.unlink()
        raise


def sync_folder(folder: Path) -> None:
    """A new name is on disk only when its folder is. Windows has no such thing."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def move_aside(path: Path) -> Path:
    """Out of the way, under a name that nothing has yet. Raises OSError."""
    return path.rename(_free_name(path, "damaged"))


def _free_name(path: Path, ending: str) -> Path:
    number = 1
    while (free := path.with_name(f"{path.name}.{ending}-{number}")).exists():
        number += 1
    return free
