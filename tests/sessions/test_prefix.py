"""The prefix chain: which beginnings are one conversation's, and which are not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.config.enums import Dialect
from pointsman.sessions.prefix import MAX_GIST_BYTES, PrefixChain
from pointsman.wire.conversation import Conversation, Message, conversation
from sessions.session_builders import SCOPE, chain, chat, talk


def request(document: dict[str, Any]) -> PrefixChain:
    """Of a chat request with this body."""
    return PrefixChain(conversation(Dialect.OPENAI_CHAT, document), SCOPE)


class TestBoundaries:
    def test_there_is_one_after_each_message_from_the_first_user_message_on(self) -> None:
        assert len(chain("one", "two", "three").exact) == 3
        greeting = Conversation(b"", (Message("assistant", b"Hi!"), *talk("one", "two").messages))
        assert len(PrefixChain(greeting, SCOPE).exact) == 2

    def test_a_preamble_alone_has_none(self) -> None:
        assert chain().exact == []
        assert PrefixChain(Conversation(b"Be brief.", (Message("assistant", b"Hi!"),)), SCOPE).exact == []

    def test_a_longer_conversation_goes_through_those_of_its_beginning(self) -> None:
        assert chain("one", "two", "three").exact[:2] == chain("one", "two").exact

    def test_an_answer_goes_on_where_the_request_ended(self) -> None:
        asked = chain("one")
        asked.add(Message("assistant", b"two"))
        assert (asked.exact, asked.outlines) == (chain("one", "two").exact, chain("one", "two").outlines)

    @pytest.mark.parametrize(
        "other",
        [
            chain("one", "two", preamble="Be long."),
            chain("one", "too"),
            chain("onetwo"),
            chain("one", "two", ""),
            chain("one\n\n", "two", "three"),
            PrefixChain(talk("one", "two"), b"another scope"),
            PrefixChain(Conversation(b"Be brief.", (Message("user", b"one"), Message("user", b"two"))), SCOPE),
            PrefixChain(Conversation(b"Be brief.", (Message("user", b"one"), Message("a new role", b"two"))), SCOPE),
        ],
        ids=["preamble", "a word", "joined", "a turn more", "three", "scope", "role", "no known role"],
    )
    def test_no_other_conversation_ends_there(self, other: PrefixChain) -> None:
        assert chain("one", "two").exact[-1] != other.exact[-1]

    @pytest.mark.parametrize("forged", [b"ab", b"ab" + (1).to_bytes(8, "big")], ids=["role", "and its length"])
    def test_no_content_passes_for_a_role(self, forged: bytes) -> None:
        one = Conversation(b"", (Message("user", b"x"), Message("b", b"a")))
        other = Conversation(b"", (Message("user", b"x"), Message("", forged)))
        assert PrefixChain(one, SCOPE).exact != PrefixChain(other, SCOPE).exact

    def test_white_space_around_a_message_does_not_count(self) -> None:
        assert chain(" one\n", "two \n\n").exact == chain("one", "two").exact

    def test_no_name_of_one_kind_is_one_of_the_other(self) -> None:
        """Without a preamble the words of both are the same."""
        found = chain("one", "two", preamble="")
        assert len({*found.exact, *found.outlines}) == 4


class TestNames:
    def test_a_request_is_looked_up_from_its_end_to_its_first_user_message(self) -> None:
        asked = chain("one", "two", "three")
        (one, two, three), (out_one, out_two, _) = asked.exact, asked.outlines
        assert list(asked.lookup_names()) == [three, two, out_two, one, out_one]

    def test_the_outline_of_its_own_end_is_not_looked_up(self) -> None:
        """Else all who begin with the same question would meet, whatever their preamble says."""
        asked = chain("one")
        assert list(asked.lookup_names()) == asked.exact


class TestOutlines:
    def test_the_preamble_does_not_count(self) -> None:
        one, other = chain("one", "two"), chain("one", "two", preamble="Today is another day.")
        assert one.outlines == other.outlines
        assert not set(one.exact) & set(other.exact)

    @pytest.mark.parametrize(
        "question", ["Which?", "Which track?\nThe left one?", "x" * MAX_GIST_BYTES], ids=["short", "lines", "long"]
    )
    def test_a_reminder_below_what_the_user_said_before_the_last_message_does_not(self, question: str) -> None:
        reminded, plain = chain(f"{question}\n\nRemember: be brief.", "two"), chain(question, "two")
        assert reminded.outlines[1] == plain.outlines[1]

    @pytest.mark.parametrize("count", [1, 2])
    def test_nor_do_reminders_above_it(self, count: int) -> None:
        """So Qwen Code puts the date there, in the newest question only."""
        reminder = "<system-reminder>\nIt is Monday.\n\nBe brief.\n</system-reminder>\n"
        reminded, plain = chain(reminder * count + "Which?", "two"), chain("Which?", "two")
        assert reminded.outlines[1] == plain.outlines[1]

    @pytest.mark.parametrize("question", ["<system-reminder>Which?", "<system-reminder>A</system-reminder>"])
    def test_what_is_no_reminder_or_nothing_else_counts(self, question: str) -> None:
        others = (chain(text, "two").outlines[1] for text in ("<system-reminder>Why?", "A"))
        assert chain(question, "two").outlines[1] not in others

    def test_they_are_their_callers_own(self) -> None:
        own, other = (PrefixChain(talk("one", "two"), scope).outlines for scope in (SCOPE, b"another scope"))
        assert not set(own) & set(other)

    def test_the_last_message_counts_whole(self) -> None:
        assert chain("Which?\n\nRemember: be brief.").outlines != chain("Which?").outlines

    def test_so_do_the_answers(self) -> None:
        long, short = chain("one", "two\n\nand more", "three"), chain("one", "two", "three")
        assert long.outlines[2] != short.outlines[2]

    def test_and_what_the_user_began_with(self) -> None:
        assert chain("Left?\nSay it.", "two").outlines[1] != chain("Left?\nDo not.", "two").outlines[1]


class TestNormalisation:
    """What clients write differently from turn to turn."""

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("Hi", [{"type": "text", "text": "Hi"}]),
            ("Hi there", [{"type": "text", "text": "Hi "}, {"type": "text", "text": "there"}]),
            (
                [{"type": "text", "text": "Hi"}],
                [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}],
            ),
        ],
        ids=["parts", "joined", "cache marker"],
    )
    def test_the_form_of_a_text_does_not_count(self, one: Any, other: Any) -> None:
        asked = [request({"messages": [{"role": "user", "content": content}]}) for content in (one, other)]
        assert asked[0].exact == asked[1].exact

    def test_nor_do_the_ids_of_calls(self) -> None:
        def called(name: str, said: str) -> list[bytes]:
            call = {"id": name, "type": "function", "function": {"name": "look", "arguments": "{}"}}
            asked = {"role": "assistant", "content": None, "tool_calls": [call]}
            result = {"role": "tool", "tool_call_id": name, "content": said}
            return request({"messages": [{"role": "user", "content": "Hi"}, asked, result]}).exact

        assert called("call_1", "green") == called("call_2", "green")
        assert called("call_1", "green") != called("call_1", "red")

    def test_another_system_prompt_and_other_tools_are_another_preamble(self) -> None:
        tools = [{"type": "function", "function": {"name": "look"}}]
        asked = [request(chat("Hi", system=text, tools=given)) for text in ("a", "b") for given in ([], tools)]
        assert len({each.exact[0] for each in asked}) == 4


@given(st.lists(st.text(max_size=8), max_size=6), st.lists(st.text(max_size=8), max_size=6))
def test_two_requests_end_alike_only_if_they_say_the_same(one: list[str], other: list[str]) -> None:
    same = [text.encode().strip() for text in one] == [text.encode().strip() for text in other]
    assert (chain("Hi", *one).exact == chain("Hi", *other).exact) == same


@pytest.mark.parametrize("blank", ["", " \n\t", "\u00a0\u2003"])
def test_boundaries_begin_with_the_first_user_message_that_says_something(blank: str) -> None:
    assert chain(blank).exact == []
    assert len(chain(blank, "Hi!", "Which track?").exact) == 1
    assert len(chain("Which track?", "This one.", blank).exact) == 3
