"""One attempt's dates, what it holds back, and what it leaves behind."""

import json
from typing import Any

import pytest

from exchange.exchange_harness import ExchangeHarness, event
from pointsman.config import Timeouts
from pointsman.config.enums import Dialect
from pointsman.domain.records import Outcome
from pointsman.domain.targets import Inventory
from pointsman.exchange.attempt import MAX_HELD_BYTES, MAX_HELD_EVENTS, PING_GRACE, Attempt
from pointsman.exchange.state_machines import AttemptState, IllegalTransition
from pointsman.masking import Masker
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.error_reader import ErrorReader
from pointsman.wire.errors import Fault, FaultKind
from pointsman.wire.frames import Reader, Usage
from pointsman.wire.request_facts import RequestFacts
from support.settings import provider, settings

START = 1000.0
TIMES = {"connect": "10s", "first_byte": "60s", "stall": "40s", "answer": "600s"}
DIALECT = DIALECTS[Dialect.OPENAI_CHAT]
LAST = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":4}}\n\n'


def attempt(streamed: bool = True, keys: list[str] | None = None, **timeouts: Any) -> Attempt:
    inventory = Inventory.from_settings(settings({"groq": provider("http://127.0.0.1:9/v1", "llama", keys=keys or [])}))
    [candidate] = inventory.keys[inventory.targets[0]]
    times = Timeouts.model_validate({**TIMES, **timeouts})
    return Attempt(1, candidate, "http://127.0.0.1:9/v1", times, streamed, START)


def stream() -> Reader:
    return DIALECT.reader(RequestFacts(None, True, frozenset(), 0), "text/event-stream")


def waiting(at: float = START, **timeouts: Any) -> Attempt:
    """One whose head is in."""
    own = attempt(**timeouts)
    own.on_head(200, {}, stream(), at)
    return own


def committed(at: float, **timeouts: Any) -> Attempt:
    own = waiting(**timeouts)
    own.commit(at)
    return own


class TestBeforeCommit:
    @pytest.mark.parametrize(
        ("streamed", "timeouts", "due"),
        [
            (True, {}, START + 10),
            (True, {"first_byte": "5s"}, START + 5),
            (False, {}, START + 10),
            (False, {"first_byte": "5s"}, START + 10),
        ],
        ids=["connect", "first byte if that is sooner", "connect for a whole answer too", "which has no first byte"],
    )
    def test_it_is_due_at_the_next_of_its_dates(self, streamed: bool, timeouts: dict[str, Any], due: float) -> None:
        assert attempt(streamed, **timeouts).deadline() == due

    @pytest.mark.parametrize(("streamed", "due"), [(True, START + 60), (False, START + 600)])
    def test_once_connected_only_content_is_due_counted_from_its_launch(self, streamed: bool, due: float) -> None:
        own = attempt(streamed)
        own.on_connected(START + 9)
        assert own.deadline() == due

    def test_a_head_proves_a_connection_that_was_not_reported(self) -> None:
        assert waiting(START + 9).deadline() == START + 60

    def test_reconnecting_does_not_start_the_connect_date_again(self) -> None:
        own = attempt()
        own.on_connected(START + 1)
        own.on_connected(START + 8)
        assert own.deadline() == START + 60
        assert own.connected_at == START + 8

    @pytest.mark.parametrize(
        ("streamed", "connected", "now", "kind"),
        [
            (True, False, START + 9.9, None),
            (True, False, START + 10, FaultKind.CONNECT_TIMEOUT),
            (True, False, START + 99, FaultKind.CONNECT_TIMEOUT),
            (True, True, START + 59.9, None),
            (True, True, START + 60, FaultKind.FIRST_BYTE_TIMEOUT),
            (False, True, START + 60, None),
            (False, True, START + 600, FaultKind.ANSWER_TIMEOUT),
        ],
    )
    def test_it_is_late_at_its_date_and_not_before(
        self, streamed: bool, connected: bool, now: float, kind: FaultKind | None
    ) -> None:
        own = attempt(streamed)
        if connected:
            own.on_connected(START)
        fault = own.timeout_fault(streamed, now)
        assert (fault and fault.kind) is kind
        assert fault is None or fault.status == 504

    @pytest.mark.parametrize(
        ("streamed", "message"), [(True, "no content within 0.5 s"), (False, "no complete answer within 600 s")]
    )
    def test_the_fault_says_how_long_it_was_waited_for(self, streamed: bool, message: str) -> None:
        own = attempt(streamed, first_byte="500ms")
        own.on_connected(START)
        fault = own.timeout_fault(streamed, START + 600)
        assert fault
        assert fault.message == message

    def test_so_does_that_of_a_connection_that_did_not_come(self) -> None:
        fault = attempt().timeout_fault(True, START + 10)
        assert fault
        assert fault.message == "no connection within 10 s"


class TestStall:
    """With a stall time of 40 s; data at 0, pings at the dates given (in seconds after commit)."""

    @pytest.mark.parametrize(
        ("last_ping", "due"),
        [(0, 40), (10, 50), (39, 79), (250, 290), (260, 300), (261, 300), (299, 300)],
    )
    def test_pings_put_it_off_but_not_for_longer_than_five_minutes(self, last_ping: float, due: float) -> None:
        own = committed(START)
        own.last_ping = START + last_ping
        assert own.stall_deadline() == START + due

    def test_data_puts_it_off_without_end_and_renews_what_pings_may_do(self) -> None:
        own = committed(START)
        own.last_event = own.last_ping = START + 5000
        assert own.stall_deadline() == START + 5040
        own.last_ping = START + 5290
        assert own.stall_deadline() == START + 5000 + PING_GRACE

    def test_a_stall_time_beyond_five_minutes_holds_by_data_alone(self) -> None:
        own = committed(START, stall="400s")
        own.last_ping = START + 350
        assert own.stall_deadline() == START + 400

    def test_it_counts_from_commit_however_long_that_took(self) -> None:
        assert committed(START + 50).stall_deadline() == START + 90


