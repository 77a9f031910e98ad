"""A conversation is known by its last exchange, wherever that stands; and two conversations are never taken for one."""

import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.config.enums import Dialect, Mode
from pointsman.sessions.digests import Digests
from pointsman.sessions.prefix import MIN_ANSWER_BYTES
from pointsman.sessions.registry import SessionRegistry
from pointsman.sessions.store import Session
from pointsman.wire.conversation import Conversation, Message, conversation
from support.clients_in_core import SECRET, caller
from support.settings import provider
from support.settings import settings as configured

RECORDINGS = json.loads((Path(__file__).parent.parent / "captures" / "aider_sessions.json").read_text())
LONG = "This answer is long enough to tell its conversation from others: "
OTHER_LONG = LONG.replace("This", "That")
assert len(LONG) > MIN_ANSWER_BYTES


def registry(**sticky: Any) -> SessionRegistry:
    return SessionRegistry(configured({"a": provider()}, sticky=sticky), Digests(SECRET))


@dataclass
class Client:
    """Sends conversations, each with its own words, to one registry."""

    registry: SessionRegistry
    now: float = 0.0
    known: dict[str, Any] = field(default_factory=dict)

    def turn(self, said: Conversation, answer: str | None, **known: Any) -> tuple[Session, bool]:
        """Its session, and whether there was one already."""
        self.now += 1
        who = caller(**{"address": "192.0.2.1", "conversation": lambda: said, **self.known, **known})
        before = self.registry.count, self.registry.stats(self.now)["evictions"]
        binding = self.registry.bind(who, Mode.BALANCED, self.now)
        assert binding.session
        if answer is not None:
            self.registry.on_answer(binding, Message("assistant", answer.encode()))
        binding.touch(self.now)
        return binding.session, before == (self.registry.count, self.registry.stats(self.now)["evictions"])


def rearranged(*said: str, files: str, preamble: str = "Be brief.") -> Conversation:
    """As aider sends it: files above the newest question, which change with each edit, and a map of others on top."""
    *earlier, newest = said
    turns = [Message("assistant" if n % 2 else "user", text.encode()) for n, text in enumerate(earlier)]
    above = (Message("user", b"The map of " + files.encode()), Message("assistant", b"Ok."))
    inserted = (Message("user", b"The files: " + files.encode()), Message("assistant", b"Ok, these."))
    last = Message("user", newest.encode() + b"\n\nRemember the rules.")
    return Conversation(preamble.encode(), (*above, *turns, *inserted, last))


def requests_of(recording: dict[str, Any]) -> list[dict[str, Any]]:
    texts = recording["texts"]
    return [
        {**row, "messages": [(role, texts[at]) for role, at in row["messages"]], "answer": texts[row["answer"]]}
        for row in recording["requests"]
    ]


def said_in(request: dict[str, Any]) -> Conversation:
    messages = [{"role": role, "content": text} for role, text in request["messages"]]
    return conversation(Dialect.OPENAI_CHAT, {"model": "m", "messages": messages})


