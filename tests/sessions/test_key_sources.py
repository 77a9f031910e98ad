"""The cascade: every source, their order, and whose conversation a key speaks for."""

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.config.enums import KeySource
from pointsman.sessions.client_address import normalized_address
from pointsman.sessions.digests import Digests
from pointsman.sessions.key_sources import RequestWords, SessionKey
from pointsman.sessions.request_fingerprint import RequestFingerprint
from pointsman.wire.conversation import Conversation
from sessions.session_builders import asked, chat, key_resolver, talk
from support.clients_in_core import SECRET, caller

ALL = list(KeySource)
EVERYTHING: dict[str, Any] = {
    "headers": {"x-session-id": "from-the-header"},
    "body_ids": lambda: [("prompt_cache_key", "from-the-body")],
    "conversation": lambda: talk("Which track?"),
    "credential": "sk-client",
    "address": "10.1.2.3",
}
TELLS = dict(zip(ALL, EVERYTHING, strict=True))
"""What of a caller each source looks at."""


def key_of(sources: list[KeySource] = ALL, prefix: str = "X-", **known: Any) -> SessionKey | None:
    return key_resolver(prefix, key_sources=sources).resolve(caller(**known))


def by_header(prefix: str = "X-", **headers: str) -> SessionKey | None:
    return key_of([KeySource.SESSION_HEADER], prefix, headers={n.replace("_", "-"): v for n, v in headers.items()})


def never(*_: Any) -> Any:
    raise AssertionError("this is not to be asked")


def test_a_caller_with_another_model_or_its_words_stays_the_same_otherwise() -> None:
    asks = replace(caller(**EVERYTHING, client="ci", model="m"), kind=None)
    assert all(getattr(asks, each.name) != each.default for each in fields(asks) if each.name != "words")
    words = RequestWords(None, RequestFingerprint(asks, Digests(SECRET)))
    assert asks.with_model("other").with_words(words) == replace(asks, model="other", words=words)
    assert asks.with_model("m") is asks


class TestOrder:
    @pytest.mark.parametrize("source", ALL)
    def test_each_source_yields_a_key_from_what_it_looks_at_alone(self, source: KeySource) -> None:
        key = key_of([source], **{TELLS[source]: EVERYTHING[TELLS[source]]})
        assert key
        assert key.source is source
        assert key.own in key.names

    @pytest.mark.parametrize("source", ALL)
    def test_each_source_yields_none_without_it(self, source: KeySource) -> None:
        assert key_of([source], **{name: known for name, known in EVERYTHING.items() if name != TELLS[source]}) is None

    @pytest.mark.parametrize("missing", range(len(ALL)))
    def test_the_first_that_yields_wins(self, missing: int) -> None:
        left_out = {TELLS[source] for source in ALL[:missing]}
        key = key_of(**{name: known for name, known in EVERYTHING.items() if name not in left_out})
        assert key
        assert key.source is ALL[missing]

    def test_the_order_is_the_configurations(self) -> None:
        key = key_of(ALL[::-1], **EVERYTHING)
        assert key
        assert key.source is KeySource.IP

    def test_a_source_that_is_not_configured_is_not_asked(self) -> None:
        assert key_of([KeySource.SESSION_BODY], **{**EVERYTHING, "body_ids": list}) is None

    def test_the_address_is_not_asked_by_default(self) -> None:
        assert key_resolver().resolve(caller(address="10.1.2.3")) is None

    def test_a_client_without_any_sign_has_no_key(self) -> None:
        assert key_of() is None

    def test_a_body_is_not_read_where_a_header_decides(self) -> None:
        key = key_of(headers={"x-session-id": "s"}, body_ids=never, conversation=never)
        assert key
        assert key.source is KeySource.SESSION_HEADER

    def test_one_value_in_two_sources_makes_two_keys(self) -> None:
        value = "10.1.2.3"
        known: dict[str, Any] = {"headers": {"x-session-id": value}, "body_ids": lambda: [("prompt_cache_key", value)]}
        keys = [key_of([source], address=value, credential=value, **known) for source in ALL if source != "prefix_hash"]
        assert len({key.own for key in keys if key}) == 4


BLANK = ["", " ", "\t \t", "\u00a0\u2003"]


