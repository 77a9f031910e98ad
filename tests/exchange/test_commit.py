"""Before commit an attempt's failures are its own affair; after it nothing can be taken back."""

import pytest

from exchange.exchange_harness import DONE, JSON, LENGTH, ROLE, SSE, STOP, WHOLE, ExchangeHarness, event
from pointsman.domain.failures import Failure
from pointsman.wire.errors import FaultKind
from pointsman.wire.sse import LARGE_EVENT

ERROR = b'data: {"error":{"message":"overloaded","code":503}}\n\n'


def test_nothing_is_sent_before_the_first_content():
    stage = ExchangeHarness().start().head(1).data(1, ROLE)
    assert stage.effects[1:] == []


def test_the_first_content_commits_with_all_that_was_held():
    stage = ExchangeHarness().start().head(1).data(1, ROLE, event("x"))
    assert stage.response.status == 200
    assert stage.sent == ROLE + event("x")


def test_a_streamed_answer_passes_byte_for_byte_and_ends_at_its_marker():
    stage = ExchangeHarness().start().connected(1).head(1).data(1, ROLE, event("x"), event("y") + STOP + DONE)
    assert stage.sent == ROLE + event("x") + event("y") + STOP + DONE
    assert stage.ended
    assert stage.outcomes == ["request_success"]
    assert stage.released == [1], "the connection may be kept"


def test_an_answer_with_a_finish_reason_and_no_marker_is_whole_and_none_is_made_up():
    stage = ExchangeHarness().start().head(1).data(1, event("x"), STOP).end(1)
    assert stage.sent == event("x") + STOP
    assert stage.outcomes == ["request_success"]


def test_content_headers_name_who_answered():
    stage = ExchangeHarness().start().head(1).data(1, event("x"))
    assert stage.headers["x-routed-via"] == "a/m"
    assert stage.headers["x-endpoint"] == "a"
    assert stage.headers["x-fallback-attempts"] == "0"
    assert stage.headers["x-request-id"] == "req-1"
    assert "x-fallback-trail" not in stage.headers
    assert stage.headers["content-type"] == "text/event-stream"
    assert stage.headers["cache-control"] == "no-cache"
    assert stage.headers["x-accel-buffering"] == "no"


FAILURES = {
    "503": lambda s, n: s.answers(n, 503, b'{"error":{"message":"busy"}}'),
    "connect_refused": lambda s, n: s.failed(n, FaultKind.REFUSED),
    "wrapped_503": lambda s, n: s.head(n).data(n, ERROR),
    "wrapped_429": lambda s, n: s.head(n, 200, JSON).data(n, b'{"error":{"message":"slow down","code":429}}').end(n),
    "empty": lambda s, n: s.head(n).data(n, DONE),
    "first_byte_timeout": lambda s, n: s.connected(n).head(n).data(n, ROLE).wait(60),
    "connect_timeout": lambda s, n: s.wait(10),
    "stream_broken": lambda s, n: s.head(n).data(n, ROLE).end(n),
    "connection_reset": lambda s, n: s.head(n).data(n, ROLE).failed(n, FaultKind.RESET),
    "malformed": lambda s, n: s.head(n).data(n, *[b"data: not json\n\n"] * 3),
}


@pytest.mark.parametrize("label", FAILURES)
def test_a_failure_before_commit_is_invisible_and_the_next_one_answers(label):
    stage = ExchangeHarness(timing={"early_headers": "off"}).start()
    FAILURES[label](stage, 1)
    assert stage.launched == ["a", "b"]
    stage.head(2).data(2, event("good"), STOP, DONE)
    assert stage.sent == event("good") + STOP + DONE
    assert stage.headers["x-fallback-trail"] == f"a/m@{label}"
    assert stage.headers["x-fallback-attempts"] == "1"
    assert stage.outcomes == ["retry_failed", "retry_success"]
    assert stage.records[0].error == label


def test_an_attempt_that_failed_cannot_come_back():
    stage = ExchangeHarness().start().failed(1).head(2).data(2, event("b"))
    before = list(stage.effects)
    stage.head(1).data(1, event("late")).end(1)
    assert stage.effects == before


def test_a_failed_attempt_that_still_runs_is_cancelled():
    stage = ExchangeHarness().start().head(1).data(1, ERROR)
    assert stage.cancelled == [1]


def test_an_attempt_that_ended_by_itself_needs_no_cancelling():
    stage = ExchangeHarness().start().answers(1, 503)
    assert stage.cancelled == []


def test_comments_before_content_are_dropped_and_do_not_fill_the_buffer():
    stage = ExchangeHarness().start().head(1).data(1, *[b": ping\n\n"] * 500, event("x"))
    assert stage.sent == event("x")


@pytest.mark.parametrize("frames", [[ROLE] * 65, [ROLE.replace(b'""', b'""' + b" " * 600_000)] * 2])
def test_too_much_before_the_first_content_is_malformed(frames):
    stage = ExchangeHarness().start().head(1).data(1, *frames)
    assert stage.records[0].error == "malformed"
    assert stage.launched == ["a", "b"]


