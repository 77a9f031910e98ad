"""Ids in chat completions that mean something to one account: files, and what was said aloud."""

from collections.abc import Iterable

from pointsman.wire.json_access import Members, mapping, mappings
from pointsman.wire.request_facts import HeldIds, id_of


def held_ids(document: Members, parts: Iterable[Members]) -> HeldIds:
    """`parts`: of all messages."""
    files = [mapping(part.get("file")).get("file_id") for part in parts if part.get("type") == "file"]
    spoken = [id_of(message.get("audio")) for message in mappings(document.get("messages")) if "audio" in message]
    return HeldIds.of(shared=(*files, *spoken))