class TestARecordedSession:
    """aider: edits, commits, a failed edit, a command's output, a summary, `/ask`, `/add`, `/drop` and `/clear`."""

    @pytest.mark.parametrize("recording", RECORDINGS, ids=[each["edit_format"] for each in RECORDINGS])
    def test_every_turn_but_the_first_of_a_conversation_is_recognised(self, recording: dict[str, Any]) -> None:
        client, seen = Client(registry()), set()
        for request in requests_of(recording):
            _, is_known = client.turn(said_in(request), request["answer"])
            assert is_known == (request["conversation"] in seen), request["messages"][-1]
            seen |= {request["conversation"]} - {None}

    @pytest.mark.parametrize("recording", RECORDINGS, ids=[each["edit_format"] for each in RECORDINGS])
    def test_commit_messages_and_summaries_are_none_of_its_turns(self, recording: dict[str, Any]) -> None:
        client, sessions = Client(registry()), defaultdict(set)
        for request in requests_of(recording):
            session, _ = client.turn(said_in(request), request["answer"])
            sessions[session.label].add(request["conversation"] or "aside")
        assert all(len(conversations) == 1 for conversations in sessions.values())

    @pytest.mark.parametrize("seed", range(20))
    def test_mixed_recordings_are_not_joined(self, seed: int) -> None:
        """Several people at the same time, with one key and behind one address, who say different things."""
        random = Random(seed)
        rows = {
            (nth, copy): [told_apart(request, f"{nth} {copy}") for request in requests_of(recording)]
            for nth, recording in enumerate(RECORDINGS)
            for copy in range(3)
        }
        client, sessions, hits, turns = Client(registry()), defaultdict(set), 0, 0
        while left := [name for name, requests in rows.items() if requests]:
            who = random.choice(left)
            request = rows[who].pop(0)
            session, is_known = client.turn(said_in(request), request["answer"])
            sessions[session.label].add((who, request["conversation"] or "aside"))
            hits, turns = hits + is_known, turns + bool(request["conversation"])
        assert all(len(conversations) == 1 for conversations in sessions.values())
        assert hits == turns - 2 * 3 * len(RECORDINGS)  # two conversations of each begin

    @pytest.mark.parametrize("seed", range(20))
    def test_nor_are_those_of_people_who_say_the_same(self, seed: int) -> None:
        """The same questions and answers about other files: the words do not say which goes on, so none is joined."""
        random = Random(seed)
        recording = requests_of(RECORDINGS[0])
        rows = {who: [with_files(request, who) for request in recording] for who in "ab"}
        client, sessions = Client(registry()), defaultdict(set)
        while left := [name for name, requests in rows.items() if requests]:
            who = random.choice(left)
            request = rows[who].pop(0)
            session, _ = client.turn(said_in(request), request["answer"])
            if request["conversation"]:
                sessions[session.label].add(who)
        assert all(len(people) == 1 for people in sessions.values())


def told_apart(request: dict[str, Any], who: str) -> dict[str, Any]:
    """The same request of another person, who asks and is answered something else."""
    answered = {text for role, text in request["messages"] if role == "assistant" and len(text) >= MIN_ANSWER_BYTES}
    messages = [(role, f"{text} {who}" if text in answered else text) for role, text in request["messages"]]
    if request["conversation"] is None:
        messages = [(role, f"{who} {text}") for role, text in messages]
    return {**request, "messages": messages, "answer": f"{request['answer'].strip()} {who}"}


def with_files(request: dict[str, Any], who: str) -> dict[str, Any]:
    """The first message below the worked example lists the files."""
    messages = [(role, f"{who} {text}" if at == 7 else text) for at, (role, text) in enumerate(request["messages"])]
    return {**request, "messages": messages}