def test_one_frame_that_cannot_be_parsed_is_passed_over():
    stage = ExchangeHarness().start().head(1).data(1, b"data: {oops\n\n", event("x"))
    assert stage.sent == b"data: {oops\n\n" + event("x")


def test_empty_for_another_reason_than_stop_is_the_answer():
    stage = ExchangeHarness().start().head(1).data(1, ROLE, LENGTH, DONE)
    assert stage.sent == ROLE + LENGTH + DONE
    assert stage.outcomes == ["request_success"]


@pytest.mark.parametrize("word", ["error", "network_error", "insufficient_system_resource", "abort"])
def test_empty_since_its_provider_gave_up_is_a_failure_of_the_target(word):
    gave_up = STOP.replace(b'"stop"', b'"%s"' % word.encode())
    assert gave_up != STOP
    stage = ExchangeHarness(2).start().head(1).data(1, ROLE, gave_up, DONE)
    assert stage.launched == ["a", "b"]
    [record] = stage.records
    assert record.failure is Failure.NO_ANSWER
    stage.head(2).data(2, ROLE, gave_up, DONE)
    assert stage.response.status == 502


def test_if_every_candidate_is_empty_the_last_one_answers():
    stage = ExchangeHarness(2).start().head(1).data(1, ROLE, STOP, DONE).head(2).data(2, ROLE, STOP, DONE)
    assert stage.response.status == 200
    assert stage.sent == ROLE + STOP + DONE
    assert stage.headers["x-routed-via"] == "b/m"
    assert stage.outcomes == ["retry_failed", "retry_failed"]


def test_a_break_after_commit_ends_in_one_error_frame_and_the_marker():
    stage = ExchangeHarness().start().head(1).data(1, event("x"), b'data: {"cut').end(1)
    assert stage.sent.startswith(event("x") + b'data: {"error"')
    assert stage.sent.endswith(DONE)
    assert stage.sent.count(b'"stream_broken"') == 1
    assert b"cut" not in stage.sent
    assert stage.launched == ["a"]
    assert stage.outcomes == ["stream_broken"]


def test_a_reset_after_the_finish_reason_costs_nothing():
    stage = ExchangeHarness().start().head(1).data(1, event("x"), STOP).failed(1)
    assert stage.sent == event("x") + STOP
    assert stage.outcomes == ["request_success"]


def test_the_providers_own_error_frame_is_the_one_error_frame():
    stage = ExchangeHarness().start().head(1).data(1, event("x"), ERROR + event("never"))
    assert stage.sent == event("x") + ERROR + DONE
    assert stage.outcomes == ["stream_broken"]
    assert stage.cancelled == [1]


def test_what_follows_the_end_marker_is_ignored():
    stage = ExchangeHarness().start().head(1).data(1, event("x") + STOP + DONE + event("flood"))
    assert stage.sent == event("x") + STOP + DONE


def test_an_event_that_grows_without_end_after_commit_breaks_the_stream():
    stage = ExchangeHarness().start().head(1).data(1, event("x"), b"data: " + b"x" * LARGE_EVENT)
    assert stage.outcomes == ["stream_broken"]
    assert stage.cancelled == [1]


class TestWholeAnswers:
    def test_it_is_held_whole_and_announced_by_its_length(self):
        stage = ExchangeHarness(stream=False).start().head(1, 200, JSON).data(1, WHOLE[:20])
        assert not stage.sent
        stage.data(1, WHOLE[20:]).end(1)
        assert stage.sent == WHOLE
        assert stage.headers["content-length"] == str(len(WHOLE))
        assert stage.headers["content-type"] == "application/json"
        assert stage.outcomes == ["request_success"]

    def test_it_has_the_answer_timer(self):
        stage = ExchangeHarness(stream=False, timing={"answer": "100s"}).start().connected(1).wait(99)
        assert stage.launched == ["a"]
        stage.wait(1)
        assert stage.launched == ["a", "b"]
        assert stage.records[0].error == "answer_timeout"

    @pytest.mark.parametrize(
        ("status", "data", "headers", "error"),
        [
            (503, b"", JSON, "503"),
            (200, b'{"error":"no"}', JSON, "wrapped_502"),
            (200, b"<html>", {"content-type": "text/html"}, "malformed"),
            (200, event("x"), SSE, "stream_broken"),
            (200, b"", JSON, "empty"),
            (204, b"", {}, "empty"),
            (301, b"", {"location": "http://elsewhere.test/"}, "301"),
            (200, WHOLE.replace(b'"hello"', b'""'), JSON, "empty"),
        ],
    )
    def test_whatever_is_no_answer_is_passed_over(self, status, data, headers, error):
        stage = ExchangeHarness(stream=False).start().answers(1, status, data, headers).answers(2, 200, WHOLE)
        assert stage.sent == WHOLE
        assert stage.records[0].error == error
        assert stage.headers["x-fallback-trail"] == f"a/m@{error}"

    def test_there_is_no_early_head_and_no_heartbeat(self):
        stage = ExchangeHarness(stream=False).start().connected(1).wait(300)
        assert not stage.sent
        assert stage.exchange.next_tick_at == 1600.0
