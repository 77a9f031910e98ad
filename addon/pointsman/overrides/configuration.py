"""What is in force: the file, the environment over it, and over both what was changed while the router ran."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pointsman import config
from pointsman.config import ConfigError, ConfigIssue, Settings
from pointsman.config.declared_names import as_mapping
from pointsman.config.document import Document
from pointsman.config.faulty_providers import ProviderFault
from pointsman.config.runtime_overrides import NO_OVERRIDES, RuntimeOverrides
from pointsman.overrides.store import OverrideStore
from pointsman.private_files import NotPrivate
from pointsman.wire.errors import Code, Problem

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ActiveConfig:
    """`base_settings` is what would hold without the overrides, `document` what the file says."""

    document: Document
    base_settings: Settings
    overrides: RuntimeOverrides
    settings: Settings


class Configuration:
    """The one owner. `read` gives what the file says; `open_store` says, for what the file and the environment want,
    where changes are kept: without a store they live as long as this process.

    `check` says why settings must not be, `apply` puts them in force; they are called on the loop.
    """

    def __init__(
        self,
        read: Callable[[], Document],
        env: Mapping[str, str],
        open_store: Callable[[Settings], OverrideStore | None] = lambda _: None,
        path: Path | None = None,
    ) -> None:
        self.path = path
        self.env = env
        self.store: OverrideStore | None = None
        self.check: Callable[[Settings], str | None] = lambda _: None
        self.apply: Callable[[Settings], None] = lambda _: None
        self._read, self._open_store = read, open_store
        self._lock = asyncio.Lock()
        self._state: ActiveConfig | None = None

    @property
    def current(self) -> ActiveConfig:
        assert self._state, "start() was not called"
        return self._state

    def start(self) -> Settings:
        """Raises ConfigError if the file is invalid, or other users can write the folder of the changes. Changes
        that no longer fit the file are moved aside. A provider at fault is left out.
        """
        written = self._read()
        base = self._build(written, NO_OVERRIDES)
        self.store = self._open_store(base)
        overrides = _loaded(self.store) if self.store else NO_OVERRIDES
        try:
            settings = self._build_changed(written, overrides, base)
        except ConfigError as error:
            assert self.store
            self.store.set_aside(f"does not fit the configuration:\n{error}\n")
            overrides, settings = NO_OVERRIDES, base
        self._state = ActiveConfig(written, base, overrides, settings)
        return settings

    async def reload(self) -> None:
        """Reads the file again. Raises ConfigError if it is invalid; the previous configuration then remains. A
        provider at fault keeps the entry that it had, if it had one.
        """
        async with self._lock:
            state = await asyncio.to_thread(self._reread, self.current)
            self._check(state.settings)
            self._adopt(state)

    async def adopt_saved(self) -> bool:
        """Puts in force what another process has saved in the store. Returns whether anything has changed. Raises
        ConfigError if it does not fit; what was in force then remains.
        """
        async with self._lock:
            before = self.current
            overrides = await asyncio.to_thread(self.store.load) if self.store else before.overrides
            if overrides == before.overrides:
                return False
            settings = await asyncio.to_thread(self._build_changed, before.document, overrides, before.base_settings)
            self._check(settings)
            self._adopt(ActiveConfig(before.document, before.base_settings, overrides, settings))
            return True

    async def change(
        self, alter: Callable[[ActiveConfig], RuntimeOverrides], faults: Sequence[ConfigIssue] = ()
    ) -> None:
        """In force, and on disk, when this returns. `faults` are those known before. Raises ConfigError with all of
        them, or what `alter` raises, and nothing has changed.
        """
        async with self._lock:
            before = self.current
            overrides = alter(before)
            written = before.document._replace(issues=(*before.document.issues, *faults))
            settings = await asyncio.to_thread(self._build_changed, written, overrides, before.base_settings)
            self._check(settings)
            await self._save(overrides)
            self._adopt(ActiveConfig(before.document, before.base_settings, overrides, settings))

    async def _save(self, overrides: RuntimeOverrides) -> None:
        if self.store is None:
            return
        is_first = not self.store.path.exists()
        try:
            await asyncio.to_thread(self.store.save, overrides)
        except OSError as error:
            logger.error(f"Pointsman: a change could not be saved in {self.store.path}: {error}.")
            message = f"The change could not be saved ({error.strerror or error}), so nothing was changed."
            raise Problem(Code.CONFLICT, message) from None
        if is_first:
            logger.info(f"Pointsman: changes are kept in {self.store.path} and are there after a restart.")

    def _reread(self, before: ActiveConfig) -> ActiveConfig:
        written = self._read()
        base = self._build(written, NO_OVERRIDES)
        if kept := _with_previous_entries(written, base.faults, before):
            written, base = kept, self._build(kept, NO_OVERRIDES)
        return ActiveConfig(written, base, before.overrides, self._build_changed(written, before.overrides, base))

    def _build(self, written: Document, overrides: RuntimeOverrides) -> Settings:
        return config.build(written.tree, self.env, written.issues, overrides, written.warnings, written.faults)

    def _build_changed(self, written: Document, overrides: RuntimeOverrides, base: Settings) -> Settings:
        """Raises ConfigError too if the overrides leave a provider out, and never for a fault of `base`."""
        known = {(fault.path, fault.problem) for fault in base.faults}
        try:
            settings = self._build(written, overrides)
        except ConfigError as error:
            raise ConfigError([issue for issue in error.issues if issue not in known] or error.issues) from None
        if new := [ConfigIssue(fault.path, fault.problem) for fault in settings.faults if fault not in base.faults]:
            raise ConfigError(new)
        return settings

    def _check(self, settings: Settings) -> None:
        if problem := self.check(settings):
            raise ConfigError([ConfigIssue("server", problem)])

    def _adopt(self, state: ActiveConfig) -> None:
        self._state = state
        self.apply(state.settings)


def _with_previous_entries(written: Document, faults: Sequence[ProviderFault], before: ActiveConfig) -> Document | None:
    """The document with what the providers at fault had in its place; None where none of them was in force."""
    kept = {fault.provider for fault in faults} & before.base_settings.providers.keys()
    if not kept:
        return None
    previous, providers = as_mapping(before.document.tree.get("providers")), written.tree["providers"]
    entries = {name: previous.get(name) if name in kept else entry for name, entry in providers.items()}
    ours = tuple(fault._replace(in_force=True) for fault in faults if fault.provider in kept)
    issues = tuple(issue for issue in written.issues if issue not in {(fault.path, fault.problem) for fault in ours})
    return written._replace(tree={**written.tree, "providers": entries}, issues=issues, faults=ours)


def _loaded(store: OverrideStore) -> RuntimeOverrides:
    try:
        return store.load()
    except NotPrivate as error:
        raise ConfigError([ConfigIssue("pointsman_data", str(error))]) from None
