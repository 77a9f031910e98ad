"""The model lists: what a client may ask for, in the form of the client that asks."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pointsman.config.words import Mode
from pointsman.routing.resolve import AUTO
from pointsman.routing.router import Router
from pointsman.web.page import Reply, Request, reply_json

OWNER = "pointsman"

type Answer = Callable[[Request, str], Reply]


@dataclass(frozen=True, slots=True)
class Row:
    """One name that a request may carry."""

    id: str
    owner: str
    name: str | None = None
    context: int | None = None
    alias_of: str | None = None


def models_page(router: Router, started: float) -> Answer:
    """OpenAI's list, or Anthropic's for a client that says which of its versions it speaks.

    `started` (seconds on the wall clock) stands for every model's creation.
    """

    def answer(request: Request, _: str) -> Reply:
        rows = list(rows_of(router))
        is_anthropic = "anthropic-version" in request.headers
        return reply_json(anthropic_list(rows, started) if is_anthropic else openai_list(rows, started))

    return answer


def gemini_models_page(router: Router) -> Answer:
    return lambda _, __: reply_json({"models": [_gemini_row(row) for row in rows_of(router)]})


def rows_of(router: Router) -> Iterator[Row]:
    """Modes and aliases first, then every enabled target under its own name."""
    for name in (AUTO, *(f"{AUTO}-{mode}" for mode in Mode)):
        yield Row(name, OWNER)
    for alias, meaning in router.settings.routing.aliases.items():
        yield Row(alias, OWNER, alias_of=meaning)
    for target in router.inventory.targets:
        if target.enabled:
            yield Row(target.label, target.provider.name, target.model.name, target.model.context)


def openai_list(rows: Sequence[Row], started: float) -> dict[str, Any]:
    return {"object": "list", "data": [_openai_row(row, int(started)) for row in rows]}


def anthropic_list(rows: Sequence[Row], started: float) -> dict[str, Any]:
    created = datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    data = [{"type": "model", "id": row.id, "display_name": row.name or row.id, "created_at": created} for row in rows]
    return {"data": data, "has_more": False, "first_id": data[0]["id"], "last_id": data[-1]["id"]}


def _openai_row(row: Row, created: int) -> dict[str, Any]:
    shown: dict[str, Any] = {"object": "model", "created": created, "id": row.id, "owned_by": row.owner}
    if row.alias_of:
        shown["alias_of"] = row.alias_of
    if row.name:
        shown["name"] = row.name
    if row.context is not None:
        shown["context_window"] = shown["context_length"] = row.context
    return shown


def _gemini_row(row: Row) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "name": f"models/{row.id}",
        "displayName": row.name or row.id,
        "supportedGenerationMethods": ["generateContent", "streamGenerateContent", "countTokens"],
    }
    if row.context is not None:
        shown["inputTokenLimit"] = row.context
    return shown
