"""What real clients send: two turns of each are one session, by the source one expects."""

import json
from pathlib import Path
from typing import Any

import pytest

from pointsman.config.enums import KeySource
from pointsman.sessions.key_sources import SessionKey
from pointsman.sessions.store import SessionStore
from pointsman.wire.conversation import Message
from sessions.session_builders import asked, key_resolver

CAPTURES = Path(__file__).parent.parent / "captures"


def capture(name: str) -> dict[str, Any]:
    request: dict[str, Any] = json.loads((CAPTURES / f"{name}.json").read_text())
    return request


def turn(name: str, **sticky: Any) -> SessionKey:
    request = capture(name)
    headers = {header.lower(): value for header, value in request["headers"]}
    key = asked(
        request["body"], key_resolver(**sticky), headers=headers, credential="sk-fake", model=request["body"]["model"]
    )
    assert key
    return key


@pytest.mark.parametrize(
    ("client", "source", "echo"),
    [
        ("claude_code", KeySource.SESSION_HEADER, "194ef964-b9d0-416f-9634-50749b7f8269"),
        ("codex", KeySource.SESSION_HEADER, "01a1f85c-9d80-7052-9782-bb99f4fed5a8"),
    ],
)
def test_agents_have_an_id_in_a_header(client: str, source: KeySource, echo: str) -> None:
    one, two = turn(f"{client}_turn1"), turn(f"{client}_turn2")
    assert one == two
    assert (one.source, one.echo) == (source, echo)


@pytest.mark.parametrize("client", ["claude_code", "codex"])
def test_and_the_same_one_in_the_body(client: str) -> None:
    one, two = (turn(f"{client}_turn{n}", key_sources=["session_body"]) for n in (1, 2))
    assert one == two
    assert one.source is KeySource.SESSION_BODY


def test_a_client_without_ids_is_known_by_its_words_though_its_preamble_changes() -> None:
    """Continue writes the state of its folder into the system prompt of each turn."""
    before, after = (capture(f"continue_cli_turn{n}")["body"]["messages"][0] for n in (1, 2))
    assert before != after
    one, two = turn("continue_cli_turn1"), turn("continue_cli_turn2")
    assert one.source is two.source is KeySource.PREFIX_HASH
    store = SessionStore(10, 60)
    assert store.find_or_begin(one, 0) is store.find_or_begin(two, 1)


def test_it_is_though_the_answer_it_sends_back_is_not_the_one_it_got() -> None:
    one, two = turn("continue_cli_turn1"), turn("continue_cli_turn2")
    store = SessionStore(10, 60)
    session = store.find_or_begin(one, 0)
    assert one.chain
    one.chain.add(Message("assistant", b"Something else."))
    store.extend(session, one.own, one.chain.exact[-1])
    store.add_name(session, one.chain.outlines[-1])
    assert store.find_or_begin(two, 1) is session


def test_chats_that_share_a_worked_example_do_not_meet_in_it() -> None:
    """aider begins every chat with the same one."""
    body = capture("aider_chat")["body"]
    other = {**body, "messages": [*body["messages"][:-1], {"role": "user", "content": "Another question."}]}
    store = SessionStore(10, 60)
    keys = [asked(body), asked(other)]
    assert len({store.find_or_begin(key, 0) for key in keys if key}) == 2


def test_a_reminder_below_the_newest_question_only_does_not_hide_the_conversation() -> None:
    """So aider does, unless it is told to put it elsewhere."""
    body = capture("aider_chat")["body"]
    *example, request = body["messages"]
    first = {**body, "messages": [*example, {**request, "content": "Which track?\n\n" + request["content"]}]}
    after = [
        {"role": "assistant", "content": "The left one."},
        {"role": "user", "content": f"Why?\n\n{request['content']}"},
    ]
    second = {**body, "messages": [*example, {"role": "user", "content": "Which track?"}, *after]}
    store = SessionStore(10, 60)
    key = asked(first)
    assert key
    assert key.chain
    session = store.find_or_begin(key, 0)
    key.chain.add(Message("assistant", b"The left one."))
    store.add_name(session, key.chain.outlines[-1])
    found = asked(second)
    assert found
    assert store.find_or_begin(found, 1) is session
