"""Writes a client's files, and restores what was there before.

The first write of a file leaves its former content beside it. What was written is recorded in the data folder, so that
`undo` knows which files it may restore or remove, and whether the user has changed one since.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from pointsman import private_files
from pointsman.client_setup.merging import MergeError
from pointsman.client_setup.resolve import ClientSetup, SetupFile
from pointsman.overrides.atomic_file import write_atomically, write_new

RECORDS = "client-setup.json"
BACKUP, CHANGED = "pointsman-backup", "pointsman-changed"
"""Ends the name of the former content of a file, and of a content that `undo` has replaced although it was not ours."""


class SetupFileError(Exception):
    """A file cannot be written or restored. The message names it, and the remedy."""


class Outcome(StrEnum):
    WRITTEN = "written"
    UNCHANGED = "already set up"
    RESTORED = "restored"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class FileReport:
    """What became of a file; `kept` is the file beside it that has its other content."""

    path: Path
    outcome: Outcome
    kept: Path | None = None


class FileRecord(BaseModel):
    """A file that was written: for which client, where its former content is (None: there was no file), and the SHA-256
    of what was written last. `edited`: the user changed it between two writes. `folders` were made for it.
    """

    model_config = ConfigDict(extra="forbid")

    client: str
    backup: str | None
    digest: str
    edited: bool = False
    folders: list[str] = []


class Records(BaseModel):
    """The record of all clients, by the path of the file. As many as there are clients, with a few files each."""

    model_config = ConfigDict(extra="forbid")

    version: int = 1
    files: dict[str, FileRecord] = {}


@dataclass(frozen=True, slots=True)
class SetupFiles:
    """Writes and restores files, with its records in `folder`."""

    folder: Path

    def write(self, setup: ClientSetup) -> list[FileReport]:
        """All files of the set-up, or none if one of them cannot be merged. Raises SetupFileError."""
        planned = [(_target(file.path), _planned(file)) for file in setup.files]
        records = self._load()
        reports = []
        for path, data in planned:
            before = _read(path)
            if data == before:
                reports.append(FileReport(path, Outcome.UNCHANGED))
                continue
            with _named(path):
                record = self._keep_former(setup.client.name, path, before, records.files.get(str(path)))
                record.digest = _digest(data)
                records.files[str(path)] = record
                self._save(records)  # before the file: what is recorded can be undone
                _replace(path, data, before is not None)
            reports.append(FileReport(path, Outcome.WRITTEN, Path(record.backup) if record.backup else None))
        return reports

    def undo(self, client: str) -> list[FileReport]:
        """Restores every file that was written for the client; empty if there is none. Raises SetupFileError."""
        records = self._load()
        reports = []
        for name, record in reversed(list(records.files.items())):  # folders were made for the first of them
            if record.client != client:
                continue
            path = Path(name)
            with _named(path):
                reports.append(_restore(path, record))
            del records.files[name]
            self._save(records)
        return reports

    def _keep_former(self, client: str, path: Path, before: bytes | None, known: FileRecord | None) -> FileRecord:
        """The record of a file that is about to be written; its former content is kept at the first time only."""
        if known is not None:
            known.edited = known.edited or before is None or _digest(before) != known.digest
            return known
        if before is None:
            return FileRecord(client=client, backup=None, digest="", folders=_make_folders(path.parent))
        backup = _free_name(path, BACKUP)
        write_new(backup, before)
        backup.chmod(stat.S_IMODE(path.stat().st_mode))
        return FileRecord(client=client, backup=str(backup), digest="")

    def _load(self) -> Records:
        path = self.folder / RECORDS
        try:
            return Records.model_validate_json(private_files.read(path))
        except FileNotFoundError:
            return Records()
        except ValidationError:
            problem = f"{path} is damaged: move it away, and restore the clients' files from their *.{BACKUP}"
            raise SetupFileError(problem) from None
        except OSError as error:
            raise SetupFileError(str(error)) from None

    def _save(self, records: Records) -> None:
        write_atomically(self.folder / RECORDS, records.model_dump_json(indent=2).encode())


def is_written(setup: ClientSetup) -> bool:
    """Whether the client's files have all of the set-up already."""
    try:
        return all(_planned(file) == _read(_target(file.path)) for file in setup.files)
    except SetupFileError:
        return False


def write_run_files(setup: ClientSetup) -> None:
    """The files of one run, which are new."""
    for file in setup.run_files:
        write_new(file.path, file.text.encode())


def _planned(file: SetupFile) -> bytes:
    """What the file should hold. Raises SetupFileError."""
    path = _target(file.path)
    before = _read(path)
    try:
        current = None if before is None else before.decode()
        return file.merged_into(current).encode()
    except UnicodeDecodeError:
        raise SetupFileError(f"{path} is not UTF-8; nothing was written") from None
    except MergeError as error:
        by_hand = "nothing was written; add by hand what is printed without --write"
        raise SetupFileError(f"{path} {error}; {by_hand}") from None


def _restore(path: Path, record: FileRecord) -> FileReport:
    current = _read(path)
    kept = None
    if record.backup is not None and not os.path.exists(record.backup):
        raise SetupFileError(f"{path} cannot be restored: {record.backup}, its former content, is gone")
    if current is not None and (record.edited or _digest(current) != record.digest):
        kept = _free_name(path, CHANGED)
        write_new(kept, current)
    if record.backup is None:
        path.unlink(missing_ok=True)
        for folder in record.folders:
            with suppress(OSError):  # not empty: the client has put something there
                Path(folder).rmdir()
        return FileReport(path, Outcome.REMOVED, kept)
    backup = Path(record.backup)
    if current is None:
        path.parent.mkdir(parents=True, exist_ok=True)
    backup.replace(path)
    return FileReport(path, Outcome.RESTORED, kept)


def _replace(path: Path, data: bytes, exists: bool) -> None:
    """Whole or not at all; a new file is for its owner alone, since it holds a key."""
    draft = _free_name(path, "pointsman-draft")
    write_new(draft, data)
    try:
        if exists:
            draft.chmod(stat.S_IMODE(path.stat().st_mode))
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Errors of the system name the file."""
    try:
        yield
    except OSError as error:
        raise SetupFileError(f"{path}: {error.strerror or error}") from error


def _target(path: Path) -> Path:
    """What a link leads to: dotfiles often are links, and stay so."""
    return Path(os.path.realpath(path))


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SetupFileError(f"{path}: {error.strerror}") from None


def _make_folders(folder: Path) -> list[str]:
    """Makes it, with those above it; returns those that are new, the deepest first."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return [str(each) for each in missing]


def _free_name(path: Path, ending: str) -> Path:
    name, number = path.with_name(f"{path.name}.{ending}"), 1
    while name.exists():
        number += 1
        name = path.with_name(f"{path.name}.{ending}-{number}")
    return name


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
