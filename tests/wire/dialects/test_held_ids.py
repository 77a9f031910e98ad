"""What requests refer to that one account holds."""

import json
from typing import Any

import pytest

from pointsman.config.enums import Dialect
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.request_facts import MAX_HELD_IDS, NO_IDS, HeldIds

PATHS = {
    Dialect.ANTHROPIC: "/v1/messages",
    Dialect.OPENAI_RESPONSES: "/v1/responses",
    Dialect.OPENAI_CHAT: "/v1/chat/completions",
    Dialect.GEMINI: "/v1beta/models/m:generateContent",
}
STORE = "https://generativelanguage.googleapis.com/v1beta/files/abc-1"


def held(dialect: Dialect, document: Any) -> HeldIds:
    return DIALECTS[dialect].facts(json.dumps({"model": "m", **document}).encode(), PATHS[dialect]).held


def asked(dialect: Dialect, *parts: Any, **more: Any) -> HeldIds:
    match dialect:
        case Dialect.GEMINI:
            return held(dialect, {"contents": [{"role": "user", "parts": list(parts)}], **more})
        case Dialect.OPENAI_RESPONSES:
            return held(dialect, {"input": [{"role": "user", "content": list(parts)}], **more})
        case _:
            return held(dialect, {"messages": [{"role": "user", "content": list(parts)}], **more})


PLAIN = {
    dialect: {"text": "hi"} if dialect is Dialect.GEMINI else {"type": "text", "text": "hi"} for dialect in Dialect
}
FILE_BLOCK = {"type": "document", "source": {"type": "file", "file_id": "f"}}


@pytest.mark.parametrize("dialect", Dialect)
def test_a_plain_request_refers_to_nothing(dialect: Dialect) -> None:
    assert asked(dialect, PLAIN[dialect]) == NO_IDS
    assert not NO_IDS


@pytest.mark.parametrize(
    ("dialect", "part"),
    [
        (Dialect.ANTHROPIC, FILE_BLOCK),
        (Dialect.ANTHROPIC, {"type": "container_upload", "file_id": "f"}),
        (Dialect.ANTHROPIC, {"type": "tool_result", "tool_use_id": "t", "content": [FILE_BLOCK]}),
        (Dialect.OPENAI_RESPONSES, {"type": "input_file", "file_id": "f"}),
        (Dialect.OPENAI_RESPONSES, {"type": "input_image", "file_id": "f"}),
        (Dialect.OPENAI_CHAT, {"type": "file", "file": {"file_id": "f"}}),
    ],
)
def test_files(dialect: Dialect, part: Any) -> None:
    assert asked(dialect, PLAIN[dialect], part) == HeldIds(shared=("f",))


@pytest.mark.parametrize("spelling", [("fileData", "fileUri"), ("file_data", "file_uri")])
@pytest.mark.parametrize("uri", [STORE, "files/abc", "http://127.0.0.1:1/v1beta/files/abc"])
def test_files_of_google(spelling: tuple[str, str], uri: str) -> None:
    assert asked(Dialect.GEMINI, {spelling[0]: {spelling[1]: uri}}) == HeldIds(shared=(uri,))


def test_other_addresses_have_no_holder() -> None:
    assert asked(Dialect.GEMINI, {"fileData": {"fileUri": "https://youtu.be/x"}}) == NO_IDS


@pytest.mark.parametrize(
    ("dialect", "members"),
    [
        (Dialect.GEMINI, {"cachedContent": "x"}),
        (Dialect.GEMINI, {"cached_content": "x"}),
        (Dialect.ANTHROPIC, {"container": "x"}),
        (Dialect.ANTHROPIC, {"container": {"id": "x", "skills": []}}),
        (Dialect.OPENAI_RESPONSES, {"prompt": {"id": "x"}}),
        (Dialect.OPENAI_RESPONSES, {"tools": [{"type": "file_search", "vector_store_ids": ["x"]}]}),
        (Dialect.OPENAI_RESPONSES, {"tools": [{"type": "code_interpreter", "container": "x"}]}),
        (Dialect.OPENAI_RESPONSES, {"tools": [{"container": {"type": "auto", "file_ids": ["x"]}}]}),
    ],
)
def test_other_things(dialect: Dialect, members: Any) -> None:
    assert asked(dialect, PLAIN[dialect], **members) == HeldIds(shared=("x",))


@pytest.mark.parametrize(
    "members", [{"previous_response_id": "x"}, {"conversation": "x"}, {"conversation": {"id": "x"}}]
)
def test_answers(members: Any) -> None:
    assert asked(Dialect.OPENAI_RESPONSES, PLAIN[Dialect.OPENAI_CHAT], **members) == HeldIds(answers=("x",))


@pytest.mark.parametrize("item", [{"type": "item_reference", "id": "x"}, {"id": "x"}])
def test_stored_items(item: Any) -> None:
    assert held(Dialect.OPENAI_RESPONSES, {"input": [item]}) == HeldIds(items=("x",))


@pytest.mark.parametrize("item", [{"id": "x", "role": "user", "content": "hi"}, {"type": "function_call", "id": "x"}])
def test_an_item_that_is_sent_whole_has_no_holder(item: Any) -> None:
    assert held(Dialect.OPENAI_RESPONSES, {"input": [item]}) == NO_IDS


def test_what_was_said_aloud() -> None:
    document = {"messages": [{"role": "assistant", "audio": {"id": "x"}}]}
    assert held(Dialect.OPENAI_CHAT, document) == HeldIds(shared=("x",))


def test_a_summary_that_only_its_issuer_can_read() -> None:
    item = {"type": "compaction", "encrypted_content": "x"}
    assert held(Dialect.OPENAI_RESPONSES, {"input": [item]}) == HeldIds(shared=("x",))


def test_their_number_is_bounded() -> None:
    items = [{"type": "item_reference", "id": str(n)} for n in range(MAX_HELD_IDS + 9)]
    assert len(held(Dialect.OPENAI_RESPONSES, {"input": items}).items) == MAX_HELD_IDS


@pytest.mark.parametrize(("store", "stores"), [({}, True), ({"store": True}, True), ({"store": False}, False)])
def test_an_answer_is_stored_unless_the_client_says_otherwise(store: Any, stores: bool) -> None:
    body = json.dumps({"model": "m", "input": "hi", **store}).encode()
    assert DIALECTS[Dialect.OPENAI_RESPONSES].facts(body, "/v1/responses").stores_answer is stores
