"""Ids in requests of Anthropic's Messages that mean something to one account: files and containers."""

from collections.abc import Iterable

from pointsman.wire.json_access import Members, mapping
from pointsman.wire.request_facts import HeldIds, id_of


def held_ids(document: Members, blocks: Iterable[Members]) -> HeldIds:
    """`blocks`: of all messages, those within the results of tools too."""
    files = [mapping(block.get("source") or block).get("file_id") for block in blocks]
    return HeldIds.of(shared=(id_of(document.get("container")), *files))
