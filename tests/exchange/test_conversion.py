"""Exchanges whose attempts cross dialects: the attempt fails in its provider's dialect, the client gets its own."""

import json
from typing import Any, ClassVar

import pytest

from exchange.exchange_harness import DONE, JSON, LENGTH, ROLE, STOP, ExchangeHarness, event
from pointsman.config.enums import Dialect
from pointsman.domain.failures import Failure
from pointsman.domain.records import Outcome
from pointsman.exchange.effects import Launch
from pointsman.wire.errors import FaultKind
from pointsman.wire.frames import Usage
from pointsman.wire.sse import Decoder

MESSAGES = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
CHAT = Dialect.OPENAI_CHAT
ERROR = b'data: {"error": {"message": "The model is overloaded", "code": 503}}\n\n'
USAGE = b'data: {"id":"c","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9}}\n\n'


def claude(count: int = 2, stream: bool = True, more: dict[str, Any] | None = None, **request: Any) -> ExchangeHarness:
    """An Anthropic client, whose first providers speak chat completions and whose last speaks its own dialect."""
    body = json.dumps({**MESSAGES, "stream": stream, **request}).encode()
    speaks = dict.fromkeys("abcdefg"[: max(1, count - 1)], CHAT)
    return ExchangeHarness(
        count, dialect=Dialect.ANTHROPIC, path="/v1/messages", request=body, speaks=speaks, more=more
    )


def call(arguments: str, name: str = "points", index: int = 0, call_id: str = "call_1") -> bytes:
    made = {"index": index, "id": call_id, "function": {"name": name, "arguments": arguments}}
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"tool_calls": [made]}}]}).encode() + b"\n\n"


def documents(sent: bytes) -> list[Any]:
    decoder = Decoder()
    events = decoder.feed(sent)
    assert decoder.close() == b""
    return [json.loads(each.data) for each in events if each.data]


def kinds(stage: ExchangeHarness) -> list[str]:
    return [kind for document in documents(stage.sent) if (kind := document["type"]) != "ping"]


WHOLE_MESSAGE = [
    "message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta",
    "message_stop",
]  # fmt: skip


class TestEnds:
    @pytest.mark.parametrize("marker", [DONE, b""], ids=["marker", "no marker"])
    def test_a_whole_answer_is_written_to_its_end(self, marker: bytes) -> None:
        stage = claude().start().head(1).data(1, ROLE, event("hello"), STOP, *([marker] if marker else [])).end(1)
        assert kinds(stage) == WHOLE_MESSAGE
        assert (stage.ended, stage.outcomes) == (True, [Outcome.REQUEST_SUCCESS])

    @pytest.mark.parametrize("how", ["reset", "stall"])
    def test_even_if_the_provider_breaks_off_behind_it(self, how: str) -> None:
        stage = claude().start().head(1).data(1, ROLE, event("hello"), STOP)
        assert kinds(stage) == WHOLE_MESSAGE[:3]
        if how == "reset":
            stage.failed(1, FaultKind.RESET)
        else:
            stage.wait(120)
        assert kinds(stage) == WHOLE_MESSAGE
        assert (stage.ended, stage.outcomes) == (True, [Outcome.REQUEST_SUCCESS])

    def test_an_empty_answer_that_a_limit_cut_short_is_the_answer(self) -> None:
        stage = claude().start().head(1).data(1, ROLE, LENGTH, DONE)
        assert kinds(stage) == ["message_start", "message_delta", "message_stop"]
        assert documents(stage.sent)[1]["delta"]["stop_reason"] == "max_tokens"

    def test_an_empty_answer_that_just_stopped_is_a_failure(self) -> None:
        stage = claude().start().head(1).data(1, ROLE, STOP, DONE)
        assert (stage.launched, stage.sent) == (["a", "b"], b"")

    def test_the_providers_error_is_one_error_of_the_clients(self) -> None:
        stage = claude().start().head(1).data(1, ROLE, event("hello"), ERROR, DONE)
        assert kinds(stage) == [*WHOLE_MESSAGE[:3], "error"]
        error = documents(stage.sent)[-1]["error"]
        assert error["code"] == "stream_broken"
        assert "The model is overloaded" in error["message"]
        assert (stage.ended, stage.outcomes) == (True, [Outcome.STREAM_BROKEN])

    @pytest.mark.parametrize("wrapped", [False, True])
    def test_a_request_that_one_refuses_in_another_dialect_may_be_taken_by_the_next(self, wrapped: bool) -> None:
        refusal = b'{"error": {"message": "bad temperature", "type": "invalid_request_error", "code": 400}}'
        stage = claude().start()
        if wrapped:
            stage.head(1).data(1, b"data: " + refusal + b"\n\n")
        else:
            stage.answers(1, 400, refusal)
        assert (stage.launched, stage.sent, stage.outcomes) == (["a", "b"], b"", [Outcome.RETRY_FAILED])

    def test_a_request_that_all_refuse_is_refused_in_the_clients_words(self) -> None:
        stage = claude(1).start().answers(1, 400, b'{"error": {"message": "bad temperature", "type": "whatever"}}')
        assert stage.response.status == 400
        assert json.loads(stage.sent)["error"]["type"] == "invalid_request_error"
        assert "bad temperature" in stage.sent.decode()

    @pytest.mark.parametrize(
        ("status", "kind"), [(403, "permission_error"), (404, "not_found_error"), (413, "request_too_large")]
    )
    def test_it_has_the_status_of_the_first_refusal(self, status: int, kind: str) -> None:
        stage = claude(2).start()
        for n, said in ((1, b"first"), (2, b"second")):
            stage.answers(n, status, b'{"error": {"message": "%s", "type": "whatever"}}' % said)
        assert stage.response.status == status
        error = json.loads(stage.sent)["error"]
        assert (error["type"], error["message"]) == (kind, "first")