class TestBlank:
    @pytest.mark.parametrize("blank", BLANK)
    def test_a_blank_value_makes_no_key(self, blank: str) -> None:
        for known in (
            {"headers": {"x-session-id": blank, "x-cursor-session-id": blank}},
            {"body_ids": lambda: [("prompt_cache_key", blank)]},
            {"credential": blank},
            {"address": blank},
        ):
            assert key_of(**known) is None

    @pytest.mark.parametrize(
        "empty", [Conversation(b"Be brief.", ()), talk(), None], ids=["no words", "no turn", "none"]
    )
    def test_a_preamble_alone_makes_no_key(self, empty: Conversation | None) -> None:
        assert key_of(conversation=lambda: empty) is None

    @pytest.mark.parametrize("role", ["system", "assistant", "tool"])
    def test_nor_do_words_before_the_user_says_any(self, role: str) -> None:
        assert asked({"messages": [{"role": "assistant", "content": "Hi!"}, {"role": role, "content": "x"}]}) is None

    def test_a_blank_one_does_not_hide_the_next(self) -> None:
        key = by_header(x_session_id=" ", thread_id="thread-1")
        assert key
        assert key.echo == "thread-1"
        body = key_of(body_ids=lambda: [("prompt_cache_key", " "), ("session_id", "s")])
        assert body == key_of(body_ids=lambda: [("session_id", "s")])


class TestScope:
    @pytest.mark.parametrize("source", ALL)
    @pytest.mark.parametrize("other", [{"credential": "sk-other"}, {"model": "small"}], ids=["credential", "model"])
    def test_credentials_and_models_do_not_share_a_key(self, source: KeySource, other: dict[str, str]) -> None:
        one, two = (
            key_of([source], **{**EVERYTHING, "model": "m"}),
            key_of([source], **{**EVERYTHING, "model": "m"} | other),
        )
        assert one
        assert two
        assert not set(one.names) & set(two.names)

    @pytest.mark.parametrize("source", ALL)
    def test_a_sub_agent_has_a_key_of_its_own(self, source: KeySource) -> None:
        def key(**agent: str) -> SessionKey:
            headers = EVERYTHING["headers"] | {f"x-claude-code-agent-{name}": value for name, value in agent.items()}
            found = key_of([source], **{**EVERYTHING, "headers": headers})
            assert found
            return found

        main, one, two = key(), key(id="agent-1"), key(id="agent-2")
        assert len({main.own, one.own, two.own}) == 3
        assert main.echo == one.echo == two.echo
        assert key(id=" ").own == main.own
        assert key(id="agent-1").names == one.names

    @pytest.mark.parametrize("source", ALL)
    def test_the_same_request_has_the_same_key(self, source: KeySource) -> None:
        one, two = key_of([source], **EVERYTHING), key_of([source], **EVERYTHING)
        assert one
        assert two
        assert (one.names, one.own, one.outline) == (two.names, two.own, two.outline)

    def test_a_client_with_the_shared_key_is_known_by_other_means(self) -> None:
        """Its credential belongs to no client, so it comes as None."""
        key = key_of([KeySource.AUTH_HEADER, KeySource.IP], credential=None, address="10.1.2.3")
        assert key
        assert key.source is KeySource.IP

    @pytest.mark.parametrize(
        "known", [{"credential": "\udcff"}, {"model": "\ud800"}, {"headers": {"x-session-id": "\udcff"}}]
    )
    def test_what_is_no_text_is_no_obstacle(self, known: dict[str, Any]) -> None:
        assert key_of(**{**EVERYTHING, **known})


BLANK_CONTENTS: list[Any] = ["", "  \n", "\u00a0", None, [], [{"type": "text", "text": " "}]]


class TestBlankContents:
    @pytest.mark.parametrize("blank", BLANK_CONTENTS, ids=repr)
    def test_a_blank_first_message_makes_no_key(self, blank: Any) -> None:
        assert asked({"messages": [{"role": "user", "content": blank}]}) is None

    @pytest.mark.parametrize("blank", BLANK_CONTENTS, ids=repr)
    def test_the_conversation_begins_with_the_first_words(self, blank: Any) -> None:
        opening = [{"role": "user", "content": blank}, {"role": "assistant", "content": "How can I help?"}]
        one, two = (
            asked({"messages": [*opening, {"role": "user", "content": text}]}) for text in ("Which track?", "A poem.")
        )
        assert one
        assert two
        assert not set(one.names) & set(two.names)