class TestTheLastExchange:
    def test_leads_to_its_session_though_all_above_and_below_has_changed(self) -> None:
        client = Client(registry())
        first, _ = client.turn(rearranged("Why?", files="a"), LONG)
        found, _ = client.turn(rearranged("Why?", LONG, "And then?", files="b", preamble="Now ask."), OTHER_LONG)
        assert found is first
        again, _ = client.turn(rearranged("Why?", LONG, "And then?", OTHER_LONG, "So?", files="c"), None)
        assert again is first

    def test_is_found_after_an_answer_that_never_came(self) -> None:
        client = Client(registry())
        first, _ = client.turn(rearranged("Why?", files="a"), LONG)
        assert client.turn(rearranged("Why?", LONG, "More.", files="b"), None)[0] is first
        cut = rearranged("Why?", LONG, "More.", OTHER_LONG[:-1], "Once more.", files="c")
        assert client.turn(cut, None)[0] is first

    def test_is_its_clients_own(self) -> None:
        client = Client(registry())
        first, _ = client.turn(rearranged("Why?", files="a"), LONG)
        later = rearranged("Why?", LONG, "And then?", files="b")
        others = [{"address": "192.0.2.2"}, {"credential": "sk-other"}, {"model": "another"}]
        assert all(client.turn(later, None, **known)[0] is not first for known in others)

    @pytest.mark.parametrize("answer", ["Ok.", "x" * (MIN_ANSWER_BYTES - 1), f"  {'x' * (MIN_ANSWER_BYTES - 1)}\n\n"])
    def test_does_not_count_with_a_short_answer(self, answer: str) -> None:
        client = Client(registry())
        first, _ = client.turn(rearranged("Why?", files="a"), answer)
        assert client.turn(rearranged("Why?", answer, "And then?", files="b"), None)[0] is not first

    def test_does_not_count_after_another_question(self) -> None:
        client = Client(registry())
        first, _ = client.turn(rearranged("Why?", files="a"), LONG)
        assert client.turn(rearranged("How?", LONG, "And then?", files="b"), None)[0] is not first

    def test_of_two_sessions_leads_to_neither(self) -> None:
        client = Client(registry())
        one, _ = client.turn(rearranged("Why?", files="a"), LONG)
        two, _ = client.turn(rearranged("Why?", files="b"), LONG)
        assert one is not two
        third, _ = client.turn(rearranged("Why?", LONG, "And then?", files="c"), None)
        assert third not in (one, two)

    def test_leads_to_the_one_that_is_left(self) -> None:
        client = Client(registry())
        one, _ = client.turn(rearranged("Why?", files="a"), LONG)
        two, _ = client.turn(rearranged("Why?", files="b"), LONG)
        assert client.registry.forget(one.label, client.now)
        assert client.turn(rearranged("Why?", LONG, "And then?", files="c"), None)[0] is two

    def test_an_older_one_does_not_lead_there(self) -> None:
        """A fork that goes on from an earlier answer is another conversation."""
        client = Client(registry())
        first, _ = client.turn(rearranged("Why?", files="a"), LONG)
        client.turn(rearranged("Why?", LONG, "And then?", files="b"), OTHER_LONG)
        assert client.turn(rearranged("Why?", LONG, "Otherwise?", files="c"), None)[0] is not first

    def test_of_two_forks_the_first_goes_on_in_the_session(self) -> None:
        client = Client(registry())
        first, _ = client.turn(rearranged("Why?", files="a"), LONG)
        assert client.turn(rearranged("Why?", LONG, "This way?", files="b"), OTHER_LONG)[0] is first
        assert client.turn(rearranged("Why?", LONG, "That way?", files="c"), LONG + "c")[0] is not first

    def test_a_conversation_that_begins_again_is_another(self) -> None:
        client = Client(registry())
        first, _ = client.turn(rearranged("Why?", files="a"), LONG)
        assert client.turn(rearranged("Something else.", files="a"), None)[0] is not first

    def test_a_shared_worked_example_joins_no_sessions(self) -> None:
        client, example = Client(registry()), ("What is the answer?", LONG)
        one, _ = client.turn(rearranged(*example, "Why?", files="a"), OTHER_LONG)
        two, _ = client.turn(rearranged(*example, "How?", files="b"), OTHER_LONG + "b")
        assert one is not two

    def test_does_not_outlive_its_session(self) -> None:
        client = Client(registry(idle_ttl=60))
        first, _ = client.turn(rearranged("Why?", files="a"), LONG)
        client.now += 60
        assert client.turn(rearranged("Why?", LONG, "And then?", files="b"), None)[0] is not first

    def test_is_what_a_preview_finds_too(self) -> None:
        client = Client(registry())
        first, _ = client.turn(rearranged("Why?", files="a"), LONG)
        later = rearranged("Why?", LONG, "And then?", files="b")
        who = caller(address="192.0.2.1", conversation=lambda: later)
        assert client.registry.preview(who, Mode.BALANCED, client.now).session is first


STEPS = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from(["turn", "unanswered", "short", "aside", "clear"])), max_size=40
)


@settings(max_examples=150, deadline=None)
@given(steps=STEPS, room=st.integers(1, 6), boilerplate=st.booleans())
def test_however_conversations_mix_none_is_joined_to_another(
    steps: list[tuple[int, str]], room: int, boilerplate: bool
) -> None:
    """Five chats that ask the same questions in the same order, with the same files, and are answered differently."""
    client = Client(registry(max_sessions=room))
    histories: dict[int, list[str]] = defaultdict(list)
    chats = dict.fromkeys(range(5), 0)
    owners: dict[str, tuple[int, int]] = {}
    for number, (chat, step) in enumerate(steps):
        history = histories[chat]
        if step == "clear":
            history.clear()
            chats[chat] += 1
            continue
        opening = ["What is the answer?", LONG] if boilerplate else []
        question = f"Chat {chat}, {chats[chat]}: go on." if not history else "Go on."
        asked = [f"Name the work of {number}."] if step == "aside" else [*opening, *history, question]
        answer = {"short": "Ok.", "unanswered": None}.get(step, f"{LONG}{number}")
        session, _ = client.turn(rearranged(*asked, files=f"{number}"), answer)
        owner = (-1, number) if step == "aside" else (chat, chats[chat])
        assert owners.setdefault(session.label, owner) == owner
        if step != "aside" and answer is not None:
            history += [question, answer]
