"""The exchange in every dialect: what it says within a stream, and what it holds back."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from exchange.exchange_harness import JSON, SSE, ExchangeHarness
from pointsman.config.enums import Dialect
from pointsman.domain.records import Outcome
from pointsman.exchange.effects import Launch
from pointsman.wire.errors import FaultKind
from pointsman.wire.sse import Decoder

WITHIN_A_MINUTE = {"early_headers": "20s", "heartbeat": "15s", "first_byte": "300s", "stall": "60s"}
PING = b'event: ping\ndata: {"type":"ping"}\n\n'


def event(kind: str, **members: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **members})}\n\n".encode()


def chunk(text: str, **candidate: Any) -> bytes:
    return json.dumps({"candidates": [{"content": {"parts": [{"text": text}]}, **candidate}]}).encode()


@dataclass(frozen=True)
class Spoken:
    """A dialect as the exchange meets it: a request, and a provider's stream in pieces."""

    dialect: Dialect
    path: str
    request: Mapping[str, Any]
    opening: bytes
    content: bytes
    end: bytes
    empty: bytes
    error: bytes
    keep_alive: bytes
    head: Mapping[str, str]

    def stage(self, count: int = 2, **options: Any) -> ExchangeHarness:
        request = json.dumps({"model": "m", "stream": True, **self.request}).encode()
        return ExchangeHarness(count, dialect=self.dialect, path=self.path, request=request, **options)

    def __str__(self) -> str:
        return f"{self.dialect}{'' if self.head is SSE else '-list'}"