class TestHeaders:
    @pytest.mark.parametrize(
        "name",
        [
            "x-session-id",
            "x-claude-code-session-id",
            "session-id",
            "session_id",
            "thread-id",
            "x-session-affinity",
            "x-opencode-session",
            "x-openwebui-chat-id",
        ],
    )
    def test_each_configured_one_decides(self, name: str) -> None:
        key = key_of(headers={name: "conversation 7"})
        assert key
        assert (key.source, key.echo) == (KeySource.SESSION_HEADER, "conversation 7")

    def test_the_first_in_the_configuration_wins_wherever_the_client_puts_it(self) -> None:
        key = by_header(thread_id="thread", session_id="session")
        assert key
        assert key.echo == "session"

    def test_ones_own_list_replaces_it(self) -> None:
        own = key_resolver(session_headers=["X-Chat"])
        assert own.resolve(caller(headers={"x-chat": "7"}))
        assert own.resolve(caller(headers={"thread-id": "7"})) is None

    def test_the_prefix_has_one_too(self) -> None:
        assert by_header("X-Olla-", x_olla_session_id="7")
        assert by_header("Acme-", acme_session_id="7")
        assert by_header("X-", acme_session_id="7") is None

    @pytest.mark.parametrize("name", ["x-cursor-session-id", "x-my-own-agent-session-id"])
    @pytest.mark.parametrize("value", ["01a1f85c-9d80-7052-9782-bb99f4fed5a8", "ses_abc.1:2"])
    def test_any_vendors_decides_if_it_looks_like_an_id(self, name: str, value: str) -> None:
        key = key_of(headers={name: value})
        assert key
        assert key.echo == value

    @pytest.mark.parametrize("name", ["x-session-id-hash", "my-x-cursor-session-id", "x--session", "x-cursor-session"])
    def test_other_names_do_not(self, name: str) -> None:
        assert key_of(headers={name: "01a1f85c-9d80-7052-9782-bb99f4fed5a8"}) is None

    @pytest.mark.parametrize("value", ["true", "seven77", "no id at all", "x" * 129, "ünïcödë-1", '{"id":"12345678"}'])
    def test_a_vendors_that_looks_like_no_id_does_not(self, value: str) -> None:
        assert key_of(headers={"x-cursor-session-id": value}) is None

    def test_a_configured_one_comes_before_a_vendors(self) -> None:
        key = by_header(x_cursor_session_id="vendor-session", thread_id="thread")
        assert key
        assert key.echo == "thread"

    def test_only_a_header_is_echoed_and_as_it_was_sent(self) -> None:
        echoed = by_header(x_session_id="  7\udcff")
        assert echoed
        assert echoed.echo == "  7\udcff"
        others = [key_of([source], **EVERYTHING) for source in ALL[1:]]
        assert [key.echo for key in others if key] == [None] * 4


class TestBody:
    def test_an_id_in_another_place_is_another_one(self) -> None:
        places = ["prompt_cache_key", "session_id", "conversation", "previous_response_id"]
        keys = [key_of(body_ids=lambda place=place: [(place, "7")]) for place in places]
        assert len({key.own for key in keys if key}) == len(places)

    @pytest.mark.parametrize(
        "body",
        [
            {"session_id": "7"},
            {"metadata": {"session_id": "7"}},
            {"metadata": {"user_id": "user_1_account__session_7"}},
            {"metadata": {"user_id": '{"device_id": "d", "session_id": "7"}'}},
        ],
        ids=["at the top", "plain", "within the user's", "in JSON in a string"],
    )
    def test_a_session_id_is_the_same_one_in_every_form(self, body: dict[str, Any]) -> None:
        key = asked({**chat("Hi"), **body})
        assert key
        assert key == key_of(body_ids=lambda: [("session_id", "7")])

    def test_an_answers_id_is_what_a_later_request_refers_to(self) -> None:
        own = key_resolver()
        key = own.resolve(caller(body_ids=lambda: [("previous_response_id", "resp_1")]))
        assert key
        assert own.answer_key(key.scope, "resp_1") == key.own


class TestAddress:
    @pytest.mark.parametrize(
        ("address", "peer"),
        [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("::ffff:c000:207", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:DB8:1:2::9", "2001:db8:1:2::"),
            ("fe80::1%eth0", "fe80::"),
            ("", ""),
            ("/run/a.socket", ""),
        ],
    )
    def test_one_peer_has_one_spelling(self, address: str, peer: str) -> None:
        assert normalized_address(address) == peer

    def test_peers_of_one_network_share_a_key_and_others_do_not(self) -> None:
        def own(address: str) -> bytes:
            key = key_of([KeySource.IP], address=address)
            assert key
            return key.own

        assert own("2001:db8::1") == own("2001:db8::2")
        assert own("2001:db8::1") != own("2001:db8:0:1::1")
        assert own("192.0.2.7") != own("192.0.2.8")


texts = st.text(st.characters(codec=None), max_size=40)


@given(st.dictionaries(st.sampled_from(["x-session-id", "thread-id", "x-a-session-id"]), texts), texts, texts)
def test_no_two_ids_make_one_key(headers: dict[str, str], one: str, other: str) -> None:
    """Whatever stands in headers and bodies: two requests meet where the decisive value is the same, and only there."""

    def decided(headers: dict[str, str], body: str) -> tuple[bytes, object] | None:
        key = key_of(ALL[:2], headers=headers, body_ids=lambda: [("session_id", body)])
        return (key.own, key.echo if key.echo is not None else (body,)) if key else None

    found = [decided(headers, one), decided(headers, other), decided({}, one), decided({}, other)]
    found += [decided({"thread-id": text}, "") for text in (one, other)]
    for first in filter(None, found):
        for second in filter(None, found):
            assert (first[0] == second[0]) == (first[1] == second[1])
