"""Requests that a provider refuses for a parameter: repeated once without it, and not sent with it again."""

import json
from typing import Any

import pytest

from exchange.exchange_harness import DONE, JSON, ROLE, STOP, ExchangeHarness, event
from pointsman.config.enums import Dialect
from pointsman.domain.records import Outcome
from pointsman.exchange.client_request import ClientRequest
from pointsman.exchange.effects import Launch
from pointsman.exchange.known_refusals import LIFETIME, MAX_REFUSALS, KnownRefusals
from pointsman.wire.refusals import Refusal, Remedy

HI = [{"role": "user", "content": "hi"}]
OK = json.dumps({"choices": [{"index": 0, "message": {"content": "hello"}, "finish_reason": "stop"}]}).encode()


def refusal(message: str) -> bytes:
    return json.dumps({"error": {"message": message, "type": "invalid_request_error"}}).encode()


def stage(crosses: bool, known: KnownRefusals, **request: Any) -> ExchangeHarness:
    """A client of chat completions, or one of Anthropic's, and a provider of chat completions."""
    document = {"model": "m", "messages": HI, "max_tokens": 32_000, **request}
    client, path = (Dialect.ANTHROPIC, "/v1/messages") if crosses else (Dialect.OPENAI_CHAT, "/v1/chat/completions")
    made = ExchangeHarness(
        1,
        dialect=client,
        path=path,
        request=json.dumps(document).encode(),
        speaks={"a": Dialect.OPENAI_CHAT},
        refusals=known,
    )
    return made.start()


def bodies(made: ExchangeHarness) -> list[dict[str, Any]]:
    return [json.loads(launch.request.body) for launch in made.effects_of(Launch)]


@pytest.mark.parametrize("crosses", [False, True])
class TestEitherWay:
    def test_it_is_repeated_without_and_remembered(self, crosses: bool) -> None:
        known = KnownRefusals()
        first = stage(crosses, known, temperature=0.5)
        first.answers(1, 400, refusal("Unsupported parameter: 'temperature' is not supported with this model."))
        first.answers(2, 200, OK, JSON)
        assert ["temperature" in body for body in bodies(first)] == [True, False]
        assert first.response.status == 200
        assert [record.outcome for record in first.records] == [Outcome.RETRY_FAILED, Outcome.RETRY_SUCCESS]
        assert "without temperature: the provider refused it" in first.records[1].selection_reason
        second = stage(crosses, known, temperature=0.5).answers(1, 200, OK, JSON)
        assert ["temperature" in body for body in bodies(second)] == [False]

    def test_a_limit_is_lowered_and_renamed(self, crosses: bool) -> None:
        made = stage(crosses, KnownRefusals())
        made.answers(1, 400, refusal("'max_tokens' is not supported. Use 'max_completion_tokens' instead."))
        made.answers(2, 400, refusal("max_completion_tokens is too large: 32000. This model supports at most 16384."))
        made.answers(3, 200, OK, JSON)
        limits = [{name: body[name] for name in body if name.startswith("max_")} for body in bodies(made)]
        assert limits == [{"max_tokens": 32_000}, {"max_completion_tokens": 32_000}, {"max_completion_tokens": 16_384}]
        assert made.response.status == 200

    def test_answers_of_another_provider_get_the_thoughts_that_this_one_requires(self, crosses: bool) -> None:
        known, call = KnownRefusals(), {"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        said = {"role": "assistant", "content": "", "tool_calls": [call]}
        result: dict[str, Any] = {"role": "tool", "tool_call_id": "t", "content": "r"}
        if crosses:
            said = {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]}
            result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "r"}]}
        first = stage(crosses, known, messages=[*HI, said, result])
        first.answers(1, 400, refusal("The `reasoning_content` in the thinking mode must be passed back to the API."))
        first.answers(2, 200, OK, JSON)
        second = stage(crosses, known, messages=[*HI, said, result]).answers(1, 200, OK, JSON)
        sent = [body["messages"][1].get("reasoning_content") for body in bodies(first) + bodies(second)]
        assert sent == [None, " ", " "]
        assert (first.response.status, second.response.status) == (200, 200)

    def test_a_keyword_of_a_schema_is_told_in_the_description(self, crosses: bool) -> None:
        schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^a"}}}
        known, tool = KnownRefusals(), {"name": "f", "input_schema": schema}
        if not crosses:
            tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
        first = stage(crosses, known, tools=[tool])
        first.answers(1, 400, refusal("Invalid schema for function 'f': 'pattern' is not permitted"))
        first.answers(2, 200, OK, JSON)
        second = stage(crosses, known, tools=[tool]).answers(1, 200, OK, JSON)
        sent = [
            body["tools"][0]["function"]["parameters"]["properties"]["a"] for body in bodies(first) + bodies(second)
        ]
        told = {"type": "string", "description": 'pattern: "^a"'}
        assert sent == [{"type": "string", "pattern": "^a"}, told, told]
        assert (first.response.status, second.response.status) == (200, 200)
        assert "in descriptions: pattern: the provider refused it" in first.records[1].selection_reason

    def test_the_same_refusal_again_is_the_clients(self, crosses: bool) -> None:
        made = stage(crosses, KnownRefusals(), temperature=0.5)
        said = refusal("Unsupported parameter: 'temperature' is not supported with this model.")
        made.answers(1, 400, said).answers(2, 400, said)
        assert (len(bodies(made)), made.response.status) == (2, 400)

    def test_what_the_client_got_wrong_is_not_repeated(self, crosses: bool) -> None:
        made = stage(crosses, KnownRefusals(), temperature=5)
        made.answers(1, 400, refusal("temperature must be between 0 and 2"))
        assert (len(bodies(made)), made.response.status) == (1, 400)


