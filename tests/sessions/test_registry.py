"""The desk: sessions across reloads, providers that go, and what operators can read."""

import json
from typing import Any

import pytest

from pointsman.config import Settings
from pointsman.config.enums import Mode
from pointsman.sessions.binding import SessionBinding
from pointsman.sessions.digests import Digests
from pointsman.sessions.key_sources import Caller
from pointsman.sessions.penalties import Ban, FailureStreak, SessionPenalties
from pointsman.sessions.registry import SessionRegistry
from pointsman.sessions.store import Pin
from pointsman.wire.conversation import Message
from sessions.session_builders import HERE, THERE, talk
from support.clients_in_core import SECRET, caller
from support.settings import provider, settings


def configured(prefix: str = "X-", **sticky: Any) -> Settings:
    return settings({"a": provider()}, sticky=sticky, server={"header_prefix": prefix})


def desk(**sticky: Any) -> SessionRegistry:
    return SessionRegistry(configured(**sticky), Digests(SECRET))


def with_id(name: str) -> Caller:
    return caller(headers={"x-session-id": name})


def saying(*said: str) -> Caller:
    return caller(conversation=lambda: talk(*said))


def pinned(own: SessionRegistry, name: str, pin: Pin, now: float = 0.0) -> SessionBinding:
    binding = own.bind(with_id(name), Mode.BALANCED, now)
    binding.set_pin(pin, now)
    return binding


class TestTickets:
    def test_a_session_is_known_again_with_its_pin(self) -> None:
        own = desk()
        first = pinned(own, "a", HERE)
        assert first.pin is None
        again = own.bind(with_id("a"), Mode.BALANCED, 1.0)
        assert again.session is first.session
        assert again.preferred_pin == HERE

    @pytest.mark.parametrize("mode", list(Mode))
    def test_only_in_the_modes_named_is_the_pin_preferred(self, mode: Mode) -> None:
        own = desk(modes=["smart"])
        pinned(own, "a", HERE)
        binding = own.bind(with_id("a"), mode, 1.0)
        assert binding.pin == HERE
        assert binding.preferred_pin == (HERE if mode is Mode.SMART else None)

    def test_when_it_is_off_nothing_is_known(self) -> None:
        binding = desk(enabled=False).bind(with_id("a"), Mode.BALANCED, 0.0)
        assert (binding.key, binding.session, binding.pin) == (None, None, None)

    def test_a_caller_without_any_sign_has_no_session(self) -> None:
        own = desk()
        assert own.bind(caller(), Mode.BALANCED, 0.0).session is None
        assert own.stats(0.0)["active_sessions"] == 0

    def test_an_answer_is_where_the_next_request_goes_on(self) -> None:
        own = desk()
        first = own.bind(saying("Hi"), Mode.BALANCED, 0.0)
        own.on_answer(first, Message("assistant", b"Hello."))
        other = own.bind(saying("Hi"), Mode.BALANCED, 0.0)
        own.on_answer(other, Message("assistant", b"Good day."))
        assert other.session is first.session
        assert own.bind(saying("Hi", "Good day.", "Why?"), Mode.BALANCED, 1.0).session is first.session
        assert own.bind(saying("Hi", "Hello.", "Why?"), Mode.BALANCED, 1.0).session is not first.session

    def test_an_answers_words_say_nothing_of_a_session_with_an_id(self) -> None:
        own = desk()
        own.on_answer(pinned(own, "a", HERE), Message("assistant", b"Hello."))
        assert own.bind(saying("Hi", "Hello.", "Why?"), Mode.BALANCED, 1.0).pin is None

    @pytest.mark.parametrize("first", [with_id("a"), saying("Hi")], ids=["by header", "by words"])
    def test_an_answers_id_leads_to_its_session_on_and_on(self, first: Caller) -> None:
        own = desk()
        binding = own.bind(first, Mode.BALANCED, 0.0)
        session = binding.session
        for n in range(10):
            own.on_answer_id(binding, f"resp_{n}")
            refers = caller(body_ids=lambda n=n: [("previous_response_id", f"resp_{n}")])
            binding = own.bind(refers, Mode.BALANCED, 0.0)
            assert binding.session is session
        assert own.bind(first, Mode.BALANCED, 0.0).session is session

    def test_an_answers_id_is_its_callers_own(self) -> None:
        own = desk()
        own.on_answer_id(
            own.bind(caller(headers={"x-session-id": "a"}, credential="sk-a"), Mode.BALANCED, 0.0), "resp_1"
        )
        body = {"body_ids": lambda: [("previous_response_id", "resp_1")]}
        own.bind(caller(**body, credential="sk-a"), Mode.BALANCED, 0.0)
        assert own.stats(0.0)["insertions"] == 1
        own.bind(caller(**body, credential="sk-b"), Mode.BALANCED, 0.0)
        assert own.stats(0.0)["insertions"] == 2


