"""Timers are dates: what each one does when it has come, and when it stands still."""

from exchange.exchange_harness import DONE, ROLE, STOP, ExchangeHarness, event
from pointsman.wire.errors import FaultKind

KEEP_ALIVE = b": keep-alive\n\n"


class TestEarlyHead:
    def test_it_goes_out_with_a_keep_alive_though_nothing_is_committed(self):
        stage = ExchangeHarness().start().connected(1).wait(19.9)
        assert not stage.sent
        stage.wait(0.1)
        assert stage.response.status == 200
        assert stage.headers["content-type"] == "text/event-stream"
        assert stage.headers["x-request-id"] == "req-1"
        assert "x-routed-via" not in stage.headers
        assert stage.sent == KEEP_ALIVE

    def test_commit_behind_it_says_in_a_comment_who_answers(self):
        stage = ExchangeHarness().start().connected(1).wait(20).head(1).data(1, event("x"), STOP, DONE)
        assert stage.sent == KEEP_ALIVE + b": routed-via a/m attempts=0 sticky=disabled\n\n" + event("x") + STOP + DONE

    def test_failover_goes_on_behind_it(self):
        stage = ExchangeHarness().start().connected(1).wait(20).failed(1).head(2).data(2, event("x"), STOP, DONE)
        assert stage.sent == KEEP_ALIVE + b": routed-via b/m attempts=1 sticky=disabled\n\n" + event("x") + STOP + DONE
        assert stage.outcomes == ["retry_failed", "retry_success"]

    def test_if_all_fails_behind_it_one_error_frame_ends_the_stream(self):
        stage = ExchangeHarness(2).start().connected(1).wait(20).failed(1).failed(2)
        assert stage.ended
        assert stage.sent.count(b'"error"') == 1
        assert stage.sent.startswith(KEEP_ALIVE)
        assert stage.sent.endswith(DONE)
        assert b"a/m@connection_reset b/m@connection_reset" in stage.sent

    def test_switched_off_an_unanswered_stream_gets_its_true_status(self):
        stage = ExchangeHarness(1, timing={"early_headers": "off"}).start().connected(1).wait(60)
        assert stage.response.status == 504

    def test_a_client_error_behind_it_is_an_error_frame(self):
        stage = ExchangeHarness().start().connected(1).wait(20).answers(1, 400, b'{"error":{"message":"bad tools"}}')
        assert b"bad tools" in stage.sent
        assert stage.sent.endswith(DONE)
        assert stage.outcomes == ["client_error_non_retryable"]


class TestHeartbeat:
    def test_every_fifteen_seconds_without_a_byte_to_the_client(self):
        stage = ExchangeHarness().start().head(1).data(1, event("x")).wait(44)
        assert stage.sent == event("x") + KEEP_ALIVE * 2

    def test_a_byte_to_the_client_puts_it_off(self):
        stage = ExchangeHarness().start().head(1).data(1, event("x")).wait(10).data(1, event("y")).wait(10)
        assert stage.sent == event("x") + event("y")

    def test_bytes_of_an_event_that_is_not_whole_do_not(self):
        whole = event("split")
        stage = ExchangeHarness().start().head(1).data(1, event("x"), whole[:9]).wait(15).data(1, whole[9:])
        assert stage.sent == event("x") + KEEP_ALIVE + whole

    def test_it_goes_on_between_early_head_and_commit(self):
        stage = ExchangeHarness().start().connected(1).wait(20).wait(35)
        assert stage.sent == KEEP_ALIVE * 3


