"""Items of answers that were converted for clients of OpenAI's Responses, so that later requests can refer to them.

Clients that leave their conversation to the provider send `item_reference` instead of what the model said. No provider
knows the items of a converted answer, so the router puts them in place of the references.
"""

import json
from collections.abc import Callable, Iterable
from hashlib import blake2b
from threading import Lock

from cachetools import TTLCache

from pointsman.wire.conversion.ir import dumps
from pointsman.wire.json_access import Document, Members, mapping, text

REFERENCE = "item_reference"
MAX_BYTES = 32 << 20
"""Of all items together; the oldest go first."""
MAX_ITEM_BYTES = 1 << 20
LIFETIME = 6 * 3600.0
"""Seconds after an answer."""


class ConvertedItems:
    """`clock` gives seconds. A client gets back only its own items. Large requests are read in a thread."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._items: TTLCache[tuple[bytes, str], bytes] = TTLCache(MAX_BYTES, LIFETIME, clock, getsizeof=len)
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._items)

    def remember(self, client: str, items: Iterable[Members]) -> None:
        owner = _owner(client)
        for item in items:
            if (item_id := text(item.get("id"))) and len(kept := dumps(item)) <= MAX_ITEM_BYTES:
                with self._lock:
                    self._items[owner, item_id] = kept

    def resolved(self, client: str, body: bytes) -> bytes:
        """A request of Responses with the items that it refers to; the same bytes if none of them is known."""
        if not self._items or REFERENCE.encode() not in body:
            return body
        try:
            document = json.loads(body)  # integers of any length survive
        except ValueError:
            return body
        if not isinstance(document, dict) or not isinstance(document.get("input"), list):
            return body
        known = dict(self._known(_owner(client), document["input"]))
        if not known:
            return body
        document["input"] = [known.get(place, item) for place, item in enumerate(document["input"])]
        return json.dumps(document).encode()

    def _known(self, owner: bytes, items: list[object]) -> Iterable[tuple[int, Document]]:
        for place, item in enumerate(items):
            reference = mapping(item)
            if reference.get("type") != REFERENCE:
                continue
            with self._lock:
                kept = self._items.get((owner, text(reference.get("id"))))
            if kept is not None:
                yield place, json.loads(kept)


def _owner(client: str) -> bytes:
    return blake2b(client.encode("utf-8", "surrogatepass"), digest_size=16).digest()