def test_marks_for_caches_that_are_refused_are_not_sent_again() -> None:
    known, mark = KnownRefusals(), {"cache_control": {"type": "ephemeral"}}
    words = {"type": "text", "text": "hi"}
    request = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": [{**words, **mark}]}]}

    def started() -> ExchangeHarness:
        return ExchangeHarness(
            1,
            dialect=Dialect.ANTHROPIC,
            path="/v1/messages",
            request=json.dumps(request).encode(),
            speaks={"a": Dialect.OPENAI_CHAT},
            more={"quirks": {"cache_marks": True}},
            refusals=known,
        ).start()

    first = started().answers(1, 400, refusal("messages[0].content[0].cache_control: Extra inputs are not permitted"))
    first.answers(2, 200, OK, JSON)
    second = started().answers(1, 200, OK, JSON)
    sent = [body["messages"][0]["content"] for body in bodies(first) + bodies(second)]
    assert sent == [[{**words, **mark}], [words], [words]]
    assert (first.response.status, second.response.status) == (200, 200)


def test_a_converted_stream_asks_for_usage_once_only() -> None:
    known = KnownRefusals()
    first = stage(True, known, stream=True)
    first.answers(1, 400, refusal("Unrecognized request argument supplied: stream_options"))
    first.head(2).data(2, ROLE, event("hello"), STOP, DONE)
    second = stage(True, known, stream=True)
    assert ["stream_options" in body for body in (*bodies(first), *bodies(second))] == [True, False, False]


def test_bytes_stay_as_they_were_where_nothing_was_refused() -> None:
    known = KnownRefusals()
    first = stage(False, known, temperature=0.5)
    first.answers(1, 400, refusal("Unsupported parameter: 'temperature' is not supported with this model."))
    second = stage(False, known, seed=12345678901234567890123)
    call: ClientRequest = second.exchange.client_request
    assert second.effects_of(Launch)[0].request.body == call.body


class TestTable:
    def test_is_bounded_and_expires(self) -> None:
        table, target = KnownRefusals(), next(iter(ExchangeHarness(1).start().exchange.running_candidates)).target
        for number in range(MAX_REFUSALS + 3):
            table.record(target, "m", Refusal(Remedy.DROP, f"p{number}"), 0.0)
        assert len(table.of(target, "m", 0.0)) == MAX_REFUSALS
        assert table.of(target, "other", 0.0) == ()
        assert table.of(target, "m", LIFETIME + 1) == ()

    def test_keeps_the_newest_limit_alone_and_none_of_one_prompt(self) -> None:
        table, target = KnownRefusals(), next(iter(ExchangeHarness(1).start().exchange.running_candidates)).target
        for most in (9000, 8000):
            table.record(target, "m", Refusal(Remedy.LOWER, "max_tokens", most), 0.0)
        table.record(target, "m", Refusal(Remedy.LOWER, "max_tokens", 2000, is_lasting=False), 0.0)
        assert table.of(target, "m", 0.0) == (Refusal(Remedy.LOWER, "max_tokens", 8000),)


def test_a_gemini_gateway_gets_schemas_in_the_member_that_it_knows() -> None:
    known = KnownRefusals()
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}}
    tools = [{"type": "function", "function": {"name": "weather", "parameters": parameters}}]
    request = json.dumps({"model": "m", "messages": HI, "tools": tools}).encode()
    text = {"content": {"parts": [{"text": "hello"}]}, "finishReason": "STOP"}
    ok = json.dumps({"candidates": [text]}).encode()

    def asked() -> ExchangeHarness:
        return ExchangeHarness(1, request=request, speaks={"a": Dialect.GEMINI}, refusals=known).start()

    first = asked()
    message = "Unknown name \"parametersJsonSchema\" at 'tools[0].function_declarations[0]': Cannot find field."
    first.answers(1, 400, refusal(message))
    first.answers(2, 200, ok, JSON)
    second = asked().answers(1, 200, ok, JSON)
    sent = [body["tools"][0]["function_declarations"][0] for body in (*bodies(first), *bodies(second))]
    assert ["parametersJsonSchema" in each for each in sent] == [True, False, False]
    assert [each.get("parameters") for each in sent[1:]] == [parameters, parameters]
    assert [each.response.status for each in (first, second)] == [200, 200]