class TestStall:
    def test_silence_ends_the_stream_with_one_error_frame_and_the_marker(self):
        stage = ExchangeHarness(timing={"heartbeat": "50s"}).start().head(1).data(1, event("x")).wait(60)
        assert stage.ended
        assert stage.sent.count(b'"code": "stream_timeout"') == 1
        assert stage.sent.endswith(DONE)
        assert stage.cancelled == [1]
        assert stage.outcomes == ["stream_stalled"]

    def test_our_own_keep_alives_do_not_hold_it_off(self):
        stage = ExchangeHarness().start().head(1).data(1, event("x")).wait(60)
        assert stage.outcomes == ["stream_stalled"]

    def test_its_own_pings_hold_it_off_for_five_minutes(self):
        stage = ExchangeHarness().start().head(1).data(1, event("x"))
        for _ in range(14):
            stage.wait(20).data(1, b": ping\n\n")
        assert not stage.ended
        stage.wait(19)
        assert not stage.ended
        stage.wait(1)
        assert stage.outcomes == ["stream_stalled"]

    def test_an_event_renews_it(self):
        stage = ExchangeHarness().start().head(1)
        for _ in range(20):
            stage.data(1, event("x")).wait(59)
        assert not stage.ended

    def test_silence_after_the_finish_reason_is_a_whole_answer(self):
        stage = ExchangeHarness().start().head(1).data(1, event("x"), STOP).wait(60)
        assert stage.outcomes == ["request_success"]
        assert b"error" not in stage.sent


class TestDeadline:
    def test_it_stops_launching_but_lets_what_runs_run(self):
        stage = (
            ExchangeHarness(4, timing={"early_headers": "off"})
            .start()
            .connected(1)
            .wait(60)
            .connected(2)
            .wait(59)
            .failed(2)
        )
        assert stage.launched == ["a", "b", "c"]
        stage.connected(3).wait(10).head(3).data(3, event("x"), STOP, DONE)
        assert stage.outcomes[-1] == "retry_success"

    def test_past_it_nothing_is_launched(self):
        stage = ExchangeHarness(4, timing={"early_headers": "off"}).start().connected(1).wait(60).connected(2).wait(60)
        assert stage.launched == ["a", "b"]
        assert stage.response.status == 504

    def test_attempts_are_counted(self):
        stage = ExchangeHarness(5, routing={"max_attempts": 2}).start().failed(1).failed(2)
        assert stage.launched == ["a", "b"]
        assert stage.response.status == 502


class TestSlowClient:
    def test_all_timers_but_its_own_patience_stand_still(self):
        stage = ExchangeHarness().start().head(1).data(1, event("x")).wait(10).client_backlog(100_000).wait(200)
        assert not stage.ended
        assert stage.sent == event("x")
        stage.client_backlog(0).wait(4.9)
        assert stage.sent == event("x"), "the heartbeat has stood still too"
        stage.wait(0.1)
        assert stage.sent == event("x") + KEEP_ALIVE
        stage.wait(44.9)
        assert not stage.ended
        stage.wait(0.1)
        assert stage.outcomes == ["stream_stalled"]

    def test_one_that_reads_nothing_for_five_minutes_is_given_up_and_no_target_penalized(self):
        stage = ExchangeHarness().start().head(1).data(1, event("x")).client_backlog(100_000).wait(300)
        assert stage.aborted
        assert stage.outcomes == ["client_abort"]
        assert stage.cancelled == [1]
        assert stage.records[0].error is None

    def test_one_that_takes_a_little_is_not(self):
        stage = (
            ExchangeHarness()
            .start()
            .head(1)
            .data(1, event("x"))
            .client_backlog(100_000)
            .wait(290)
            .client_backlog(90_000)
            .wait(290)
        )
        assert not stage.ended

    def test_sixty_four_kib_waiting_is_not_slow(self):
        stage = ExchangeHarness().start().head(1).data(1, event("x")).client_backlog(65_536).wait(60)
        assert stage.outcomes == ["stream_stalled"]


def test_nothing_wants_a_tick_once_all_is_over():
    stage = ExchangeHarness().start().head(1).data(1, event("x"), STOP, DONE)
    assert stage.exchange.next_tick_at is None


def test_first_content_late_but_in_time_counts():
    stage = ExchangeHarness().start().connected(1).wait(59).head(1).data(1, ROLE, event("x"))
    assert stage.launched == ["a"]
    assert stage.records == []


def test_a_status_that_came_before_the_silence_says_more_than_the_silence():
    stage = ExchangeHarness(timing={"early_headers": "off"}).start().connected(1).head(1, 503).wait(60)
    assert stage.records[0].error == "503"


def test_a_status_that_came_before_the_break_says_more_than_the_break():
    stage = ExchangeHarness().start().head(1, 429, {"retry-after": "7"}).failed(1, FaultKind.BROKEN)
    assert stage.records[0].error == "429"
