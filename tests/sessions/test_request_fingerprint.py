"""One request as a turn: what makes two of them the same, and what a client says of its own retries."""

import pytest

from pointsman.sessions.digests import Digests
from pointsman.sessions.request_fingerprint import RequestFingerprint
from pointsman.sessions.store import SessionStore
from sessions.session_builders import talk, words
from support.clients_in_core import SECRET, caller

DIGESTS = Digests(SECRET)


def turn(*said: str, model: str = "m", **known: object) -> RequestFingerprint:
    return RequestFingerprint(caller(**{"conversation": lambda: talk(*said), "model": model, **known}), DIGESTS)


def test_the_same_words_for_the_same_model_are_the_same_turn() -> None:
    assert turn("Hi").digest == turn("Hi", headers={"x-stainless-retry-count": "1"}, address="192.0.2.7").digest


@pytest.mark.parametrize("other", [turn("Ho"), turn("Hi", "Hello.", "Why?"), turn("Hi", model="n"), turn()])
def test_anything_else_is_another(other: RequestFingerprint) -> None:
    assert other.digest != turn("Hi").digest


def test_the_preamble_counts() -> None:
    one, other = (
        turn(conversation=lambda preamble=p: talk("Hi", preamble=preamble)) for p in ("Be brief.", "Be long.")
    )
    assert one.digest != other.digest


@pytest.mark.parametrize(
    ("sent", "is_retry"), [("1", True), (" 2 ", True), ("10", True), ("0", False), ("", False), ("²", False)]
)
def test_an_sdk_counts_its_retries(sent: str, is_retry: bool) -> None:
    assert turn("Hi", headers={"x-stainless-retry-count": sent}).is_declared_retry is is_retry


def test_a_client_is_identified_by_credential_and_address_and_neither_can_be_read() -> None:
    asker = turn("Hi", credential="sk-mine", address="192.0.2.7").client_id
    assert asker == turn("Ho", credential="sk-mine", address="192.0.2.7").client_id
    assert asker != turn("Hi", credential="sk-other", address="192.0.2.7").client_id
    assert asker != turn("Hi", credential="sk-mine", address="192.0.2.8").client_id
    assert (
        asker
        != RequestFingerprint(
            caller(credential="sk-mine", address="192.0.2.7"), Digests(b"another installation")
        ).client_id
    )


class TestLine:
    """A client's own retry does not move the prefix chain."""

    def test_what_was_answered_stays_on_the_line_though_the_question_is_asked_again(self) -> None:
        store = SessionStore(10, 1800.0)
        first = words("Hi")
        session = store.find_or_begin(first, 0.0)
        assert first.chain
        first.chain.add(talk("Hi", "Hello.").messages[1])
        store.extend(session, first.own, first.chain.exact[-1])
        line = session.boundaries
        assert store.find_or_begin(words("Hi"), 1.0, is_retry=True) is session
        assert session.boundaries == line
        assert store.find_or_begin(words("Hi"), 2.0) is session
        assert session.boundaries != line, "whereas an answer that is made again moves it"

    def test_a_question_asked_again_before_it_was_answered_moves_nothing(self) -> None:
        """As clients do that want whole what broke off as a stream."""
        store = SessionStore(10, 1800.0)
        session = store.find_or_begin(words("Hi"), 0.0)
        before = session.boundaries, session.abandoned
        assert store.find_or_begin(words("Hi"), 1.0) is session
        assert (session.boundaries, session.abandoned) == before

    def test_a_retry_of_what_is_not_known_begins_like_any_other(self) -> None:
        store = SessionStore(10, 1800.0)
        assert store.find_or_begin(words("Hi"), 0.0, is_retry=True) is store.find_or_begin(words("Hi"), 1.0)
