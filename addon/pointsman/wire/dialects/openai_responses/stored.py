"""Requests about answers that a provider has stored: read, listed, cancelled or deleted by their id.

`/v1/responses/<id>`, `…/<id>/cancel` and `…/<id>/input_items`, after any prefix.
"""

import re

from pointsman.wire import query
from pointsman.wire.request_facts import HeldIds, RequestFacts

ACTIONS = {"": ("GET", "DELETE"), "/cancel": ("POST",), "/input_items": ("GET",)}
"""What may follow the id, and the methods that it takes."""
_PATH = re.compile(r"/v1/responses/([A-Za-z0-9_-][\w.:-]*)(/cancel|/input_items|)", re.ASCII)


def is_stored(path: str) -> bool:
    return _match(path) is not None


def methods(path: str) -> tuple[str, ...]:
    match = _match(path)
    assert match
    return ACTIONS[match[2]]


def facts(path: str) -> RequestFacts:
    route, _, _ = path.partition("?")
    match = _match(route)
    assert match
    asked = query.forwarded(path)
    return RequestFacts(
        model=None,
        stream=not match[2] and query.value(asked, "stream") == "true",
        needs=frozenset(),
        tokens=0,
        action=f"/{match[1]}{match[2]}",
        query=asked,
        held=HeldIds.of(answers=[match[1]]),
        only_native="a stored answer",
    )


def _match(path: str) -> re.Match[str] | None:
    at = path.rfind("/v1/responses/")
    return _PATH.fullmatch(path, at) if at >= 0 else None