class TestRequestsThatCannotBeConverted:
    MALFORMED: ClassVar = {"temperature": "warm"}
    WHY = "temperature: expected number, got string (anthropic to openai-chat)"

    @pytest.mark.parametrize("stream", [True, False])
    def test_are_refused_with_the_reason_and_are_not_to_be_repeated(self, stream: bool) -> None:
        stage = claude(1, stream=stream, **self.MALFORMED).start()
        assert (stage.response.status, stage.launched) == (400, [])
        error = json.loads(stage.sent)["error"]
        assert (error["type"], error["code"]) == ("invalid_request_error", "invalid_request")
        assert self.WHY in error["message"]
        assert ("X-Should-Retry", "false") in stage.response.headers
        assert [(record.error, record.failure) for record in stage.records] == [("inconvertible", Failure.OURS)]

    def test_go_to_a_provider_of_the_clients_own_dialect(self) -> None:
        stage = claude(2, **self.MALFORMED).start()
        assert stage.launched == ["b"]

    def test_are_no_bad_request_if_a_provider_has_failed_besides(self) -> None:
        stage = claude(2, **self.MALFORMED).start().failed(2, FaultKind.RESET)
        assert stage.response.status == 502

    @pytest.mark.parametrize(
        ("members", "why"),
        [
            ({"tools": ["t"]}, "tools must be a list of objects"),
            ({"tools": {"name": "t"}}, "tools must be a list of objects"),
            ({"tools": [{"name": "t"}], "tool_choice": 7}, "tool_choice must be a string or an object"),
            ({"tools": [{"name": {}}]}, "tools[0].name: expected string, got object"),
        ],
    )
    def test_name_the_member(self, members: dict[str, Any], why: str) -> None:
        stage = claude(1, **members).start()
        assert (stage.response.status, stage.launched) == (400, [])
        assert why in json.loads(stage.sent)["error"]["message"]


