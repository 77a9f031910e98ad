"""Endings: words that are no dialect's, answers with nothing in them, and bodies that stay open."""

import json
from typing import Any

import pytest

from exchange.exchange_harness import DONE, ROLE, STOP, ExchangeHarness, event
from pointsman.config.enums import Dialect
from pointsman.domain.failures import Failure
from pointsman.domain.records import Outcome

GEMINI = Dialect.GEMINI
USAGE = b'data: {"id":"c","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9}}\n\n'
COMMENT = b": ping\n\n"


def finish(word: str) -> bytes:
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": {}, "finish_reason": word}]}).encode() + b"\n\n"


def gemini(word: str, *parts: dict[str, Any]) -> bytes:
    candidate = {"content": {"role": "model", "parts": list(parts)}, "finishReason": word}
    return b"data: " + json.dumps({"candidates": [candidate]}).encode() + b"\r\n\r\n"


def crossing(count: int = 2) -> ExchangeHarness:
    """An Anthropic client of providers that speak chat completions."""
    request = {"model": "m", "max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    return ExchangeHarness(
        count,
        dialect=Dialect.ANTHROPIC,
        path="/v1/messages",
        request=json.dumps(request).encode(),
        speaks=dict.fromkeys("abcdefg"[:count], Dialect.OPENAI_CHAT),
    ).start()


class TestEmpty:
    WORDS = pytest.mark.parametrize(
        "word", ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "OTHER", "MISSING_THOUGHT_SIGNATURE", "unheard_of"]
    )

    @WORDS
    def test_an_answer_that_the_model_spoiled_fails_over_and_is_charged_to_no_provider(self, word: str) -> None:
        stage = ExchangeHarness(2, speaks={"a": GEMINI}).start().head(1).data(1, gemini(word)).end(1)
        assert (stage.launched, stage.sent) == (["a", "b"], b"")
        assert stage.records[0].failure is Failure.UNUSABLE
        assert word.lower() in stage.records[0].message
        assert stage.router.cooldowns_to_dict(stage.now, 0.0) == {"targets": [], "keys": []}

    @pytest.mark.parametrize("word", ["tool_calls", "eos", "stop"])
    def test_with_a_plain_ending_it_is_no_answer(self, word: str) -> None:
        stage = ExchangeHarness(2).start().head(1).data(1, ROLE, finish(word), DONE)
        assert (stage.launched, stage.sent) == (["a", "b"], b"")
        assert stage.records[0].failure is Failure.NO_ANSWER

    @pytest.mark.parametrize("word", ["length", "model_length", "content_filter", "safety"])
    def test_a_limit_or_a_filter_is_the_answer(self, word: str) -> None:
        stage = ExchangeHarness(2).start().head(1).data(1, ROLE, finish(word), DONE)
        assert (stage.launched, stage.outcomes) == (["a"], [Outcome.REQUEST_SUCCESS])

    def test_the_last_ones_goes_out_if_all_are_empty(self) -> None:
        stage = ExchangeHarness(1).start().head(1).data(1, ROLE, finish("unheard_of"), DONE)
        assert (stage.ended, stage.sent) == (True, ROLE + finish("unheard_of") + DONE)

    def test_an_open_body_holds_the_next_candidate_off_for_two_seconds(self) -> None:
        stage = ExchangeHarness(2, speaks={"a": GEMINI}).start().head(1).data(1, gemini("OTHER"))
        assert stage.wait(1.9).launched == ["a"]
        assert stage.wait(0.2).launched == ["a", "b"]


class TestOpenBodies:
    def test_a_converted_answer_ends_two_seconds_after_its_finish_reason(self) -> None:
        stage = crossing().head(1).data(1, ROLE, event("x"), STOP)
        assert not stage.wait(1.9).ended
        assert b"message_stop" not in stage.sent
        stage.wait(0.2)
        assert (stage.ended, stage.outcomes) == (True, [Outcome.REQUEST_SUCCESS])
        assert b"message_stop" in stage.sent

    def test_usage_may_still_come(self) -> None:
        stage = crossing().head(1).data(1, ROLE, event("x"), STOP).wait(1).data(1, USAGE).wait(1.1)
        assert stage.ended
        assert b'"input_tokens":7' in stage.sent

    @pytest.mark.parametrize("noise", [COMMENT, USAGE, ROLE, event(""), event("") * 40], ids=len)
    def test_nothing_but_content_prolongs_it(self, noise: bytes) -> None:
        stage = crossing().head(1).data(1, ROLE, event("x"), STOP)
        for _ in range(4):
            stage.wait(0.5).data(1, noise)
        stage.wait(0.1)
        assert stage.ended

    def test_content_does(self) -> None:
        stage = crossing().head(1).data(1, ROLE, event("x"), STOP).wait(1.5).data(1, event("y")).wait(1.5)
        assert not stage.ended
        assert stage.wait(0.6).ended
        assert b'"y"' in stage.sent

    def test_a_client_of_the_same_dialect_gets_the_end_and_no_marker_is_made_up(self) -> None:
        stage = ExchangeHarness(1).start().head(1).data(1, event("x"), STOP).wait(2.1)
        assert (stage.ended, stage.sent, stage.outcomes) == (True, event("x") + STOP, ["request_success"])

    def test_the_second_of_two_choices_is_waited_for(self) -> None:
        request = b'{"model":"m","n":2,"stream":true,"messages":[{"role":"user","content":"hi"}]}'
        stage = ExchangeHarness(1, request=request).start().head(1).data(1, event("x"), STOP).wait(30)
        assert not stage.ended
        stage.data(1, STOP.replace(b'"index":0', b'"index":1')).wait(2.1)
        assert stage.ended

    def test_a_client_that_does_not_read_is_waited_for(self) -> None:
        stage = crossing().head(1).data(1, ROLE, event("x")).client_backlog(1 << 20).data(1, STOP).wait(10)
        assert not stage.ended
        assert not stage.client_backlog(0).wait(1.9).ended
        assert stage.wait(0.2).ended
