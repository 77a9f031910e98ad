"""Ids in requests of OpenAI's Responses that mean something to one account: answers, stored items, files and more."""

from collections.abc import Iterable, Iterator

from pointsman.wire.json_access import Members, mapping, mappings
from pointsman.wire.request_facts import HeldIds, id_of

ANSWERS = ("previous_response_id", "conversation")
COMPACTION = "compaction"
"""An item that is an encrypted summary of all before it."""


def held_ids(document: Members, parts: Iterable[Members]) -> HeldIds:
    """`parts`: the items, and whatever they consist of."""
    items = mappings(document.get("input"))
    summaries = (item.get("encrypted_content") for item in items if item.get("type") == COMPACTION)
    files = (part.get("file_id") for part in parts)
    return HeldIds.of(
        answers=(id_of(document.get(name)) for name in ANSWERS),
        items=(item.get("id") for item in items if _is_reference(item)),
        shared=(mapping(document.get("prompt")).get("id"), *files, *summaries, *_of_tools(document)),
    )


def _is_reference(item: Members) -> bool:
    kind = item.get("type")
    return kind == "item_reference" or (kind is None and "id" in item and "role" not in item)


def _of_tools(document: Members) -> Iterator[object]:
    for tool in mappings(document.get("tools")):
        container = tool.get("container")
        for listed in (tool.get("vector_store_ids"), mapping(container).get("file_ids")):
            yield from listed if isinstance(listed, list) else ()
        yield container
