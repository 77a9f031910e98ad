"""Conversations over real sockets: what real clients and those without ids send is known again."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from pointsman.demo import behaviours
from support.http_requests import http_client
from transport.chat_client import ANSWER, Chat, RouterFixture, SessionInfo, session_info, user

CAPTURES = Path(__file__).parent.parent / "captures"


@pytest.fixture
async def yard(tmp_path: Path) -> AsyncIterator[RouterFixture]:
    async with AsyncExitStack() as stack:
        yield RouterFixture(tmp_path, stack)


def capture(name: str) -> Any:
    return json.loads((CAPTURES / f"{name}.json").read_text())


async def replay(yard: RouterFixture, name: str) -> SessionInfo:
    request = capture(name)
    dropped = {"host", "connection", "accept-encoding", "content-length"}
    headers = {header: value for header, value in request["headers"] if header.lower() not in dropped}
    async with http_client() as client:
        answer = await client.post(f"{yard.router.url}{request['path']}", json=request["body"], headers=headers)
    assert answer.status_code == 200
    return session_info(answer.headers)


ALIASES = {"fake-model": "m", "claude-fake-1": "m", "gpt-fake": "m"}


class TestRealClients:
    @pytest.mark.parametrize("stream", [True, False])
    async def test_aiders_three_turns_are_one_conversation(self, yard: RouterFixture, stream: bool) -> None:
        await yard.open(routing={"aliases": ALIASES})
        body = capture("aider_chat")["body"]
        *example, request = body["messages"]
        chat = Chat(yard, *example, model=body["model"], stream=stream)
        outcomes = [await chat.say(text) for text in (request["content"], "And then?", "Why?")]
        assert outcomes == [
            ("miss", "prefix_hash", "a", None),
            ("hit", "prefix_hash", "a", None),
            ("hit", "prefix_hash", "a", None),
        ]
        assert len(set(await yard.sessions(3))) == 1

    async def test_aiders_edits_and_commits_are_one_conversation(self, yard: RouterFixture) -> None:
        """Between the earlier turns and the new one it inserts its files, which change with each edit."""
        await yard.open()
        recording = json.loads((CAPTURES / "aider_sessions.json").read_text())[0]
        turns = [row for row in recording["requests"] if row["conversation"] == 1]
        yard.a.script = [behaviours.answer(recording["texts"][row["answer"]]) for row in turns]
        outcomes = []
        for row in turns:
            messages = [{"role": role, "content": recording["texts"][at]} for role, at in row["messages"]]
            outcomes.append((await yard.ask(messages=messages, model="m")).outcome)
        assert outcomes == ["miss", *["hit"] * (len(turns) - 1)]
        assert len(set(await yard.sessions(len(turns)))) == 1

    @pytest.mark.parametrize("answer", [ANSWER, "something that the client never shows again"])
    async def test_continues_two_turns_too(self, yard: RouterFixture, answer: str) -> None:
        """It has no ids, and writes a new system prompt for each turn."""
        await yard.open(routing={"aliases": ALIASES})
        yard.a.script = behaviours.answer(answer)
        assert await replay(yard, "continue_cli_turn1") == ("miss", "prefix_hash", "a", None)
        assert await replay(yard, "continue_cli_turn2") == ("hit", "prefix_hash", "a", None)

    @pytest.mark.parametrize(
        ("client", "dialect", "echo"),
        [
            ("claude_code", "anthropic", "194ef964-b9d0-416f-9634-50749b7f8269"),
            ("codex", "openai-responses", "01a1f85c-9d80-7052-9782-bb99f4fed5a8"),
        ],
    )
    async def test_agents_have_an_id(self, yard: RouterFixture, client: str, dialect: str, echo: str) -> None:
        await yard.open(routing={"aliases": ALIASES})
        await yard.reload("a", a={"dialect": dialect})
        assert await replay(yard, f"{client}_turn1") == ("miss", "session_header", "a", echo)
        assert await replay(yard, f"{client}_turn2") == ("hit", "session_header", "a", echo)


@pytest.mark.parametrize("stream", [True, False])
class TestWords:
    """Clients without ids."""

    async def test_two_chats_under_one_long_system_prompt_are_two_sessions(
        self, yard: RouterFixture, stream: bool
    ) -> None:
        await yard.open()
        above = {"role": "system", "content": "You are a careful assistant. " * 1800}
        chats = [Chat(yard, above, stream=stream) for _ in range(2)]
        firsts = [await chat.say(f"Question {n}: which track?") for n, chat in enumerate(chats)]
        seconds = [await chat.say("Why?") for chat in chats]
        assert [each.outcome for each in (*firsts, *seconds)] == ["miss", "miss", "hit", "hit"]
        one, other, *later = await yard.sessions(4)
        assert one != other
        assert later == [one, other]

    async def test_the_same_first_message_twice_is_a_hit(self, yard: RouterFixture, stream: bool) -> None:
        await yard.open()
        assert [(await Chat(yard, stream=stream).say("Hi")).outcome for _ in range(2)] == ["miss", "hit"]

    async def test_an_answer_made_again_stays_in_the_session(self, yard: RouterFixture, stream: bool) -> None:
        await yard.open()
        yard.a.script = [behaviours.answer(text) for text in ("one", "two", "another two", "three")]
        chat = Chat(yard, stream=stream)
        outcomes = [await chat.say("Hi"), await chat.say("Why?")]
        chat.drop(1)
        outcomes += [await chat.repeat(), await chat.say("So?")]
        assert [each.outcome for each in outcomes] == ["miss", "hit", "hit", "hit"]
        assert len(set(await yard.sessions(4))) == 1

    async def test_so_does_an_edited_last_message(self, yard: RouterFixture, stream: bool) -> None:
        await yard.open()
        chat = Chat(yard, stream=stream)
        outcomes = [await chat.say("Hi"), await chat.say("Why?")]
        chat.drop(2)
        outcomes += [await chat.say("How?"), await chat.say("So?")]
        assert [each.outcome for each in outcomes] == ["miss", "hit", "hit", "hit"]
        assert len(set(await yard.sessions(4))) == 1

    async def test_chats_that_open_alike_part_as_soon_as_they_differ(self, yard: RouterFixture, stream: bool) -> None:
        await yard.open()
        yard.a.script = [behaviours.answer(text) for text in ("Hello.", "Good day.", "as ever")]
        chats = [Chat(yard, stream=stream) for _ in range(2)]
        outcomes = [await chat.say("Hi") for chat in chats] + [await chat.say("Why?") for chat in chats]
        outcomes += [await chat.say("So?") for chat in chats]
        assert [each.outcome for each in outcomes] == ["miss", *["hit"] * 5]
        first, second, *later = await yard.sessions(6)
        assert first == second
        assert len(set(later)) == 2
        assert later[:2] == later[2:]

    async def test_calls_of_tools_go_on_where_they_were_made(self, yard: RouterFixture, stream: bool) -> None:
        await yard.open()
        yard.a.script = [behaviours.answer("", (), tool_call=("look", {"at": "signals"})), behaviours.answer(ANSWER)]
        function = {"name": "look", "arguments": '{"at": "signals"}'}
        call = {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c", "type": "function", "function": function}],
        }
        first = Chat(yard, stream=stream)
        assert (await first.say("Hi")).outcome == "miss"
        # The same question is answered by no other target: what follows is known by the call alone.
        before = [user("Hi"), call, {"role": "tool", "tool_call_id": "c", "content": "green"}]
        assert (await Chat(yard, *before, stream=stream).repeat()).outcome == "hit"
        found = yard.router.gateway.router.sessions
        assert [len(each.boundaries) for each in found._store] == [4]
