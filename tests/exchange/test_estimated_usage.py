"""An answer whose provider reports no usage counts by its text, for limits and for the statistics."""

import json

import pytest

from exchange.exchange_harness import DONE, JSON, STOP, ExchangeHarness, event
from pointsman.config.enums import Dialect
from pointsman.domain.records import Outcome
from pointsman.routing.attempt_outcomes import observations
from pointsman.wire.conversation import answer_draft
from pointsman.wire.frames import Usage

TEXT = "a word " * 8
"""56 bytes, 14 tokens."""
REPORTED = b'data: {"id":"c","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}\n\n'

IMPOSSIBLE = b'{"prompt_tokens":3,"completion_tokens":18446744073709551615}'

HEDGE = {"after": "2s"}


def answered(*pieces: bytes) -> ExchangeHarness:
    more = {"models": [{"id": "m", "limits": {"tpm": 1000}}]}
    harness = ExchangeHarness(1, more=more)
    return harness.start().connected(1).head(1).wait(1).data(1, event(TEXT)).wait(2).data(1, *pieces)


def used(harness: ExchangeHarness) -> float:
    [windows] = harness.router.limits._windows.values()
    return windows["tpm"].used(harness.now)


def test_a_stream_without_usage() -> None:
    harness = answered(event("12345678"), STOP, DONE)
    [record] = harness.records
    asked = harness.exchange.client_request.facts.tokens
    assert record.usage == Usage(asked, 16, is_estimated=True)
    told = record.to_dict()["usage"]
    assert isinstance(told, dict)
    assert (told["input"], told["output"], told["estimated"]) == (asked, 16, True)
    assert used(harness) == asked + 16
    [seen] = observations(harness.exchange.to_record(), {"a/m"})
    assert (seen.tokens, seen.seconds) == (16, 2.0)


@pytest.mark.parametrize("report", [b"{}", b'{"prompt_tokens":null,"completion_tokens":null}', b"null", IMPOSSIBLE])
def test_a_report_without_a_usable_number_is_none(report: bytes) -> None:
    empty = b'data: {"id":"c","choices":[],"usage":' + report + b"}\n\n"
    [record] = answered(STOP, empty, DONE).records
    assert record.usage
    assert (record.usage.output, record.usage.is_estimated) == (14, True)


@pytest.mark.parametrize("report", [REPORTED, REPORTED.replace(b"3", b"3.0").replace(b"4", b"4.0")])
def test_a_stream_with_usage_counts_as_it_says(report: bytes) -> None:
    harness = answered(STOP, report, DONE)
    [record] = harness.records
    assert record.usage == Usage(3, 4)
    assert used(harness) == 7


def test_a_part_of_a_token_is_one() -> None:
    [record] = answered(event("1"), STOP, DONE).records
    assert record.usage
    assert record.usage.output == 15


def test_half_an_answer_counts_as_far_as_it_came() -> None:
    harness = answered().failed(1)
    [record] = harness.records
    assert record.usage
    assert (record.usage.output, record.usage.is_estimated) == (14, True)


@pytest.mark.parametrize("usage", [{}, {"usage": {"prompt_tokens": 3, "completion_tokens": 4}}])
def test_an_answer_in_one_piece(usage: dict[str, object]) -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}
    harness = ExchangeHarness(1, stream=False).start().connected(1)
    harness.answers(1, 200, json.dumps({"id": "c", "choices": [choice], **usage}).encode(), JSON)
    [record] = harness.records
    assert record.usage
    assert record.usage.output == (4 if usage else 14)


def test_an_attempt_without_an_answer_has_none() -> None:
    harness = ExchangeHarness(2).start().connected(1).answers(1, 503)
    assert harness.records[0].usage is None