class TestCalls:
    def test_a_stream_that_ends_within_one_ends_in_an_error(self) -> None:
        stage = claude().start().head(1).data(1, ROLE, call('{"side": "le')).end(1)
        assert kinds(stage)[-1] == "error"
        assert (stage.ended, stage.outcomes) == (True, [Outcome.STREAM_BROKEN])

    @pytest.mark.parametrize("finish", ["length", "stop", "tool_calls"])
    @pytest.mark.parametrize("stream", [True, False])
    def test_one_that_was_cut_is_reported_as_cut_and_charged_to_no_provider(self, finish: str, stream: bool) -> None:
        stage = claude(stream=stream).start()
        if stream:
            last = {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}
            stage.head(1).data(1, ROLE, call('{"side": "le'), b"data: " + json.dumps(last).encode() + b"\n\n", DONE)
            told = next(each["delta"] for each in documents(stage.sent) if each["type"] == "message_delta")
        else:
            made = {"id": "c1", "type": "function", "function": {"name": "points", "arguments": '{"side": "le'}}
            message = {"content": None, "tool_calls": [made]}
            answer = {"id": "c", "choices": [{"message": message, "finish_reason": finish}]}
            stage.answers(1, 200, json.dumps(answer).encode())
            told = json.loads(stage.sent)
        assert told["stop_reason"] == "max_tokens"
        assert (stage.response.status, stage.outcomes) == (200, [Outcome.REQUEST_SUCCESS])
        assert stage.records[0].failure is None

    def test_what_the_conversion_cannot_do_after_commit_is_charged_to_no_provider(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("pointsman.wire.conversion.answer_writer.LONGEST", 8)
        stage = claude().start().head(1).data(1, ROLE, event("hello"), event("longer"))
        assert kinds(stage)[-1] == "error"
        assert (stage.outcomes, stage.records[0].failure) == ([Outcome.STREAM_BROKEN], Failure.OURS)


class TestConverters:
    def test_that_raise_on_the_request_pass_the_target_over(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(*_: object, **__: object) -> None:
            raise RuntimeError("secret words of the request")

        monkeypatch.setattr("llm_rosetta.ConversionPipeline.convert_request", broken)
        stage = claude().start()
        assert stage.launched == ["b"]
        [record] = stage.records
        assert (record.outcome, record.error) == (Outcome.RETRY_FAILED, "inconvertible")
        assert record.message == (
            "the request has a form that cannot be converted: RuntimeError (anthropic to openai-chat)"
        )
        assert stage.cancelled == []

    def test_that_raise_on_every_request_leave_a_clear_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("llm_rosetta.ConversionPipeline.convert_request", lambda *_: 1 / 0)
        stage = claude(1).start()
        assert (stage.ended, stage.response.status) == (True, 400)
        assert "cannot be converted" in json.loads(stage.sent)["error"]["message"]

    @pytest.mark.parametrize("after", [0, 1])
    def test_that_raise_on_the_answer_are_the_attempts_failure(
        self, monkeypatch: pytest.MonkeyPatch, after: int
    ) -> None:
        stage = claude().start().head(1).data(1, ROLE, *([event("hello")] * after))
        broken = "llm_rosetta.OpenAIChatConverter.stream_response_from_provider"
        monkeypatch.setattr(broken, lambda *_, **__: 1 / 0)
        stage.data(1, call("{}"))
        if after:
            assert kinds(stage)[-1] == "error"
            assert (stage.ended, stage.outcomes) == (True, [Outcome.STREAM_BROKEN])
        else:
            assert (stage.launched, stage.sent, stage.outcomes) == (["a", "b"], b"", [Outcome.RETRY_FAILED])


class TestRequests:
    def test_go_to_the_providers_path_with_its_own_headers(self) -> None:
        body = json.dumps({**MESSAGES, "stream": True}).encode()
        stage = ExchangeHarness(
            1,
            dialect=Dialect.ANTHROPIC,
            path="/v1/messages?beta=true",
            request=body,
            speaks={"a": Dialect.GEMINI},
            keys={"a": ["k-a"]},
            headers=(("anthropic-beta", "x"), ("User-Agent", "claude"), ("x-stainless-lang", "js")),
        )
        [launch] = stage.start().effects_of(Launch)
        assert launch.request.url == "http://a.test/v1/models/m:streamGenerateContent?alt=sse"
        assert dict(launch.request.headers) == {
            "User-Agent": "claude",
            "Accept": "text/event-stream",
            "Accept-Encoding": "identity",
            "x-goog-api-key": "k-a",
        }

    def test_what_is_left_out_is_reported_in_the_audit(self) -> None:
        tools = [{"type": "web_search_20250305", "name": "web_search"}, {"name": "points", "input_schema": {}}]
        stage = claude(tools=tools).start().head(1).data(1, ROLE, event("hello"), STOP, DONE)
        [launch] = stage.effects_of(Launch)
        assert [tool["function"]["name"] for tool in json.loads(launch.request.body)["tools"]] == ["points"]
        assert stage.records[0].selection_reason.endswith("; without web_search_20250305")


class TestUsage:
    KNOWN: ClassVar = {"stream_usage": True}

    def test_is_asked_for_and_kept_from_a_client_that_did_not_ask(self) -> None:
        stage = ExchangeHarness(1, more=self.KNOWN).start().head(1).data(1, ROLE, event("hello"), STOP, USAGE, DONE)
        [launch] = stage.effects_of(Launch)
        assert launch.request.body.startswith(b'{"stream_options":{"include_usage":true},"model":"m"')
        assert stage.sent == ROLE + event("hello") + STOP + DONE
        assert stage.records[0].usage
        assert stage.records[0].usage.prompt == 7

    @pytest.mark.parametrize("options", [{"include_usage": False}, {"include_obfuscation": False}, None])
    def test_is_not_asked_for_by_a_client_with_options_of_its_own(self, options: Any) -> None:
        request = json.dumps(
            {"model": "m", "stream": True, "messages": MESSAGES["messages"], "stream_options": options}
        )
        [launch] = ExchangeHarness(1, more=self.KNOWN, request=request.encode()).start().effects_of(Launch)
        assert launch.request.body == request.encode()

    def test_is_not_requested_without_a_stream_or_from_a_provider_without_support(self) -> None:
        for stage in (ExchangeHarness(1, more=self.KNOWN, stream=False), ExchangeHarness(1)):
            assert b"stream_options" not in stage.start().effects_of(Launch)[0].request.body

    def test_reaches_a_client_of_another_dialect(self) -> None:
        stage = claude(more=self.KNOWN).start().head(1).data(1, ROLE, event("hello"), STOP, USAGE, DONE)
        assert json.loads(stage.effects_of(Launch)[0].request.body)["stream_options"] == {"include_usage": True}
        delta = documents(stage.sent)[-2]
        assert (delta["usage"]["input_tokens"], delta["usage"]["output_tokens"]) == (7, 2)

    def test_is_asked_for_in_every_conversion(self) -> None:
        [launch] = claude().start().effects_of(Launch)
        assert json.loads(launch.request.body)["stream_options"] == {"include_usage": True}

    @pytest.mark.parametrize("stream", [True, False])
    def test_is_estimated_where_none_is_reported(self, stream: bool) -> None:
        said = [{"role": "user", "content": "word " * 400}]
        stage = claude(stream=stream, messages=said).start()
        if stream:
            stage.head(1).data(1, ROLE, event("hello"), STOP, DONE).end(1)
            usage = documents(stage.sent)[-2]["usage"]
        else:
            whole = {"choices": [{"index": 0, "message": {"content": "hello"}, "finish_reason": "stop"}]}
            stage.answers(1, 200, json.dumps(whole).encode(), JSON)
            usage = json.loads(stage.sent)["usage"]
        assert (usage["input_tokens"], usage["output_tokens"]) == (500, 2)
        assert stage.records[0].usage == Usage(500, 2, is_estimated=True), "the record says what the client was told"

    @pytest.mark.parametrize("status", [400, 422])
    @pytest.mark.parametrize("crosses", [False, True])
    def test_is_not_asked_for_again_where_that_is_refused(self, status: int, crosses: bool) -> None:
        refusal = b'{"error": {"message": "Unrecognized request argument supplied: stream_options"}}'
        stage = claude(more=self.KNOWN) if crosses else ExchangeHarness(2, more=self.KNOWN)
        stage.start().answers(1, status, refusal)
        assert stage.launched == ["a", "a"]
        assert b"stream_options" not in stage.effects_of(Launch)[1].request.body
        stage.head(2).data(2, ROLE, event("hello"), STOP, DONE)
        assert stage.outcomes == [Outcome.RETRY_FAILED, Outcome.RETRY_SUCCESS]
        assert stage.response.status == 200

    def test_a_second_refusal_is_the_clients(self) -> None:
        refusal = b'{"error": {"message": "stream_options? no: bad request"}}'
        stage = ExchangeHarness(2, more=self.KNOWN).start().answers(1, 400, refusal).answers(2, 400, refusal)
        assert (stage.launched, stage.response.status, stage.sent) == (["a", "a"], 400, refusal)


def test_a_json_body_for_a_streamed_request_is_no_answer_here_either() -> None:
    stage = claude().start().answers(1, 200, b'{"choices": []}', JSON)
    assert stage.launched == ["a", "b"]


@pytest.mark.parametrize("stream", [True, False])
def test_a_call_bears_the_clients_name_of_the_tool_and_an_id_that_is_new(stream: bool) -> None:
    long = "mcp__" + "server_" * 10
    history = [
        {"role": "assistant", "content": [{"type": "tool_use", "id": "call_0", "name": long, "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_0", "content": "done"}]},
    ]
    tools = [{"name": long, "input_schema": {"type": "object", "properties": {}}}]
    stage = claude(stream=stream, messages=[*MESSAGES["messages"], *history], tools=tools).start()
    name = json.loads(stage.effects_of(Launch)[0].request.body)["tools"][0]["function"]["name"]
    assert len(name) <= 64
    if stream:
        stage.head(1).data(1, ROLE, call("{}", name, call_id="call_0"), STOP, DONE).end(1)
        [block] = [each["content_block"] for each in documents(stage.sent) if each["type"] == "content_block_start"]
    else:
        made = {"id": "call_0", "type": "function", "function": {"name": name, "arguments": "{}"}}
        message = {"role": "assistant", "content": None, "tool_calls": [made]}
        whole = {"id": "c", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
        stage.answers(1, 200, json.dumps(whole).encode(), JSON)
        [block] = json.loads(stage.sent)["content"]
    assert block["name"] == long
    assert block["id"].endswith("_call_0")


@pytest.mark.parametrize("stream", [True, False])
def test_an_anthropic_client_is_answered_by_the_model_it_asked_for(stream: bool) -> None:
    stage = claude(stream=stream, model="a/m").start()
    if stream:
        named = b'data: {"id":"c","model":"m-2026","choices":[{"index":0,"delta":{"content":"hi"}}]}\n\n'
        stage.head(1).data(1, named, STOP, DONE).end(1)
        answer = documents(stage.sent)[0]["message"]
    else:
        message = {"role": "assistant", "content": "hi"}
        whole = {"model": "m-2026", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
        stage.answers(1, 200, json.dumps(whole).encode(), JSON)
        answer = json.loads(stage.sent)
    assert answer["model"] == "a/m"
