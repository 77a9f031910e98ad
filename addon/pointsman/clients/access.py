"""Which models a client may use: globs over the names of models, `provider/model`, modes and aliases."""

import re
from collections.abc import Iterable, Mapping
from fnmatch import translate

from pointsman.config.clients import ClientSettings
from pointsman.domain.targets import Target

EVERYTHING = ("*",)
MAX_SHOWN = 20
"""Globs that an error lists."""


class ModelAccess:
    """What one client may use, for one configuration.

    A target is allowed by one of its own names, or by the mode of its pool. A name that is allowed itself, such as an
    alias, allows all of its targets.
    """

    def __init__(self, globs: Iterable[str]) -> None:
        self._globs = tuple(globs)
        self._pattern = re.compile("|".join(map(translate, self._globs)))
        self._targets: dict[str, bool] = {}  # by label, as many as are configured

    def allows(self, names: Iterable[str | None]) -> bool:
        """Whether one of these names is allowed."""
        return any(name is not None and self._pattern.match(name) for name in names)

    def allows_target(self, target: Target) -> bool:
        found = self._targets.get(target.label)
        if found is None:
            model = target.model
            found = self._targets[target.label] = self.allows((target.label, model.id, f"auto-{model.pool}"))
        return found

    def __str__(self) -> str:
        """The globs, for an error."""
        more = ", …" if len(self._globs) > MAX_SHOWN else ""
        return ", ".join(self._globs[:MAX_SHOWN]) + more


class AccessTable:
    """The clients that may not use every model."""

    def __init__(self, clients: Mapping[str, ClientSettings]) -> None:
        self._by_client = {
            name: ModelAccess(client.models) for name, client in clients.items() if client.models != EVERYTHING
        }

    def of(self, client: str | None) -> ModelAccess | None:
        """The client's access; None if it may use every model."""
        return self._by_client.get(client) if client is not None else None
