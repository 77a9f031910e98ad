"""What a failure costs its provider within a conversation: by level, by failure, before and after commit, first and
second time.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest

from pointsman.config.enums import Dialect, ProtectionLevel
from pointsman.domain.failures import FAILURE_POLICIES, Failure, Scope, classify
from pointsman.routing.exclusion_reasons import ExclusionReason
from pointsman.routing.protection import FailureContext, ProtectionAction, evaluate
from pointsman.wire.errors import Code, Fault, FaultKind
from pointsman.wire.request_facts import RequestFacts
from routing.routing_builders import called, cool, pin_on, status
from routing.session_driver import KEYS, NOW, PROVIDERS, RETRY, WALL, DrivenExchange, SessionDriver
from support.audit_records import attempt_record
from support.clients_in_core import caller
from support.settings import provider

BAN, SKIP, OFF = (f"{level}" for level in ProtectionLevel)


class Row(NamedTuple):
    """What follows from a fault: `key` or `target`, what is skipped; `+1`, it counts; `unpin`; `ban`."""

    fault: Fault
    committed: bool
    skip: str
    skip_again: str
    ban: str
    off: str


CUT = "the answer was truncated"
ACCOUNT_RATE = "Organization-level rate limit exceeded"
BANNED = "ban target unpin"
ONCE, TWICE = f"{BANNED} +1", f"{BANNED} +2"
ROWS = {
    "refused": Row(Fault(FaultKind.REFUSED), False, "target +1", TWICE, ONCE, "target"),
    "connect timeout": Row(Fault(FaultKind.CONNECT_TIMEOUT), False, "target +1", TWICE, ONCE, "target"),
    "503": Row(status(503), False, "key +1", TWICE, ONCE, "key"),
    "529": Row(status(529), False, "key", "key", BANNED, "key"),
    "first byte": Row(Fault(FaultKind.FIRST_BYTE_TIMEOUT), False, "target +1", TWICE, ONCE, "target"),
    "empty": Row(Fault(FaultKind.EMPTY), False, "target", "target", BANNED, "target"),
    "429": Row(status(429), False, "key", "key", BANNED, "key"),
    "402": Row(status(402), False, "key", "key", BANNED, "key"),
    "401": Row(status(401), False, "key", "key", BANNED, "key"),
    "403": Row(status(403), False, "target", "target", BANNED, "target"),
    "404": Row(status(404), False, "target", "target", "target", "target"),
    "model gone": Row(status(404, code="model_not_found"), False, "target", "target", BANNED, "target"),
    "region": Row(status(403, code="unsupported_location"), False, "target", "target", BANNED, "target"),
    "no access": Row(status(403, code="model_not_allowed"), False, "key", "key", BANNED, "key"),
    "concurrency": Row(status(429, code="1302"), False, "key", "key", BANNED, "key"),
    "rate of the account": Row(status(429, message=ACCOUNT_RATE), False, "key", "key", BANNED, "key"),
    "quota": Row(status(429, message="Daily limit reached"), False, "key", "key", BANNED, "key"),
    "quota of the account": Row(status(429, code="usage_limit_reached"), False, "key", "key", BANNED, "key"),
    "fewer tokens": Row(status(402, message="can only afford 9"), False, "key", "key", "target", "key"),
    "window": Row(status(400, code="context_length_exceeded"), False, "target", "target", "target", "target"),
    "filter": Row(status(400, code="content_filter"), False, "target", "target", "target", "target"),
    "policy": Row(status(400, code="content_policy_violation"), False, "target", "target", "target", "target"),
    "413": Row(status(413), False, "target", "target", "target", "target"),
    "405": Row(status(405), False, "target", "target", "target", "target"),
    "truncated": Row(status(500, message=CUT), False, "target", "target", "target", "target"),
    "400": Row(status(400), False, "target", "target", "target", "target"),
    "foreign": Row(status(400, message="Thought signature is not valid"), False, "key", "key", "target", "key"),
    "unknown file": Row(status(404, message="No such File object: f"), False, "key", "key", "target", "key"),
    "spoiled by the model": Row(Fault(FaultKind.UNUSABLE), False, "target", "target", "target", "target"),
    "our own": Row(Fault(FaultKind.INTERNAL), False, "target", "target", "target", "target"),
    "stalled": Row(Fault(FaultKind.STALLED), True, "unpin +1", TWICE, ONCE, "unpin"),
    "broken": Row(Fault(FaultKind.BROKEN), True, "unpin +1", TWICE, ONCE, "unpin"),
    "truncated within": Row(Fault(FaultKind.BROKEN, CUT), True, "unpin +1", TWICE, ONCE, "unpin"),
    "our own within": Row(Fault(FaultKind.INTERNAL), True, "target", "target", "target", "target"),
}  # fmt: skip
SCOPES = pytest.mark.parametrize("scope", ["a", "a/m"], ids=["provider level", "target level"])


def words(talks: SessionDriver, own: DrivenExchange, scope: str) -> set[str]:
    """What has come of it, in the words of the table."""
    session = own.plan.binding.session
    assert session
    past, found = session.penalties, set()
    if past and (scope in past.bans or "a/m" in past.bans):
        found.add("ban")
    if past and (count := past.failure_count("a/m")):
        found.add(f"+{count}")
    if session.pin is None:
        found.add("unpin")
    talks.router.cooldowns.clear(talks.now)
    left = called(own.plan.ranked_candidates(talks.now))
    if not any(each.startswith("a/m") for each in left):
        found.add("target")
    elif "a/m#key-1" not in left:
        found.add("key")
    return found


def pinned(level: str, scope: str, **sections: Any) -> SessionDriver:
    """A conversation that is pinned to a/m and its first key."""
    talks = SessionDriver(protection={scope: level}, **sections)
    assert talks.ask(model="a/m").succeed() == "a/m#key-1"
    session = talks.ask().plan.binding.session
    assert session
    session.pin = pin_on(talks.router, "a/m", "key-1")
    return talks


@SCOPES
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
@pytest.mark.parametrize("level", ProtectionLevel)
class TestTable:
    def test_the_first_time(self, level: ProtectionLevel, row: Row, scope: str) -> None:
        talks = pinned(level, scope)
        own = talks.ask()
        assert own.fail(row.fault, row.committed) == "a/m#key-1"
        expected = {
            ProtectionLevel.MODEL_SKIP: row.skip,
            ProtectionLevel.PROVIDER_BAN: row.ban,
            ProtectionLevel.OFF: row.off,
        }[level]
        assert words(talks, own, scope) == set(expected.split())

    def test_the_second_time_in_a_row(self, level: ProtectionLevel, row: Row, scope: str) -> None:
        talks = pinned(level, scope)
        talks.ask().fail(row.fault, row.committed)
        talks.router.cooldowns.clear(talks.now)
        session = talks.ask().plan.binding.session
        assert session
        session.pin = pin_on(talks.router, "a/m", "key-1")
        own = talks.ask(said="Once more")
        if level is ProtectionLevel.PROVIDER_BAN and "ban" in row.ban:
            assert own.launch() == "b/m"
            return
        own.launch()
        [candidate] = own.running.values()
        assert candidate.target.label == "a/m"
        own.settle(row.fault, committed=row.committed)
        expected = {
            ProtectionLevel.MODEL_SKIP: row.skip_again,
            ProtectionLevel.PROVIDER_BAN: row.ban,
            ProtectionLevel.OFF: row.off,
        }[level]
        found = words(talks, own, scope)
        if "key" in expected.split():
            assert "target" not in found
            expected, found = expected.replace("key", ""), found - {"key"}  # whose turn it is
        assert found == set(expected.split())

    def test_a_ban_covers_what_its_level_speaks_of(self, level: ProtectionLevel, row: Row, scope: str) -> None:
        talks = SessionDriver(protection={scope: level})
        for said in ("one", "two"):
            own = talks.ask(model="auto", said=said)
            own.plan.binding.clear_pin_on("a/m", talks.now)
            if str(own.launch()).startswith("a/"):
                own.settle(row.fault, committed=row.committed)
            talks.router.cooldowns.clear(talks.now)
        expected = {
            ProtectionLevel.MODEL_SKIP: row.skip_again,
            ProtectionLevel.PROVIDER_BAN: row.ban,
            ProtectionLevel.OFF: "",
        }[level]
        covered = {"a/m", "a/n"} if scope == "a" and level is ProtectionLevel.PROVIDER_BAN else {"a/m"}
        exclusions = talks.ask(model="auto").plan.exclusions(NOW)
        banned = {each.target.label for each in exclusions if each.reason is ExclusionReason.BANNED}
        assert banned == (covered if "ban" in expected else set())


def test_every_failure_stands_in_the_table() -> None:
    assert {classify(row.fault, row.committed) for row in ROWS.values()} == set(Failure)


@pytest.mark.parametrize("failure", Failure)
def test_the_rule_is_a_function_of_level_failure_and_count(failure: Failure) -> None:
    policy = FAILURE_POLICIES[failure]
    off = evaluate(FailureContext(ProtectionLevel.OFF, failure, 9))
    assert (off.bans, off.clear_pin) == (False, policy.clears_pin)
    assert evaluate(FailureContext(ProtectionLevel.MODEL_SKIP, failure, 1)).bans is False
    assert evaluate(FailureContext(ProtectionLevel.MODEL_SKIP, failure, 2)).bans is policy.counts_as_strike
    at_once = evaluate(FailureContext(ProtectionLevel.PROVIDER_BAN, failure, 0, "503"))
    assert at_once.bans is (policy.moves_pin or failure is Failure.FORBIDDEN)
    if at_once.bans:
        assert at_once == ProtectionAction(True, True, True, "503, provider-ban")


class TestCounting:
    def test_several_keys_of_one_target_in_one_exchange_count_once(self) -> None:
        talks = SessionDriver()
        own = talks.ask()
        assert [own.fail(status(503)) for _ in range(2)] == ["a/m#key-1", "a/m#key-2"]
        assert (talks.penalties().failure_count("a/m"), talks.bans()) == (1, set())

    def test_two_targets_of_one_provider_count_each_for_itself(self) -> None:
        talks = SessionDriver()
        own = talks.ask(model="auto")
        assert own.fail(Fault(FaultKind.REFUSED)) == "a/m#key-1"
        assert own.fail(Fault(FaultKind.REFUSED)) == "a/n#key-1"
        assert own.launch() == "b/m"
        past = talks.penalties(model="auto")
        assert (past.bans, past.failure_count("a/m"), past.failure_count("a/n")) == ({}, 1, 1)

    def test_requests_in_parallel_that_fail_together_count_once(self) -> None:
        talks = SessionDriver(cooldowns={"transient": "off"})
        parallel = [talks.ask(said=said) for said in ("main", "first helper", "second helper")]
        for own in parallel:
            own.launch()
        for own in parallel:
            talks.now += 0.5
            own.settle(Fault(FaultKind.FIRST_BYTE_TIMEOUT))
        assert (talks.penalties().failure_count("a/m"), talks.bans()) == (1, set())

    def test_a_success_between_two_failures_starts_again(self) -> None:
        talks = SessionDriver(cooldowns={"transient": "off"})
        for said in ("one", "two", "three"):
            talks.ask(said=said).fail(status(503))
            assert talks.ask("7", said=f"after {said}").succeed() in {"a/m#key-1", "a/m#key-2"}
        assert talks.bans() == set()

    def test_a_commit_alone_does_not(self) -> None:
        talks = SessionDriver(cooldowns={"transient": "off"})
        for said in ("one", "two"):
            talks.ask(said=said).fail(Fault(FaultKind.STALLED), committed=True)
        assert talks.bans() == {"a/m"}

    def test_a_success_elsewhere_changes_nothing(self) -> None:
        talks = SessionDriver(cooldowns={"transient": "off"})
        own = talks.ask(said="one")
        assert [own.fail(status(503)) for _ in range(2)] == ["a/m#key-1", "a/m#key-2"]
        assert own.succeed() == "b/m"
        own.plan.binding.clear_pin_on("b/m", talks.now)
        talks.ask(said="two").fail(status(503))
        assert talks.bans() == {"a/m"}

    def test_what_is_not_held_against_a_provider_does_not_count_between(self) -> None:
        talks = SessionDriver(cooldowns={"transient": "off", "rate_limit": "off"})
        for fault in (status(503), status(429), status(503)):
            talks.ask(said=str(fault)).fail(fault)
        assert talks.bans() == {"a/m"}

    def test_another_conversation_is_not_affected(self) -> None:
        talks = SessionDriver(protection={"a": BAN}, cooldowns={"transient": "off"})
        talks.ask("7").fail(status(503))
        assert talks.ask("7", said="So?").launch() == "b/m"
        assert talks.bans("8") == set()
        assert talks.ask("8").launch() in {"a/m#key-1", "a/m#key-2"}

    def test_without_a_session_a_ban_lasts_as_long_as_the_exchange(self) -> None:
        talks = SessionDriver(protection={"a": BAN}, cooldowns={"transient": "off"})
        own = talks.ask(None, "auto")
        assert own.fail(status(503)) == "a/m#key-1"
        assert own.fail(status(503)) == "b/m", "neither another key nor another model of it"
        assert talks.ask(None, "auto").launch() == "a/m#key-2"

    def test_without_a_session_nothing_is_counted(self) -> None:
        own = SessionDriver(cooldowns={"transient": "off"}).ask(None, "auto")
        tried = [own.fail(Fault(FaultKind.REFUSED)) for _ in range(4)]
        assert tried == ["a/m#key-1", "a/n#key-1", "b/m", "b/n"]


class TestOwnRetries:
    """A client that tries one turn again has not failed twice."""

    def test_what_the_sdk_counts_itself_is_one_turn(self) -> None:
        talks = SessionDriver(cooldowns={"transient": "off"})
        for headers in ({}, RETRY, {"x-stainless-retry-count": "2"}):
            talks.ask(headers=headers).fail(status(503))
        assert (talks.penalties().failure_count("a/m"), talks.bans()) == (1, set())
        talks.ask(said="Next").fail(status(503))
        assert talks.bans() == {"a/m"}

    @pytest.mark.parametrize("count", ["0", "", "x", "-1", "00"])
    def test_a_first_request_says_so_too(self, count: str) -> None:
        talks = SessionDriver(cooldowns={"transient": "off"})
        for _ in range(2):
            talks.ask(headers={"x-stainless-retry-count": count}).fail(status(503))
        assert talks.bans() == {"a/m"}

    def test_a_retry_of_a_turn_that_has_not_counted_yet_counts(self) -> None:
        talks = SessionDriver(cooldowns={"transient": "off"})
        talks.ask(said="one").fail(status(503))
        talks.ask(said="two", headers=RETRY).fail(status(503))
        assert talks.bans() == {"a/m"}

    def test_a_broken_stream_that_is_asked_for_whole_is_one_turn(self) -> None:
        talks = SessionDriver(cooldowns={"transient": "off"})
        talks.ask().fail(Fault(FaultKind.STALLED), committed=True)
        talks.ask(stream=False).fail(status(503))
        assert (talks.penalties().failure_count("a/m"), talks.bans()) == (1, set())

    def test_the_same_words_as_a_stream_again_are_a_second_try(self) -> None:
        talks = SessionDriver(cooldowns={"transient": "off"})
        for _ in range(2):
            talks.ask().fail(Fault(FaultKind.STALLED), committed=True)
        assert talks.bans() == {"a/m"}

    @pytest.mark.parametrize(("fault", "committed"), [(status(503), False), (Fault(FaultKind.STALLED), True)])
    def test_whole_answers_that_fail_twice_are_two_failures(self, fault: Fault, committed: bool) -> None:
        talks = SessionDriver(cooldowns={"transient": "off"})
        for _ in range(2):
            talks.ask(stream=False).fail(fault, committed=committed)
        assert talks.bans() == {"a/m"}


class TestBans:
    def test_one_earned_in_an_exchange_that_failed_wholly_holds(self) -> None:
        talks = SessionDriver(protection={"a": BAN, "b": BAN}, cooldowns={"transient": "off"})
        assert talks.ask().fail_everywhere(status(503)) == ["a/m#key-1", "b/m"]
        own = talks.ask(said="So?")
        assert own.launch() is None
        problem = own.plan.final_error(talks.now, WALL)
        assert problem.code is Code.NO_CANDIDATE
        assert problem.message == (
            "This session has banned every usable candidate until 2023-11-14T22:23:20+00:00"
            ": a/m (503, provider-ban); b/m (503, provider-ban)."
        )
        assert problem.retry_after == 60.0, "no provider has stated a time"

    def test_their_end_is_fixed_and_refused_requests_do_not_move_it(self) -> None:
        talks = SessionDriver({"a": PROVIDERS["a"]}, protection={"a": BAN}, cooldowns={"transient": "off"})
        talks.ask().fail(status(503))
        for _ in range(599):
            talks.now += 1
            assert talks.ask(said="So?").launch() is None
        talks.now += 1
        assert talks.ask(said="So?").launch() is not None

    def test_they_last_as_long_as_configured(self) -> None:
        talks = SessionDriver(
            {"a": PROVIDERS["a"]}, protection={"a": BAN}, cooldowns={"transient": "off"}, sticky={"ban": "30s"}
        )
        talks.ask().fail(status(503))
        talks.now += 29
        assert talks.ask(said="So?").launch() is None
        talks.now += 1
        assert talks.ask(said="So?").launch() is not None

    def test_one_that_gives_way_is_the_last_resort_and_ends_with_a_good_answer(self) -> None:
        talks = SessionDriver({"a": PROVIDERS["a"]}, cooldowns={"transient": "off"})
        for said in ("one", "two"):
            talks.ask(said=said).fail(Fault(FaultKind.REFUSED))
        assert talks.bans() == {"a/m"}
        own = talks.ask(said="three")
        candidate = own.plan.next_candidate(talks.now)
        assert candidate
        assert own.plan.selection_reason(candidate, talks.now, WALL).startswith("last_resort: banned until ")
        assert own.succeed() == "a/m#key-1"
        assert talks.bans() == set()
        session = own.plan.binding.session
        assert session
        assert session.pin == pin_on(talks.router, "a/m", "key-1")

    def test_it_is_tried_once_in_an_exchange(self) -> None:
        talks = SessionDriver({"a": PROVIDERS["a"]}, cooldowns={"transient": "off"})
        for said in ("one", "two"):
            talks.ask(said=said).fail(Fault(FaultKind.REFUSED))
        assert talks.ask(said="three").fail_everywhere(Fault(FaultKind.REFUSED)) == ["a/m#key-1"]

    def test_its_time_is_not_extended_by_what_fails_meanwhile(self) -> None:
        talks = SessionDriver({"a": PROVIDERS["a"]}, cooldowns={"transient": "off"})
        for said in ("one", "two"):
            talks.ask(said=said).fail(Fault(FaultKind.REFUSED))
        until = talks.penalties().bans["a/m"].until
        talks.now += 100
        talks.ask(said="three").fail(Fault(FaultKind.REFUSED))
        assert talks.penalties().bans["a/m"].until == until == NOW + 600


class TestOutages:
    """What others see at the same time is no fault of a conversation."""

    def test_failures_that_others_see_too_ban_nothing(self) -> None:
        talks = SessionDriver(cooldowns={"transient": "off"})
        for said in ("one", "two", "three"):
            for name in ("7", "8"):
                talks.now += 5
                talks.ask(name, said=said).fail(status(503))
        assert (talks.bans("7"), talks.bans("8")) == (set(), set())

    def test_a_ban_is_void_once_others_see_the_failure(self) -> None:
        talks = SessionDriver(cooldowns={"transient": "off"})
        for said in ("one", "two"):
            talks.ask(said=said).fail(Fault(FaultKind.FIRST_BYTE_TIMEOUT))
        assert talks.ask(said="three").launch() == "b/m"
        talks.now += 29
        talks.ask("8").fail(Fault(FaultKind.FIRST_BYTE_TIMEOUT))
        assert talks.ask(said="three").launch() in {"a/m#key-1", "a/m#key-2"}

    def test_a_ban_stands_if_others_fail_much_later(self) -> None:
        talks = SessionDriver(cooldowns={"transient": "off"})
        for said in ("one", "two"):
            talks.ask(said=said).fail(Fault(FaultKind.FIRST_BYTE_TIMEOUT))
        talks.now += 31
        talks.ask("8").fail(Fault(FaultKind.FIRST_BYTE_TIMEOUT))
        assert talks.ask(said="three").launch() == "b/m"

    def test_what_fails_while_others_are_served_well_counts(self) -> None:
        talks = SessionDriver(cooldowns={"transient": "off"})
        for said in ("one", "two"):
            talks.ask("8", said=said).succeed()
            talks.ask("7", said=said).fail(Fault(FaultKind.REFUSED))
        assert talks.bans("7") == {"a/m"}

    def test_a_guarded_provider_bans_in_an_outage_too(self) -> None:
        talks = SessionDriver(protection={"a": BAN}, cooldowns={"transient": "off"})
        for name in ("7", "8"):
            talks.ask(name).fail(status(503))
        assert (talks.bans("7"), talks.bans("8")) == ({"a"}, {"a"})


class TestLocalNetwork:
    """Connections to every provider fail at once: no provider is to blame."""

    def offline(self, talks: SessionDriver, turns: int) -> None:
        for n in range(turns):
            assert talks.ask(said=f"turn {n}").fail_everywhere(Fault(FaultKind.DNS)) != []
            talks.now += 6

    @pytest.mark.parametrize("guarded", ["a", "b"], ids=["the first to fail", "the second"])
    def test_nothing_is_cooled_banned_or_unpinned(self, guarded: str) -> None:
        talks = SessionDriver(protection={guarded: BAN})
        assert talks.ask(said="first").succeed() == "a/m#key-1"
        self.offline(talks, 5)
        assert [each for each in talks.ask(said="look").plan.exclusions(talks.now) if each.reason == "banned"] == []
        assert talks.router.cooldowns_to_dict(talks.now, WALL) == {"targets": [], "keys": []}
        assert talks.router.health.to_list(0.0) == []
        assert talks.ask(said="last").succeed() == "a/m#key-1"

    def test_a_real_failure_bans_after_an_outage(self) -> None:
        talks = SessionDriver(protection={"a": BAN})
        self.offline(talks, 1)
        assert talks.ask(said="back").fail(status(503)) in {"a/m#key-1", "a/m#key-2"}
        assert talks.ask(said="again").launch() == "b/m"

    def test_turns_far_apart_do_not_add_up_to_a_ban(self) -> None:
        talks = SessionDriver()
        for n in range(4):
            talks.ask(said=f"turn {n}").fail_everywhere(Fault(FaultKind.DNS))
            talks.now += 31
        assert talks.bans() == set()

    def test_what_a_provider_on_this_machine_answers_says_nothing(self) -> None:
        talks = SessionDriver({**PROVIDERS, "local": provider("http://127.0.0.1:9/v1", "m")})
        own = talks.ask()
        assert [own.fail(Fault(FaultKind.DNS)), own.fail(Fault(FaultKind.DNS))] == ["a/m#key-1", "b/m"]
        assert own.succeed() == "local/m"
        own = talks.ask("8", model="a/m")
        own.fail(Fault(FaultKind.DNS))
        assert own.learnt is None

    def test_it_is_said_once(self) -> None:
        talks = SessionDriver()
        own = talks.ask()
        assert own.fail(Fault(FaultKind.DNS)) == "a/m#key-1"
        assert own.learnt == "a/m cools for 15.0 s: dns"
        assert own.fail(Fault(FaultKind.DNS)) == "b/m"
        assert own.learnt == "no connection to a, b: the network on this side seems to be down; no provider cools"
        own = talks.ask(said="again")
        own.fail(Fault(FaultKind.DNS))
        assert own.learnt is None

    def test_a_provider_that_answers_ends_it(self) -> None:
        talks = SessionDriver()
        self.offline(talks, 1)
        own = talks.ask(said="again")
        own.fail(Fault(FaultKind.DNS))
        assert own.learnt is None
        assert own.succeed() == "b/m"
        own = talks.ask("8")
        own.fail(Fault(FaultKind.DNS))
        assert own.learnt == "a/m cools for 15.0 s: dns"

    def test_failures_far_apart_are_no_outage_of_the_network(self) -> None:
        talks = SessionDriver()
        talks.ask().fail(Fault(FaultKind.DNS))
        talks.now += 31
        own = talks.ask("8", "b/m")
        own.fail(Fault(FaultKind.DNS))
        assert own.learnt == "b/m cools for 15.0 s: dns"


class TestMoreBans:
    def test_a_provider_that_is_banned_while_it_answers_is_not_pinned(self) -> None:
        talks = SessionDriver(protection={"a": BAN}, cooldowns={"transient": "off"})
        slow, failing = talks.ask(), talks.ask(said="Beside it")
        slow.launch()
        failing.fail(status(503))
        slow.settle()
        session = slow.plan.binding.session
        assert session
        assert session.pin is None
        assert talks.bans() == {"a"}

    def test_an_operator_may_lift_one(self) -> None:
        talks = SessionDriver(protection={"a": BAN}, cooldowns={"transient": "off"})
        talks.ask().fail(status(503))
        [row] = talks.router.sessions_to_list(talks.now, WALL)
        assert row["bans"] == [{"provider": "a", "model": None, "reason": "503, provider-ban", "until": WALL + 600}]
        label = row["session"]
        assert talks.router.sessions.unban("nobody", "a", talks.now) is None
        assert talks.router.sessions.unban(label, "b", talks.now) is False
        assert talks.router.sessions.unban(label, "a", talks.now) is True
        assert talks.ask(said="So?").launch() == "a/m#key-1", "and it is shown no other key"

    def test_a_refused_request_does_not_keep_the_session(self) -> None:
        talks = SessionDriver({"a": PROVIDERS["a"]}, protection={"a": BAN}, sticky={"idle_ttl": "60s"})
        talks.ask().fail(status(503))
        session = talks.ask(said="So?").plan.binding.session
        talks.now += 30
        own = talks.ask(said="So?")
        assert own.launch() is None
        own.plan.on_ended(True, talks.now)
        talks.now += 30
        assert talks.ask(said="So?").plan.binding.session is not session

    def test_lifting_one_resets_its_failures(self) -> None:
        talks = SessionDriver(cooldowns={"transient": "off"})
        for said in ("one", "two"):
            talks.ask(said=said).fail(status(503))
        [row] = talks.router.sessions_to_list(talks.now, WALL)
        talks.router.sessions.unban(row["session"], "a", talks.now)
        talks.ask(said="three").fail(status(503))
        assert talks.bans() == set()

    def test_a_ban_on_a_provider_covers_its_targets_of_another_level(self) -> None:
        talks = SessionDriver(protection={"a": BAN, "a/n": SKIP}, cooldowns={"transient": "off"})
        own = talks.ask(model="auto")
        assert own.fail(status(503)) == "a/m#key-1"
        assert own.launch() == "b/m"

    @pytest.mark.parametrize(("key", "told"), [(None, "banned"), ("key-2", "other_key")])
    def test_reasons_are_reported(self, key: str | None, told: str) -> None:
        talks = SessionDriver(protection={"a": BAN}, cooldowns={"transient": "off"})
        own = talks.ask()
        own.succeed() if key else own.fail(status(503))
        excluded = talks.ask(said="So?").plan.exclusion_dicts(talks.now, WALL)
        assert [(each["provider"], each["key"], each["reason"]) for each in excluded] == [("a", key, told)]


class TestKeys:
    """A conversation shows a guarded provider one key, whatever becomes of that key."""

    @SCOPES
    def test_another_key_is_never_used_though_the_first_cools_down(self, scope: str) -> None:
        talks = SessionDriver(protection={scope: BAN})
        assert talks.ask("7").succeed() == "a/m#key-1"
        cool(talks.router, Scope.KEY, "a/m", "rate_limit", 60.0, talks.now, "key-1")
        assert talks.ask("8").succeed() == "a/m#key-2"
        assert talks.ask("7", said="So?").launch() == "b/m"
        talks.now += 61
        assert talks.ask("7", said="And?").plan.next_candidate(talks.now) is not None

    def test_if_its_key_is_limited_and_no_other_is_left_that_is_the_reason(self) -> None:
        talks = SessionDriver({"a": PROVIDERS["a"]}, protection={"a": BAN})
        talks.ask().succeed()
        cool(talks.router, Scope.KEY, "a/m", "rate_limit", 60.0, talks.now, "key-1")
        own = talks.ask(said="So?")
        assert own.launch() is None
        assert own.plan.final_error(talks.now, WALL).code is Code.RATE_LIMITED

    def test_two_requests_of_one_conversation_at_once_show_the_same(self) -> None:
        talks = SessionDriver(protection={"a": BAN})
        assert [talks.ask(said=said).launch() for said in "xyz"] == ["a/m#key-1"] * 3

    def test_a_target_does_not_cool_for_all_because_one_conversation_may_not_show_its_other_key(self) -> None:
        talks = SessionDriver(protection={"a": BAN})
        talks.ask().fail(status(503))
        assert talks.router.cooldowns_to_dict(NOW, WALL)["targets"] == []

    def test_at_other_levels_another_key_is_shown(self) -> None:
        talks = SessionDriver()
        own = talks.ask()
        assert [own.fail(status(429)) for _ in range(3)] == ["a/m#key-1", "a/m#key-2", "b/m"]


class TestRest:
    """The pin on a guarded provider is left in peace for a while."""

    @pytest.fixture
    def talks(self) -> SessionDriver:
        """The configured order has b first."""
        house = {"b": PROVIDERS["b"], "a": PROVIDERS["a"]}
        return SessionDriver(house, protection={"a": BAN})

    def pinned(self, talks: SessionDriver, model: str) -> None:
        own = talks.ask(model=model)
        own.plan.binding.set_pin(pin_on(talks.router, "a/m", "key-1"), talks.now)

    @pytest.mark.parametrize(
        ("model", "after", "chosen"),
        [
            ("auto", 0, "b/m"), ("auto", 179, "b/m"), ("auto", 180, "a/m#key-1"), ("auto-smart", 179, "b/m"),
            ("m", 0, "a/m#key-1"), ("a/m", 0, "a/m#key-1"),
        ],
    )  # fmt: skip
    def test_it_is_not_preferred_so_soon_unless_the_client_named_the_model(
        self, talks: SessionDriver, model: str, after: float, chosen: str
    ) -> None:
        self.pinned(talks, model)
        talks.now += after
        own = talks.ask(model=model)
        candidate = own.plan.next_candidate(talks.now)
        assert candidate
        why = own.plan.selection_reason(candidate, talks.now, WALL)
        assert why.endswith("; the pin is paused") if chosen == "b/m" else why == "pin"
        assert own.launch() == chosen

    def test_the_ranking_may_still_choose_it(self) -> None:
        talks = SessionDriver(protection={"a": BAN})
        self.pinned(talks, "auto")
        assert talks.ask(model="auto").launch() == "a/m#key-1"

    def test_the_end_of_an_answer_is_use(self, talks: SessionDriver) -> None:
        self.pinned(talks, "auto")
        talks.now += 200
        own = talks.ask(model="auto")
        assert own.launch() == "a/m#key-1"
        talks.now += 300
        own.settle()
        talks.now += 179
        assert talks.ask(model="auto").launch() == "b/m"

    @pytest.mark.parametrize("sections", [{"sticky": {"rest": "off"}}, {"protection": {"a": SKIP}}])
    def test_only_pins_of_guarded_providers_pause_and_it_can_be_switched_off(self, sections: Mapping[str, Any]) -> None:
        house = {"b": PROVIDERS["b"], "a": PROVIDERS["a"]}
        talks = SessionDriver(house, **{"protection": {"a": BAN}, **sections})
        self.pinned(talks, "auto")
        assert talks.ask(model="auto").launch() == "a/m#key-1"


class TestGuard:
    """A guarded provider gets one conversation at a time."""

    @pytest.fixture
    def talks(self) -> SessionDriver:
        return SessionDriver(
            {name: provider(f"https://{name}.test/v1", keys=KEYS) for name in "ab"}, protection={"a": BAN}
        )

    def test_others_avoid_what_serves_a_session(self, talks: SessionDriver) -> None:
        first = talks.ask("7")
        assert first.launch() == "a/m#key-1"
        assert talks.ask("8").launch() == "b/m#key-1"
        assert talks.ask(None).launch() == "b/m#key-2"
        first.settle()
        assert talks.ask("8").launch() == "a/m#key-2"

    def test_a_conversation_is_not_held_off_by_its_own(self, talks: SessionDriver) -> None:
        first, second = talks.ask("7"), talks.ask("7", said="Beside it")
        assert [first.launch(), second.launch()] == ["a/m#key-1"] * 2
        first.settle()
        assert talks.ask("8").launch() == "b/m#key-1", "the other one still runs"
        second.settle()
        assert talks.ask("8").launch() == "a/m#key-2"

    def test_requests_without_a_session_are_strangers_to_each_other(self, talks: SessionDriver) -> None:
        assert [talks.ask(None).launch() for _ in range(2)] == ["a/m#key-1", "b/m#key-1"]

    def test_when_no_other_is_left_it_serves_two_and_says_so(self, talks: SessionDriver) -> None:
        talks.ask("7").launch()
        own = talks.ask("8")
        assert own.fail(status(429)) == "b/m#key-1"
        assert own.fail(status(429)) == "b/m#key-2"
        candidate = own.plan.next_candidate(talks.now)
        assert candidate
        why = own.plan.selection_reason(candidate, talks.now, WALL)
        assert why.endswith("; no other candidate, although a serves another session")
        assert own.launch() == "a/m#key-2"

    def test_so_it_does_when_its_own_pin_leads_there(self, talks: SessionDriver) -> None:
        talks.ask("8").plan.binding.set_pin(pin_on(talks.router, "a/m", "key-1"), talks.now)
        talks.ask("7").launch()
        own = talks.ask("8")
        assert [own.fail(status(429)) for _ in range(2)] == ["b/m#key-1", "b/m#key-2"]
        candidate = own.plan.next_candidate(talks.now)
        assert candidate
        why = own.plan.selection_reason(candidate, talks.now, WALL)
        assert why == "pin; no other candidate, although a serves another session"

    def test_a_race_does_not_disturb_it_and_a_failure_may(self, talks: SessionDriver) -> None:
        talks.ask("7").launch()
        own = talks.ask("8")
        assert own.launch() == "b/m#key-1"
        assert own.launch() is None, "another one is running"
        own.settle(Fault(FaultKind.REFUSED))
        assert own.launch() == "a/m#key-2", "no other candidate"

    def test_one_that_is_free_may_be_raced(self, talks: SessionDriver) -> None:
        talks.ask("7").plan.binding.set_pin(pin_on(talks.router, "b/m", "key-1"), talks.now)
        own = talks.ask("7")
        assert [own.launch(), own.launch()] == ["b/m#key-1", "a/m#key-1"]
        assert talks.ask("8").launch() == "b/m#key-2", "and it serves this one now"

    def test_among_those_that_cool_it_comes_last(self, talks: SessionDriver) -> None:
        talks.ask("7").launch()
        for label, seconds in (("a/m", 10.0), ("b/m", 100.0)):
            cool(talks.router, Scope.TARGET, label, "503", seconds, talks.now)
        own = talks.ask("8")
        assert own.launch() == "b/m#key-1"
        own.settle(Fault(FaultKind.REFUSED))
        assert own.launch() == "a/m#key-2"

    def test_it_is_freed_by_an_exchange_that_is_given_up(self, talks: SessionDriver) -> None:
        own = talks.ask("7")
        own.launch()
        own.plan.discard()
        assert len(talks.router.in_flight) == 0
        assert talks.ask("8").launch() == "a/m#key-2"


class TestCountingTokens:
    """A question for tokens is no turn, but it keeps away from whatever its session is to keep away from."""

    def ranked(self, talks: SessionDriver, name: str) -> list[str]:
        facts = RequestFacts("m", False, frozenset(), 10)
        own = talks.router.count_tokens_plan(
            facts, Dialect.OPENAI_CHAT, caller(headers={"x-session-id": name}), talks.now
        )
        for candidate in list(own.ranked_candidates(talks.now))[:1]:
            own.on_launched(1, candidate, talks.now)
            own.on_settled(candidate, attempt_record(failure=Failure.SERVER_ERROR), status(503), talks.now)
        again = talks.router.count_tokens_plan(
            facts, Dialect.OPENAI_CHAT, caller(headers={"x-session-id": name}), talks.now
        )
        return called(again.ranked_candidates(talks.now))

    def test_it_is_not_put_to_whom_the_session_has_banned(self) -> None:
        talks = SessionDriver(protection={"a": BAN}, cooldowns={"transient": "off"})
        talks.ask("7").fail(status(503))
        assert self.ranked(talks, "7") == ["b/m"]
        assert self.ranked(talks, "8") == ["a/m#key-2", "a/m#key-1", "b/m"]

    def test_a_ban_ends_with_its_session_here_too(self) -> None:
        talks = SessionDriver(protection={"a": BAN}, cooldowns={"transient": "off"})
        talks.ask("7").fail(status(503))
        talks.now += 1800
        assert self.ranked(talks, "7") == ["a/m#key-2", "a/m#key-1", "b/m"]

    def test_it_shows_no_other_key(self) -> None:
        talks = SessionDriver(protection={"a": BAN})
        talks.ask("7").succeed()
        assert self.ranked(talks, "7") == ["a/m#key-1", "b/m"]

    def test_it_leaves_no_trace(self) -> None:
        talks = SessionDriver(protection={"a": BAN})
        self.ranked(talks, "7")
        assert talks.router.sessions_to_list(talks.now, WALL) == []
        assert len(talks.router.in_flight) == len(talks.router.retry_storms) == 0