class TestStandingStill:
    def test_it_puts_off_content_before_commit_but_never_the_connection(self) -> None:
        own = attempt()
        own.pause(100.0, START + 1000)
        assert own.deadline() == START + 10
        own.on_connected(START)
        assert own.deadline() == START + 160

    @pytest.mark.parametrize(("last_ping", "due"), [(0, 140), (20, 160), (299, 400)])
    def test_it_puts_off_a_stall_with_and_without_pings(self, last_ping: float, due: float) -> None:
        own = committed(START)
        own.last_ping = START + last_ping
        own.pause(100.0, START + 1000)
        assert own.stall_deadline() == START + due


class TestHolding:
    def test_what_is_held_comes_out_once_and_in_order(self) -> None:
        own = attempt()
        own.hold_back(b"one ")
        own.hold_back(b"two")
        assert own.take_held() == b"one two"
        assert own.take_held() == b""

    @pytest.mark.parametrize(
        ("pieces", "last"), [([b"x"] * MAX_HELD_EVENTS, b"x"), ([b"x" * (MAX_HELD_BYTES - 1), b"y"], b"z")]
    )
    def test_there_is_room_up_to_the_bound_and_none_beyond(self, pieces: list[bytes], last: bytes) -> None:
        own = attempt()
        for piece in pieces:
            assert own.hold_back(piece)
        assert not own.hold_back(last)


class TestPhases:
    def test_a_connection_is_dated_and_a_head_is_what_is_waited_for_next(self) -> None:
        own = attempt()
        own.on_connected(START + 2)
        assert (own.state, own.connected_at) == (AttemptState.CONNECTED, START + 2)
        own.on_head(200, {"x-request-id": "theirs"}, stream(), START + 3)
        assert (own.state, own.first_byte_at, own.status) == (AttemptState.WAITING, START + 3, 200)
        assert own.headers == {"x-request-id": "theirs"}

    def test_commit_makes_the_winner_and_dates_its_content(self) -> None:
        own = committed(START + 3)
        assert own.state is AttemptState.WINNER
        assert own.first_content_at == START + 3

    def test_there_is_no_commit_without_a_head(self) -> None:
        with pytest.raises(IllegalTransition):
            attempt().commit(START)

    def test_a_status_that_is_known_says_more_than_what_broke_it_off(self) -> None:
        broken = Fault(FaultKind.BROKEN, "the response body ended early")
        assert attempt().fault_so_far(broken) is broken
        assert waiting().fault_so_far(broken) is broken
        own = attempt()
        own.on_head(429, {}, ErrorReader(DIALECT, 429, ""), START)
        assert own.fault_so_far(broken).label == "429"


class TestRecord:
    def record(self, own: Attempt, fault: Fault | None = None, masker: Masker | None = None) -> dict[str, object]:
        record = own.to_record(Outcome.RETRY_FAILED, fault, 1_700_000_000.0, START + 4.00004, masker or Masker())
        return record.to_dict()

    def test_what_has_not_happened_is_null(self) -> None:
        told = self.record(attempt())
        unknown = ("status", "error", "connected_ms", "first_byte_ms", "first_content_ms", "usage", "finish_reason")
        assert [told[member] for member in unknown] == [None] * 7
        assert (told["message"], told["bytes"], told["key"]) == ("", 0, None)

    def test_times_are_milliseconds_after_its_launch_to_a_tenth(self) -> None:
        own = attempt()
        own.on_connected(START + 0.00123)
        own.on_head(200, {}, stream(), START + 1)
        own.commit(START + 1.5)
        told = self.record(own)
        assert [told[m] for m in ("connected_ms", "first_byte_ms", "first_content_ms", "settled_ms")] == [
            1.2,
            1000.0,
            1500.0,
            4000.0,
        ]
        assert told["started"] == 1_700_000_000.0

    def test_it_counts_bytes_and_keeps_what_the_reader_has_seen(self) -> None:
        own = waiting()
        own.read(event("hello"), START + 1.5)
        own.read(LAST, START + 2.0)
        told = self.record(own)
        assert told["bytes"] == len(event("hello") + LAST)
        assert told["finish_reason"] == "stop"
        assert told["usage"] == Usage(input=3, output=4).to_dict()

    def test_a_key_is_named_by_its_label_and_never_shown(self) -> None:
        own = attempt(keys=["sk-very-secret"])
        fault = Fault(FaultKind.STATUS, "sk-very-secret is not a key", 401)
        told = self.record(own, fault, Masker(["sk-very-secret"]))
        assert (told["key"], told["error"], told["message"]) == ("key-1", "401", "*** is not a key")
        assert "sk-very-secret" not in json.dumps(told)


def test_its_record_says_whether_it_had_the_last_key_of_its_target() -> None:
    stage = ExchangeHarness(2, keys={"a": ["sk-first-secret", "sk-second-secret"]}).start()
    stage.answers(1, 429).answers(2, 429).answers(3, 503)
    assert [(each.provider, each.was_last_key) for each in stage.exchange.attempt_log.records] == [
        ("a", False),
        ("a", True),
        ("b", True),
    ]
