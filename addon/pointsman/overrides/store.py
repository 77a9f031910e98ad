"""The file that stores runtime overrides: small, written whole at each change, with keys encrypted."""

import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from pointsman import private_files
from pointsman.config.enums import Pool
from pointsman.config.runtime_overrides import (
    NO_OVERRIDES,
    AddedClient,
    AddedKey,
    AddedModel,
    AddedProvider,
    KeyChange,
    RuntimeOverrides,
    TargetChange,
)
from pointsman.overrides.atomic_file import move_aside, write_atomically
from pointsman.overrides.key_encryption import DecryptionError, KeyEncryption
from pointsman.private_files import NotPrivate

logger = logging.getLogger(__name__)

FILE, KEY_FILE = "overrides.json", "overrides.key"


def data_folder(named: str | None, history: Path | None, home: Path) -> Path:
    """Where changes are kept: the folder that is named, else the history's, else ~/.pointsman."""
    if named:
        return home / named[2:] if named.startswith("~/") else Path(named).absolute()
    return history.absolute().parent if history else home / ".pointsman"


class StrictModel(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True, defer_build=True)


class StoredTarget(StrictModel, strict=False):
    target: str
    enabled: bool | None = None
    pool: Pool | None = None


class StoredKeyChange(StrictModel):
    provider: str
    label: str
    enabled: bool | None = None
    new_label: str | None = None


class StoredKey(StrictModel):
    id: str
    provider: str
    label: str
    enabled: bool
    sealed: str


class StoredProvider(StrictModel):
    name: str
    entry: dict[str, Any]


class StoredModel(StrictModel):
    provider: str
    entry: dict[str, Any]


class StoredEntry(StrictModel):
    """Changes within the entry of a provider or of a `provider/model`."""

    of: str
    changes: dict[str, Any]


class StoredClient(StrictModel):
    name: str
    key_hash: str
    entry: dict[str, Any]


class StoredOverrides(StrictModel):
    """The file."""

    version: Literal[1]
    settings: dict[str, Any] = {}
    order: list[str] = []
    targets: list[StoredTarget] = []
    keys: list[StoredKeyChange] = []
    added: list[StoredKey] = []
    providers: list[StoredProvider] = []
    models: list[StoredModel] = []
    entries: list[StoredEntry] = []
    clients: list[StoredClient] = []
    disabled_clients: dict[str, bool] = {}


