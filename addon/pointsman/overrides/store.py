"""The file that keeps an overlay: small, written whole at each change, with the values of keys sealed."""

import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from pointsman import private_files
from pointsman.config.enums import Pool
from pointsman.config.runtime_overrides import NOTHING, AddedKey, KeyChange, Overlay, TargetChange
from pointsman.overrides.atomic_file import move_aside, write_whole
from pointsman.overrides.key_encryption import Unreadable, Vault
from pointsman.private_files import NotPrivate

logger = logging.getLogger(__name__)

FILE, KEY_FILE = "overrides.json", "overrides.key"


def data_folder(named: str | None, history: Path | None, home: Path) -> Path:
    """Where changes are kept: the folder that is named, else the history's, else ~/.pointsman."""
    if named:
        return home / named[2:] if named.startswith("~/") else Path(named).absolute()
    return history.absolute().parent if history else home / ".pointsman"


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class WrittenTarget(Strict, strict=False):
    target: str
    enabled: bool | None = None
    pool: Pool | None = None


class WrittenKeyChange(Strict):
    provider: str
    label: str
    enabled: bool | None = None
    new_label: str | None = None


class WrittenKey(Strict):
    id: str
    provider: str
    label: str
    enabled: bool
    sealed: str


class Written(Strict):
    """The file."""

    version: Literal[1]
    settings: dict[str, Any] = {}
    order: list[str] = []
    targets: list[WrittenTarget] = []
    keys: list[WrittenKeyChange] = []
    added: list[WrittenKey] = []


class Store:
    """Two files in one folder: the overlay and the key that its secrets are sealed with."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._vault = Vault(folder / KEY_FILE)

    def save(self, overlay: Overlay) -> None:
        """On disk when this returns. Raises OSError; what was there then is there still."""
        self._check()
        try:
            data = self._written(overlay).model_dump(mode="json", exclude_defaults=True)
        except Unreadable as error:
            raise OSError(f"{self._vault.path}: {error}") from None
        write_whole(self.path, json.dumps(data, indent=1).encode())

    def load(self) -> Overlay:
        """What was saved. What is damaged is moved aside with a warning, and keeps nobody from starting. Raises
        NotPrivate if others may have written it.
        """
        try:
            self._check()
            data = private_files.read(self.path)
        except FileNotFoundError:
            return NOTHING
        except NotPrivate:
            raise
        except OSError as error:
            logger.warning(f"Pointsman: changes made earlier are not in force: {self.path} cannot be read ({error}).")
            return NOTHING
        try:
            written = Written.model_validate(json.loads(data))
        except (ValueError, RecursionError) as error:
            self.set_aside(_what_is_wrong(error))
            return NOTHING
        return self._read(written)

    def set_aside(self, why: str) -> None:
        """Start without the changes; the file is kept for whoever wants to look."""
        logger.warning(f"Pointsman: changes made earlier are not in force: {self.path} {why}. {_moved(self.path)}")

    def _check(self) -> None:
        """Raises NotPrivate if others may put words in our mouth."""
        with suppress(FileNotFoundError):
            private_files.check_folder(self.path.parent)
        for path in (self.path, self._vault.path):
            with suppress(FileNotFoundError):
                private_files.check_file(path)

    def _written(self, overlay: Overlay) -> Written:
        return Written(
            version=1,
            settings=overlay.settings,
            order=list(overlay.order),
            targets=[
                WrittenTarget(target=label, enabled=change.enabled, pool=change.pool)
                for label, change in overlay.targets.items()
            ],
            keys=[
                WrittenKeyChange(provider=provider, label=label, enabled=change.enabled, new_label=change.label)
                for (provider, label), change in overlay.keys.items()
            ],
            added=[
                WrittenKey(
                    id=key.id,
                    provider=key.provider,
                    label=key.label,
                    enabled=key.enabled,
                    sealed=self._vault.seal(key.value, _about(key.id, key.provider)),
                )
                for key in overlay.added
            ],
        )

    def _read(self, written: Written) -> Overlay:
        overlay = Overlay(
            settings=written.settings,
            order=tuple(written.order),
            targets={each.target: TargetChange(each.enabled, each.pool) for each in written.targets},
            keys={(each.provider, each.label): KeyChange(each.enabled, each.new_label) for each in written.keys},
        )
        try:
            added = tuple(self._opened(written))
        except NotPrivate:
            raise
        except (Unreadable, OSError) as error:
            return self._without_keys(overlay, len(written.added), error)
        return Overlay(overlay.settings, overlay.targets, overlay.order, overlay.keys, added)

    def _opened(self, written: Written) -> Iterator[AddedKey]:
        for key in written.added:
            value = self._vault.open(key.sealed, _about(key.id, key.provider))
            yield AddedKey(key.id, key.provider, key.label, value, key.enabled)

    def _without_keys(self, overlay: Overlay, lost: int, error: Exception) -> Overlay:
        """Everything else holds. Both files are kept: with the right key file they would still be good."""
        moved = [_moved(path) for path in (self.path, self._vault.path) if path.exists()]
        logger.warning(
            f"Pointsman: {lost} keys that were added earlier cannot be read: {error}. Add them again."
            f" {' '.join(moved)} Other changes made earlier are in force."
        )
        self._vault = Vault(self._vault.path)
        try:
            self.save(overlay)
        except OSError as problem:
            logger.warning(f"Pointsman: {self.path} cannot be written ({problem}).")
        return overlay


def _about(key_id: str, provider: str) -> str:
    return f"{key_id} {provider}"


def _moved(path: Path) -> str:
    try:
        return f"{path.name} is now {move_aside(path)}."
    except OSError as error:
        return f"{path.name} could not be moved aside ({error})."


def _what_is_wrong(error: Exception) -> str:
    if isinstance(error, ValidationError):
        places = {".".join(map(str, details["loc"])) for details in error.errors(include_input=False)}
        return f"is not of the form that this version writes (at {', '.join(sorted(places))[:200]})"
    return "is damaged: it is not JSON"