class TestReload:
    def test_sessions_stay(self) -> None:
        own = desk()
        session = pinned(own, "a", HERE).session
        own.update_settings(configured(max_sessions=5, idle_ttl="1h"), 1.0)
        assert own.bind(with_id("a"), Mode.BALANCED, 2.0).session is session

    def test_where_there_is_less_room_those_used_last_stay(self) -> None:
        own = desk()
        for n, name in enumerate("abcd"):
            pinned(own, name, HERE, float(n))
        own.update_settings(configured(max_sessions=2), 4.0)
        stats = own.stats(4.0)
        assert (stats["active_sessions"], stats["evictions"], stats["max_sessions"]) == (2, 2, 2)
        assert [own.bind(with_id(name), Mode.BALANCED, 5.0).pin for name in "dc"] == [HERE, HERE]
        assert own.bind(with_id("a"), Mode.BALANCED, 5.0).pin is None

    def test_a_shorter_life_lets_those_go_who_have_been_idle_for_longer(self) -> None:
        own = desk()
        pinned(own, "a", HERE, 0.0)
        pinned(own, "b", HERE, 50.0)
        own.update_settings(configured(idle_ttl="30s"), 60.0)
        assert own.stats(60.0)["active_sessions"] == 1
        assert own.stats(80.0)["active_sessions"] == 0

    def test_an_exchange_that_runs_keeps_its_session(self) -> None:
        own = desk()
        binding = own.bind(with_id("a"), Mode.BALANCED, 0.0)
        own.update_settings(configured(max_sessions=5), 1.0)
        binding.set_pin(HERE, 2.0)
        binding.count_outcome((HERE.provider, HERE.model))
        assert own.bind(with_id("a"), Mode.BALANCED, 3.0).pin == HERE
        assert own.stats(3.0)["misses"] == 1

    def test_sources_and_headers_are_the_new_ones(self) -> None:
        own = desk()
        own.update_settings(configured("X-Olla-", key_sources=["ip", "session_header"]), 1.0)
        by_header = own.bind(caller(headers={"x-olla-session-id": "a"}), Mode.BALANCED, 2.0)
        assert dict(by_header.early_headers("X-Olla-"))["X-Olla-Session-ID"] == "a"
        by_address = own.bind(caller(headers={"x-session-id": "a"}, address="10.0.0.1"), Mode.BALANCED, 2.0)
        assert dict(by_address.early_headers("X-"))["X-Sticky-Key-Source"] == "ip"

    def test_off_and_on_again_is_as_before_unless_it_took_too_long(self) -> None:
        own = desk(idle_ttl="60s")
        pinned(own, "a", HERE)
        own.update_settings(configured(enabled=False), 1.0)
        own.update_settings(configured(idle_ttl="60s"), 30.0)
        assert own.bind(with_id("a"), Mode.BALANCED, 31.0).pin == HERE
        own.update_settings(configured(enabled=False), 32.0)
        own.update_settings(configured(idle_ttl="60s"), 100.0)
        assert own.bind(with_id("a"), Mode.BALANCED, 100.0).pin is None


class TestPurge:
    def test_the_pins_of_a_provider_go_and_its_sessions_stay(self) -> None:
        own = desk()
        tickets = [pinned(own, "a", HERE), pinned(own, "b", HERE), pinned(own, "c", THERE)]
        assert own.remove_pins({HERE.provider, "never pinned"}) == {HERE.provider: 2, "never pinned": 0}
        found = [own.bind(with_id(name), Mode.BALANCED, 1.0) for name in "abc"]
        assert [binding.session for binding in found] == [binding.session for binding in tickets]
        assert [binding.pin for binding in found] == [None, None, THERE]

    def test_there_is_nothing_left_for_a_second_one(self) -> None:
        own = desk()
        pinned(own, "a", HERE)
        own.remove_pins({HERE.provider})
        assert own.remove_pins({HERE.provider}) == {HERE.provider: 0}

    def test_bans_and_failures_stay(self) -> None:
        own = desk()
        session = pinned(own, "a", HERE).session
        assert session
        session.penalties = SessionPenalties()
        session.penalties.bans["longcat"], session.penalties.failures["groq"] = (
            Ban("three failures", 0.0, 99.0, True),
            FailureStreak(1, b"a turn", 0.0),
        )
        own.remove_pins({HERE.provider})
        assert (session.penalties.bans, session.penalties.failures) == (
            {"longcat": Ban("three failures", 0.0, 99.0, True)},
            {"groq": FailureStreak(1, b"a turn", 0.0)},
        )


class TestStats:
    def test_off_is_all_there_is_to_say(self) -> None:
        assert desk(enabled=False).stats(0.0) == {"enabled": False}

    def test_they_are_plain_json_and_complete(self) -> None:
        own = desk(max_sessions=2, idle_ttl="90s")
        for name, answered in (("a", THERE), ("a", HERE), ("a", THERE), ("b", HERE), ("c", HERE)):
            binding = own.bind(with_id(name), Mode.BALANCED, 0.0)
            binding.set_pin(answered, 0.0)
            binding.count_outcome((answered.provider, answered.model))
        binding = own.bind(saying("Hi"), Mode.BALANCED, 0.0)
        binding.count_outcome(None)
        own.bind(with_id("c"), Mode.BALANCED, 0.0).count_outcome((HERE.provider, HERE.model))
        stats = own.stats(0.0)
        assert json.loads(json.dumps(stats)) == stats
        assert stats == {
            "enabled": True,
            "active_sessions": 2,
            "insertions": 4,
            "hits": 1,
            "misses": 4,
            "repins": 2,
            "evictions": 2,
            "max_sessions": 2,
            "idle_ttl_seconds": 90.0,
            "by_source": {"session_header": 6, "prefix_hash": 1},
        }

    def test_what_has_expired_is_not_active(self) -> None:
        own = desk(idle_ttl="60s")
        pinned(own, "a", HERE)
        assert own.stats(59.0)["active_sessions"] == 1
        assert own.stats(60.0)["active_sessions"] == 0
        assert own.stats(60.0)["evictions"] == 0