ANTHROPIC = Spoken(
    Dialect.ANTHROPIC,
    "/v1/messages?beta=true",
    {"messages": [{"role": "user", "content": "hi"}]},
    opening=event("message_start", message={"id": "msg_1"}),
    content=event("content_block_delta", index=0, delta={"type": "text_delta", "text": "hello"}),
    end=event("message_delta", delta={"stop_reason": "end_turn"}) + event("message_stop"),
    empty=event("message_delta", delta={"stop_reason": "max_tokens"}) + event("message_stop"),
    error=event("error", error={"type": "overloaded_error", "message": "Overloaded"}),
    keep_alive=b'event: ping\ndata: {"type": "ping"}\n\n',
    head=SSE,
)
RESPONSES = Spoken(
    Dialect.OPENAI_RESPONSES,
    "/v1/responses",
    {"input": "hi"},
    opening=event("response.created", sequence_number=0, response={"id": "resp_1", "status": "in_progress"}),
    content=event("response.output_text.delta", sequence_number=1, delta="hello"),
    end=event("response.completed", sequence_number=2, response={"id": "resp_1", "status": "completed", "output": []}),
    empty=event(
        "response.incomplete",
        response={"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}, "output": []},
    ),
    error=event("response.failed", response={"id": "resp_1", "error": {"code": "server_error", "message": "m"}}),
    keep_alive=PING,
    head=SSE,
)
GEMINI = Spoken(
    Dialect.GEMINI,
    "/v1beta/models/m:streamGenerateContent?alt=sse&key=secret",
    {"contents": [{"parts": [{"text": "hi"}]}]},
    opening=b"data: " + chunk("") + b"\r\n\r\n",
    content=b"data: " + chunk("hello") + b"\r\n\r\n",
    end=b"data: " + chunk("", finishReason="STOP") + b"\r\n\r\n",
    empty=b"data: " + chunk("", finishReason="MAX_TOKENS") + b"\r\n\r\n",
    error=b'data: {"error": {"code": 503, "message": "m", "status": "UNAVAILABLE"}}\r\n\r\n',
    keep_alive=b"\n",
    head=SSE,
)
LIST = Spoken(
    Dialect.GEMINI,
    "/v1beta/models/m:streamGenerateContent",
    {"contents": [{"parts": [{"text": "hi"}]}]},
    opening=b"[" + chunk(""),
    content=b",\r\n" + chunk("hello"),
    end=b",\r\n" + chunk("", finishReason="STOP") + b"]",
    empty=b",\r\n" + chunk("", finishReason="MAX_TOKENS") + b"]",
    error=b',\r\n{"error": {"code": 503, "message": "m", "status": "UNAVAILABLE"}}',
    keep_alive=b"\n",
    head=JSON,
)
ALL = [ANTHROPIC, RESPONSES, GEMINI, LIST]


def parsed(spoken: Spoken, sent: bytes) -> list[Any]:
    """The documents of a stream. Raises if it is not well-formed from end to end."""
    if spoken is LIST:
        documents: list[Any] = json.loads(sent)
        return documents
    decoder = Decoder()
    documents = [json.loads(each.data) for each in decoder.feed(sent) if each.data]
    assert decoder.close().strip() == b""
    return [document for document in documents if document.get("type") != "ping"]


def is_error(spoken: Spoken, document: Any) -> bool:
    if spoken is RESPONSES:
        return document["type"] == "response.failed" and document["response"]["status"] == "failed"
    return "error" in document


@pytest.mark.parametrize("spoken", ALL, ids=str)
class TestEachDialect:
    def test_a_stream_passes_as_it_came_and_its_opening_waits_for_content(self, spoken: Spoken) -> None:
        stage = spoken.stage().start().connected(1).head(1, headers=spoken.head).data(1, spoken.opening)
        assert stage.sent == b""
        stage.data(1, spoken.content, spoken.end).end(1)
        assert stage.sent == spoken.opening + spoken.content + spoken.end
        assert stage.headers["content-type"] == spoken.head["content-type"]
        assert (stage.ended, stage.outcomes) == (True, [Outcome.REQUEST_SUCCESS])

    def test_what_fails_before_content_is_never_seen(self, spoken: Spoken) -> None:
        stage = spoken.stage().start().connected(1).head(1, headers=spoken.head)
        stage.data(1, spoken.opening + spoken.error)
        stage.connected(2).head(2, headers=spoken.head).data(2, spoken.opening, spoken.content, spoken.end).end(2)
        assert stage.sent == spoken.opening + spoken.content + spoken.end
        assert stage.outcomes == [Outcome.RETRY_FAILED, Outcome.RETRY_SUCCESS]

    def test_an_empty_answer_that_a_limit_cut_short_is_the_answer(self, spoken: Spoken) -> None:
        stage = spoken.stage().start().connected(1).head(1, headers=spoken.head)
        stage.data(1, spoken.opening, spoken.empty).end(1)
        assert stage.sent == spoken.opening + spoken.empty
        assert (stage.ended, stage.outcomes) == (True, [Outcome.REQUEST_SUCCESS])

    def test_an_empty_answer_that_just_stopped_is_a_failure(self, spoken: Spoken) -> None:
        stage = spoken.stage().start().connected(1).head(1, headers=spoken.head)
        stage.data(1, spoken.opening, spoken.end).end(1)
        assert (stage.launched, stage.sent, stage.outcomes) == (["a", "b"], b"", [Outcome.RETRY_FAILED])

    def test_keep_alives_before_and_after_commit(self, spoken: Spoken) -> None:
        stage = spoken.stage(timing=WITHIN_A_MINUTE).start().connected(1).wait(51)
        assert stage.sent == spoken.keep_alive * 3
        assert stage.headers["content-type"] == spoken.head["content-type"]
        stage.head(1, headers=spoken.head).data(1, spoken.opening, spoken.content).wait(46)
        stage.data(1, spoken.end).end(1)
        assert stage.sent.endswith(spoken.content + spoken.keep_alive * 3 + spoken.end)
        whole = parsed(spoken, spoken.opening + spoken.content + spoken.end)
        assert parsed(spoken, stage.sent) == whole

    def test_routing_is_stated_in_a_comment_only_where_clients_accept_one(self, spoken: Spoken) -> None:
        stage = spoken.stage(timing=WITHIN_A_MINUTE).start().connected(1).wait(21)
        stage.head(1, headers=spoken.head).data(1, spoken.opening, spoken.content)
        assert (b": routed-via a/m attempts=0" in stage.sent) is (spoken.dialect is not Dialect.GEMINI)

    @pytest.mark.parametrize("how", ["stall", "cut", "end"])
    def test_half_an_answer_ends_in_one_error(self, spoken: Spoken, how: str) -> None:
        stage = spoken.stage().start().connected(1).head(1, headers=spoken.head)
        stage.data(1, spoken.opening, spoken.content + spoken.end[:9])
        match how:
            case "stall":
                stage.wait(130)
            case "cut":
                stage.failed(1, FaultKind.RESET)
            case "end":
                stage.end(1)
        *before, last = parsed(spoken, stage.sent)
        assert stage.ended
        assert is_error(spoken, last)
        assert not any(is_error(spoken, document) for document in before)
        assert stage.sent.startswith(spoken.opening + spoken.content)

    def test_the_providers_own_error_is_the_one(self, spoken: Spoken) -> None:
        stage = spoken.stage().start().connected(1).head(1, headers=spoken.head)
        stage.data(1, spoken.opening, spoken.content, spoken.error)
        assert stage.sent.startswith(spoken.opening + spoken.content + spoken.error)
        assert len(parsed(spoken, stage.sent)) == 3
        assert (stage.ended, stage.outcomes) == (True, [Outcome.STREAM_BROKEN])

    def test_when_all_fail_behind_early_headers_the_stream_says_so(self, spoken: Spoken) -> None:
        stage = spoken.stage(1, timing=WITHIN_A_MINUTE).start().connected(1).wait(36)
        stage.answers(1, 503, b"{}")
        documents = parsed(spoken, stage.sent)
        assert (stage.response.status, stage.ended) == (200, True)
        assert is_error(spoken, documents[-1])
        assert "a/m@503" in json.dumps(documents[-1])
        assert len(documents) == (2 if spoken is RESPONSES else 1)

    def test_when_all_fail_in_time_the_status_says_so(self, spoken: Spoken) -> None:
        stage = spoken.stage(1).start().connected(1).answers(1, 503, b"{}")
        assert (stage.response.status, stage.headers["content-type"]) == (502, "application/json")
        assert "error" in json.loads(stage.sent)


class TestResponses:
    def test_a_broken_answer_fails_under_the_id_it_had(self) -> None:
        stage = RESPONSES.stage().start().connected(1).head(1).data(1, RESPONSES.opening, RESPONSES.content)
        last = parsed(RESPONSES, stage.failed(1, FaultKind.RESET).sent)[-1]
        assert (last["response"]["id"], last["sequence_number"]) == ("resp_1", 2)

    def test_an_answer_that_is_not_yet_open_is_opened_once(self) -> None:
        stage = RESPONSES.stage(1, timing=WITHIN_A_MINUTE).start().connected(1).wait(21)
        created, failed = parsed(RESPONSES, stage.answers(1, 503, b"{}").sent)
        assert [created["type"], failed["type"]] == ["response.created", "response.failed"]
        assert created["response"]["id"] == failed["response"]["id"] == "resp_req-1"

    def test_openais_library_gets_comments_until_the_answer_is_open(self) -> None:
        stage = RESPONSES.stage(timing=WITHIN_A_MINUTE, headers=(("x-stainless-lang", "python"),))
        stage.start().connected(1).wait(36)
        assert stage.sent == b": keep-alive\n\n" * 2
        stage.head(1).data(1, RESPONSES.opening, RESPONSES.content).wait(16)
        assert stage.sent.endswith(PING)


class TestRequests:
    def test_messages_carry_a_version_unless_the_client_named_one(self) -> None:
        def versions(*headers: tuple[str, str]) -> list[str]:
            [launch] = ANTHROPIC.stage(headers=headers, keys={"a": ["sk-a"]}).start().effects_of(Launch)
            assert ("x-api-key", "sk-a") in launch.request.headers
            assert launch.request.url == "http://a.test/v1/messages?beta=true"
            return [value for name, value in launch.request.headers if name.lower() == "anthropic-version"]

        assert versions() == ["2023-06-01"]
        assert versions(("Anthropic-Version", "2099-01-01")) == ["2099-01-01"]

    def test_geminis_path_is_rewritten_and_the_clients_key_stays_behind(self) -> None:
        [launch] = GEMINI.stage(keys={"a": ["k-a"]}).start().effects_of(Launch)
        assert launch.request.url == "http://a.test/v1/models/m:streamGenerateContent?alt=sse"
        assert ("x-goog-api-key", "k-a") in launch.request.headers
        assert b"secret" not in launch.request.body
