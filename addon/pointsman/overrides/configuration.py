"""What is in force: the file, the environment over it, and over both what was changed while the router ran."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pointsman import config
from pointsman.config import ConfigError, Found, Settings
from pointsman.config.document import Document
from pointsman.config.runtime_overrides import NOTHING, Overlay
from pointsman.overrides.store import Store
from pointsman.private_files import NotPrivate
from pointsman.wire.errors import Code, Problem

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class InForce:
    """`base` is what would hold without the overlay, `written` what the file says."""

    written: Document
    base: Settings
    overlay: Overlay
    settings: Settings


class Configuration:
    """The one owner. `read` gives what the file says; `stored` says, for what the file and the environment want, where
    changes are kept: without a store they live as long as this process.

    `check` says why settings must not be, `take` puts them in force; they are called on the loop.
    """

    def __init__(
        self,
        read: Callable[[], Document],
        env: Mapping[str, str],
        stored: Callable[[Settings], Store | None] = lambda _: None,
        path: Path | None = None,
    ) -> None:
        self.path = path
        self.env = env
        self.store: Store | None = None
        self.check: Callable[[Settings], str | None] = lambda _: None
        self.take: Callable[[Settings], None] = lambda _: None
        self._read, self._stored = read, stored
        self._lock = asyncio.Lock()
        self._state: InForce | None = None

    @property
    def now(self) -> InForce:
        assert self._state, "nothing has begun yet"
        return self._state

    def begin(self) -> Settings:
        """Raises ConfigError when the file is at fault, or the folder of the changes is in the hands of others. Changes
        that no longer fit the file are moved aside.
        """
        written = self._read()
        base = self._built(written, NOTHING)
        self.store = self._stored(base)
        overlay = _loaded(self.store) if self.store else NOTHING
        try:
            settings = self._built(written, overlay)
        except ConfigError as error:
            assert self.store
            self.store.set_aside(f"does not fit the configuration:\n{error}\n")
            overlay, settings = NOTHING, base
        self._state = InForce(written, base, overlay, settings)
        return settings

    async def reload(self) -> None:
        """Read the file again. Raises ConfigError when it is refused, and the old one stays in force."""
        async with self._lock:
            state = await asyncio.to_thread(self._reread, self.now.overlay)
            self._refuse(state.settings)
            self._adopt(state)

    async def change(self, alter: Callable[[InForce], Overlay], faults: Sequence[Found] = ()) -> None:
        """In force, and on disk, when this returns. `faults` are those known before. Raises ConfigError with all of
        them, or what `alter` raises, and nothing has changed.
        """
        async with self._lock:
            before = self.now
            overlay = alter(before)
            written = before.written._replace(faults=(*before.written.faults, *faults))
            settings = await asyncio.to_thread(self._built, written, overlay)
            self._refuse(settings)
            await self._keep(overlay)
            self._adopt(InForce(before.written, before.base, overlay, settings))

    async def _keep(self, overlay: Overlay) -> None:
        if self.store is None:
            return
        try:
            await asyncio.to_thread(self.store.save, overlay)
        except OSError as error:
            logger.error(f"Pointsman: a change could not be kept in {self.store.path}: {error}.")
            message = f"The change could not be kept ({error.strerror or error}), so nothing was changed."
            raise Problem(Code.CONFLICT, message) from None

    def _reread(self, overlay: Overlay) -> InForce:
        written = self._read()
        base = self._built(written, NOTHING)
        return InForce(written, base, overlay, self._built(written, overlay))

    def _built(self, written: Document, overlay: Overlay) -> Settings:
        return config.build(written.tree, self.env, written.faults, overlay, written.warnings)

    def _refuse(self, settings: Settings) -> None:
        if problem := self.check(settings):
            raise ConfigError([Found("server", problem)])

    def _adopt(self, state: InForce) -> None:
        self._state = state
        self.take(state.settings)


def _loaded(store: Store) -> Overlay:
    try:
        return store.load()
    except NotPrivate as error:
        raise ConfigError([Found("pointsman_data", str(error))]) from None
