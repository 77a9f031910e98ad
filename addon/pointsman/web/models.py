"""`GET /v1/models`: what a client may ask for, in the form of OpenAI's list."""

from collections.abc import Callable, Iterator
from typing import Any

from pointsman.config.words import Mode
from pointsman.routing.resolve import AUTO
from pointsman.routing.router import Router
from pointsman.web.page import Reply, Request, reply_json


def models_page(router: Router, started: float) -> Callable[[Request, str], Reply]:
    """The page's function; `started` (seconds on the wall clock) stands for every model's creation."""

    def answer(_: Request, __: str) -> Reply:
        rows = [{"object": "model", "created": int(started), **row} for row in _rows(router)]
        return reply_json({"object": "list", "data": rows})

    return answer


def _rows(router: Router) -> Iterator[dict[str, Any]]:
    """Modes and aliases first, then every enabled target under its own name."""
    for name in (AUTO, *(f"{AUTO}-{mode}" for mode in Mode)):
        yield {"id": name, "owned_by": "pointsman"}
    for alias, meaning in router.settings.routing.aliases.items():
        yield {"id": alias, "owned_by": "pointsman", "alias_of": meaning}
    for target in router.inventory.targets:
        if target.enabled:
            row: dict[str, Any] = {"id": target.label, "owned_by": target.provider.name}
            if target.model.name:
                row["name"] = target.model.name
            if target.model.context is not None:
                row["context_window"] = row["context_length"] = target.model.context
            yield row