THOUGHTS = {
    "chat": (Dialect.OPENAI_CHAT, {"choices": [{"index": 0, "delta": {"content": None, "reasoning_content": TEXT}}]}),
    "chat, in another name": (Dialect.OPENAI_CHAT, {"choices": [{"delta": {"content": "", "reasoning": TEXT}}]}),
    "gemini": (Dialect.GEMINI, {"candidates": [{"content": {"parts": [{"text": TEXT, "thought": True}]}}]}),
    "responses": (Dialect.OPENAI_RESPONSES, {"type": "response.reasoning_text.delta", "delta": TEXT}),
    "responses, a whole item": (
        Dialect.OPENAI_RESPONSES,
        {
            "type": "response.output_item.done",
            "item": {"type": "reasoning", "summary": [{"type": "summary_text", "text": TEXT}]},
        },
    ),
}


@pytest.mark.parametrize(("dialect", "document"), THOUGHTS.values(), ids=THOUGHTS)
def test_thoughts_in_plain_sight_are_output(dialect: Dialect, document: dict[str, object]) -> None:
    said = answer_draft(dialect, b"data: " + json.dumps(document).encode() + b"\n\n", True)
    assert (said.thoughts, said.is_empty()) == (len(TEXT), True)


def test_thoughts_of_anthropic_are_output() -> None:
    start = {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}}
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": TEXT}}
    stream = b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in (start, delta))
    assert answer_draft(Dialect.ANTHROPIC, stream, True).thoughts == len(TEXT)


def test_an_answer_counts_with_its_thoughts() -> None:
    thought = event("").replace(b'"content":""', b'"reasoning_content":"12345678"')
    [record] = answered(thought, STOP, DONE).records
    assert record.usage
    assert (record.usage.output, record.usage.reasoning) == (14 + 2, 2)


class TestAnswersThatWereCutOff:
    """Providers bill what they were asked and what they have said, whether or not they come to report it."""

    def test_a_report_of_the_beginning_alone_is_raised_to_what_was_said(self) -> None:
        harness = answered(REPORTED, event(TEXT)).failed(1)
        [record] = harness.records
        assert record.usage == Usage(3, 28, is_estimated=True)

    def test_a_cancelled_loser_has_read_the_request(self) -> None:
        harness = ExchangeHarness(2, hedge=HEDGE).start().connected(1).wait(2).connected(2).head(2)
        harness.data(2, event(TEXT))
        loser = next(each for each in harness.records if each.outcome is Outcome.HEDGE_LOSER_CANCELLED)
        assert loser.usage == Usage(harness.exchange.client_request.facts.tokens, is_estimated=True)

    def test_a_loser_that_never_was_connected_has_read_nothing(self) -> None:
        harness = ExchangeHarness(2, hedge=HEDGE).start().wait(2).connected(2).head(2).data(2, event(TEXT))
        loser = next(each for each in harness.records if each.outcome is Outcome.HEDGE_LOSER_CANCELLED)
        assert loser.usage is None

    @pytest.mark.parametrize("stream", [True, False])
    def test_one_that_was_given_up_for_being_slow_has_read_the_request(self, stream: bool) -> None:
        harness = ExchangeHarness(2, stream=stream).start().connected(1).wait(1000)
        slow = harness.records[0]
        assert slow.error in ("first_byte_timeout", "answer_timeout")
        assert slow.usage == Usage(harness.exchange.client_request.facts.tokens, is_estimated=True)

    def test_an_answer_too_long_to_be_kept_counts_as_if_it_went_on_as_it_began(self) -> None:
        piece = event("x" * 4000)
        harness = answered(*[piece] * 600).failed(1)
        [record] = harness.records
        assert record.usage
        assert record.usage.output == pytest.approx(600 * 1000, rel=0.01)

    def test_the_notice_that_a_race_began_counts_nothing(self) -> None:
        harness = ExchangeHarness(2, hedge=HEDGE).start().connected(1).head(1).data(1, REPORTED).wait(2)
        [notice] = harness.exchange.attempt_log.records
        assert notice.is_informational
        assert notice.usage is None
