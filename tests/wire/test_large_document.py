"""The document of a large request reads the same before and after it is forgotten."""

import json
from typing import Any

import pytest

from pointsman.wire.large_document import MAX_KEPT_TEXT, LargeDocument

DOCUMENT: dict[str, Any] = {
    "model": "m",
    "stream": True,
    "n": None,
    "messages": [{"role": "user", "content": "x"}],
    "metadata": {"a": 1},
    "prompt": "x" * (MAX_KEPT_TEXT + 1),
}
SMALL = ("model", "stream", "n")


@pytest.fixture
def forgotten() -> LargeDocument:
    found = LargeDocument(json.dumps(DOCUMENT).encode(), DOCUMENT)
    found.forget()
    return found


def test_nothing_large_is_left(forgotten: LargeDocument) -> None:
    assert tuple(forgotten._members) == SMALL


@pytest.mark.parametrize("name", [*DOCUMENT, "unknown"])
def test_each_member_is_there(forgotten: LargeDocument, name: str) -> None:
    assert (name in forgotten) == (name in DOCUMENT)
    assert forgotten.get(name, "nothing") == DOCUMENT.get(name, "nothing")


def test_small_members_are_not_parsed_again(forgotten: LargeDocument) -> None:
    assert [forgotten.get(name) for name in (*SMALL, "unknown")] == ["m", True, None, None]
    assert "messages" in forgotten
    assert list(forgotten) == list(DOCUMENT)
    assert tuple(forgotten._members) == SMALL


def test_it_is_the_whole_document_and_can_be_forgotten_again(forgotten: LargeDocument) -> None:
    for _ in range(2):
        assert dict(forgotten) == DOCUMENT
        assert len(forgotten) == len(DOCUMENT)
        forgotten.forget()
        assert tuple(forgotten._members) == SMALL