class OverrideStore:
    """Two files in one folder: the overrides, and the key that encrypts their secrets."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._encryption = KeyEncryption(folder / KEY_FILE)

    def save(self, overrides: RuntimeOverrides) -> None:
        """On disk when this returns. Raises OSError; what was there then is there still."""
        self._check()
        try:
            data = self._to_stored(overrides).model_dump(mode="json", exclude_defaults=True)
        except DecryptionError as error:
            raise OSError(f"{self._encryption.path}: {error}") from None
        write_atomically(self.path, json.dumps(data, indent=1).encode())

    def load(self) -> RuntimeOverrides:
        """What was saved. What is damaged is moved aside with a warning, and does not prevent the start. Raises
        NotPrivate if others may have written it.
        """
        try:
            self._check()
            data = private_files.read(self.path)
        except FileNotFoundError:
            return NO_OVERRIDES
        except NotPrivate:
            raise
        except OSError as error:
            logger.warning(f"Pointsman: saved changes are not applied: {self.path} cannot be read ({error}).")
            return NO_OVERRIDES
        try:
            written = StoredOverrides.model_validate(json.loads(data))
        except (ValueError, RecursionError) as error:
            self.set_aside(_describe_damage(error))
            return NO_OVERRIDES
        return self._from_stored(written)

    def set_aside(self, why: str) -> None:
        """Start without the changes; the file is kept for inspection."""
        logger.warning(f"Pointsman: saved changes are not applied: {self.path} {why}. {_moved(self.path)}")

    def _check(self) -> None:
        """Raises NotPrivate if others may write it."""
        with suppress(FileNotFoundError):
            private_files.check_folder(self.path.parent)
        for path in (self.path, self._encryption.path):
            with suppress(FileNotFoundError):
                private_files.check_file(path)

    def _to_stored(self, overrides: RuntimeOverrides) -> StoredOverrides:
        return StoredOverrides(
            version=1,
            settings=overrides.settings,
            order=list(overrides.order),
            targets=[
                StoredTarget(target=label, enabled=change.enabled, pool=change.pool)
                for label, change in overrides.targets.items()
            ],
            keys=[
                StoredKeyChange(provider=provider, label=label, enabled=change.enabled, new_label=change.label)
                for (provider, label), change in overrides.keys.items()
            ],
            added=[
                StoredKey(
                    id=key.id,
                    provider=key.provider,
                    label=key.label,
                    enabled=key.enabled,
                    sealed=self._encryption.encrypt(key.value, _context(key.id, key.provider)),
                )
                for key in overrides.added
            ],
            providers=[StoredProvider(name=each.name, entry=each.entry) for each in overrides.providers],
            models=[StoredModel(provider=each.provider, entry=each.entry) for each in overrides.models],
            entries=[StoredEntry(of=name, changes=changes) for name, changes in overrides.entries.items()],
            clients=[
                StoredClient(name=each.name, key_hash=each.key_hash, entry=each.entry) for each in overrides.clients
            ],
            disabled_clients=dict(overrides.disabled_clients),
        )

    def _from_stored(self, written: StoredOverrides) -> RuntimeOverrides:
        overrides = RuntimeOverrides(
            settings=written.settings,
            order=tuple(written.order),
            targets={each.target: TargetChange(each.enabled, each.pool) for each in written.targets},
            keys={(each.provider, each.label): KeyChange(each.enabled, each.new_label) for each in written.keys},
            providers=tuple(AddedProvider(each.name, each.entry) for each in written.providers),
            models=tuple(AddedModel(each.provider, each.entry) for each in written.models),
            entries={each.of: each.changes for each in written.entries},
            clients=tuple(AddedClient(each.name, each.key_hash, each.entry) for each in written.clients),
            disabled_clients=written.disabled_clients,
        )
        try:
            added = tuple(self._decrypted(written))
        except NotPrivate:
            raise
        except (DecryptionError, OSError) as error:
            return self._without_keys(overrides, len(written.added), error)
        return replace(overrides, added=added)

    def _decrypted(self, written: StoredOverrides) -> Iterator[AddedKey]:
        for key in written.added:
            value = self._encryption.decrypt(key.sealed, _context(key.id, key.provider))
            yield AddedKey(key.id, key.provider, key.label, value, key.enabled)

    def _without_keys(self, overrides: RuntimeOverrides, lost: int, error: Exception) -> RuntimeOverrides:
        """Everything else holds. Both files are kept: with the right key file they would still be good."""
        moved = [_moved(path) for path in (self.path, self._encryption.path) if path.exists()]
        logger.warning(
            f"Pointsman: {lost} keys that were added earlier cannot be read: {error}. Add them again."
            f" {' '.join(moved)} Other saved changes are applied."
        )
        self._encryption = KeyEncryption(self._encryption.path)
        try:
            self.save(overrides)
        except OSError as problem:
            logger.warning(f"Pointsman: {self.path} cannot be written ({problem}).")
        return overrides


def _context(key_id: str, provider: str) -> str:
    return f"{key_id} {provider}"


def _moved(path: Path) -> str:
    try:
        return f"{path.name} is now {move_aside(path)}."
    except OSError as error:
        return f"{path.name} could not be moved aside ({error})."


def _describe_damage(error: Exception) -> str:
    if isinstance(error, ValidationError):
        places = {".".join(map(str, details["loc"])) for details in error.errors(include_input=False)}
        return f"does not have the format of this version (at {', '.join(sorted(places))[:200]})"
    return "is damaged: it is not JSON"
