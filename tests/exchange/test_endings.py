"""How an exchange ends when no provider answers, when the request is at fault, when the client leaves, when we fail."""

import json

import pytest

from exchange.exchange_harness import DONE, JSON, ROLE, SSE, STOP, WALL, ExchangeHarness, event
from pointsman.config.enums import Dialect
from pointsman.domain.failures import Failure
from pointsman.wire.errors import Code, FaultKind, Problem


def told(stage: ExchangeHarness) -> dict:
    return json.loads(stage.sent)["error"]


class TestExhaustion:
    @pytest.mark.parametrize(
        ("statuses", "status", "code"),
        [
            ([503, 500], 502, "upstream_error"),
            ([429, 429], 429, "rate_limited"),
            ([401, 403], 502, "provider_auth"),
            ([504, 504], 504, "upstream_timeout"),
            ([429, 503], 502, "upstream_error"),
            ([404, 503], 502, "upstream_error"),
        ],
    )
    def test_its_status_is_true(self, statuses, status, code):
        stage = ExchangeHarness(2).start().answers(1, statuses[0]).answers(2, statuses[1])
        assert stage.response.status == status
        assert told(stage)["code"] == code
        assert told(stage)["trail"] == f"a/m@{statuses[0]} b/m@{statuses[1]}"
        assert stage.headers["x-fallback-attempts"] == "2"
        assert "x-routed-via" not in stage.headers
        assert "x-endpoint" not in stage.headers
        assert stage.headers["content-length"] == str(len(stage.sent))

    def test_the_smallest_stated_wait_is_passed_on(self):
        stage = (
            ExchangeHarness(2)
            .start()
            .answers(1, 429, b"", {"retry-after": "30"})
            .answers(2, 429, b"", {"retry-after": "2.5"})
        )
        assert stage.headers["retry-after"] == "3"

    def test_after_content_a_stated_wait_counts_by_the_clock_of_its_provider(self):
        error = b'data: {"error":{"code":429,"message":"m","resets_at":1700000060}}\n\n'
        behind = {**SSE, "date": "Tue, 14 Nov 2023 22:03:20 GMT"}
        stage = ExchangeHarness(1).start().head(1, 200, behind).data(1, ROLE, event("hi"), error)
        assert stage.outcomes == ["stream_broken"]
        [cooldown] = stage.router.cooldowns_to_dict(stage.now, WALL)["targets"]
        assert cooldown["until"] - cooldown["since"] == 660.0

    @pytest.mark.parametrize("said", ["the answer was truncated", "context length exceeded", "quota exceeded"])
    def test_whatever_ends_a_stream_after_content_is_a_break_of_its_target(self, said):
        error = b'data: {"error":{"code":500,"message":"%s"}}\n\n' % said.encode()
        stage = ExchangeHarness(1, session="s").start().head(1).data(1, ROLE, event("hi"), error)
        assert (stage.outcomes, [record.failure for record in stage.records]) == (["stream_broken"], [Failure.BROKEN])
        assert stage.exchange.plan.binding.session.pin is None

    def test_the_trail_is_at_most_a_kibibyte(self):
        keys = {name: [f"{name}-secret-{i}" for i in range(20)] for name in "abcdefghij"}
        stage = ExchangeHarness(10, keys=keys, routing={"max_attempts": 100}).start()
        for n in range(1, 101):
            stage.head(n).data(n, b'data: {"error":{"code":429,"message":"busy"}}\n\n')
        assert stage.ended
        assert 1000 < len(stage.headers["x-fallback-trail"]) <= 1024
        assert stage.headers["x-fallback-trail"].endswith("b/m@wrapped_429 ...")


class TestKeys:
    @pytest.mark.parametrize("status", [401, 429])
    def test_the_next_key_of_the_same_target_comes_first(self, status):
        stage = ExchangeHarness(2, keys={"a": ["first-secret", "second-secret"]}).start().answers(1, status)
        assert stage.launched == ["a", "a"]
        assert [r.key for r in stage.records] == ["key-1"]
        stage.answers(2, status)
        assert stage.launched == ["a", "a", "b"]

    def test_another_failure_skips_the_target_with_all_its_keys(self):
        stage = ExchangeHarness(2, keys={"a": ["first-secret", "second-secret"]}).start().failed(1)
        assert stage.launched == ["a", "b"]


class TestClientErrors:
    @pytest.mark.parametrize("status", [400, 422])
    def test_the_providers_answer_goes_out_unchanged(self, status):
        body = b'{"error":{"message":"unknown tool type","type":"x","odd":[1]}}'
        stage = (
            ExchangeHarness()
            .start()
            .answers(1, status, body, {**JSON, "x-request-id": "theirs", "set-cookie": "a=b", "openai-version": "1"})
        )
        assert stage.response.status == status
        assert stage.sent == body
        assert stage.launched == ["a"]
        assert stage.headers["x-routed-via"] == "a/m"
        assert stage.headers["x-provider-request-id"] == "theirs"
        assert stage.headers["openai-version"] == "1"
        assert "set-cookie" not in stage.headers
        assert stage.outcomes == ["client_error_non_retryable"]

    ALIKE = (
        (403, b"<html>Sorry, you have been blocked</html>"),
        (404, b"<html>no such page</html>"),
        (404, b'{"error":{"message":"No endpoints found that support tool use."}}'),
        (402, b'{"error":{"message":"This request requires more credits, or fewer max_tokens."}}'),
        (405, b'{"error":{"message":"not here"}}'),
        (413, b"<html>413 Request Entity Too Large</html>"),
        (400, b'{"error":{"message":"Content management policy","code":"content_filter"}}'),
        (400, b'{"error":{"message":"Unsupported parameter: logprobs"}}'),
    )

    @pytest.mark.parametrize(("status", "body"), ALIKE)
    def test_where_all_say_the_same_the_first_answer_goes_out_unchanged(self, status, body):
        stage = ExchangeHarness(2).start().answers(1, status, body, {"content-type": "text/html"})
        assert (stage.launched, stage.sent) == (["a", "b"], b"")
        stage.answers(2, status, body.replace(b" ", b"  "))
        assert (stage.response.status, stage.sent) == (status, body)
        assert stage.headers["x-routed-via"] == "a/m"
        assert stage.headers["x-fallback-trail"] == f"b/m@{status}"
        assert stage.router.cooldowns_to_dict(stage.now, WALL) == {"targets": [], "keys": []}

    @pytest.mark.parametrize(("status", "body"), ALIKE)
    def test_where_another_one_takes_the_request_its_answer_does(self, status, body):
        stage = ExchangeHarness(2).start().answers(1, status, body).head(2).data(2, ROLE, event("hi"), STOP, DONE)
        assert stage.response.status == 200

    @pytest.mark.parametrize("other", [400, 403, 413, 503])
    def test_where_they_differ_the_error_is_the_routers(self, other):
        body = b'{"error":{"message":"Unsupported parameter: logprobs"}}' if other == 400 else b""
        stage = ExchangeHarness(2).start().answers(1, 404, b"<html>").answers(2, other, body)
        assert (stage.response.status, told(stage)["code"]) == (502, "upstream_error")

    @pytest.mark.parametrize("code", ["content_filter", "content_policy_violation"])
    @pytest.mark.parametrize(("setting", "asked"), [("final", ["a"]), ("next", ["a", "b"])])
    def test_content_ends_it_or_not_as_it_is_configured(self, code, setting, asked):
        body = b'{"error":{"message":"No","code":"%s"}}' % code.encode()
        stage = ExchangeHarness(2, routing={"content_filter": setting}).start().answers(1, 400, body)
        assert stage.launched == asked
        if setting == "next":
            stage.answers(2, 400, b" " + body)
        assert (stage.response.status, stage.sent) == (400, body)

    def test_by_default_only_the_policy_of_the_models_maker_is_final(self):
        for code, asked in ((b"content_filter", ["a", "b"]), (b"content_policy_violation", ["a"])):
            stage = ExchangeHarness(2).start().answers(1, 400, b'{"error":{"message":"No","code":"%s"}}' % code)
            assert stage.launched == asked

    @pytest.mark.parametrize(("named", "cools"), [("other", ["model_gone"]), ("m", [])])
    def test_a_model_is_gone_by_the_name_that_its_provider_was_asked_for(self, named, cools):
        rules = {"a": [{"source": "m", "target": "other", "match": "exact"}]}
        body = b'{"error":{"message":"The model `%s` does not exist"}}' % named.encode()
        stage = ExchangeHarness(2, redirects=rules).start().answers(1, 404, body)
        assert stage.launched == ["a", "b"]
        rows = stage.router.cooldowns_to_dict(stage.now, WALL)["targets"]
        assert [row["reason"] for row in rows] == cools

    def test_configured_secrets_are_masked(self):
        stage = (
            ExchangeHarness(1, keys={"a": ["sk-very-secret"]})
            .start()
            .answers(1, 400, b'{"error":{"message":"key sk-very-secret may not"}}')
        )
        assert b"sk-very-secret" not in stage.sent
        assert b"may not" in stage.sent

    def test_secrets_are_masked_in_records_and_exhaustion_too(self):
        stage = (
            ExchangeHarness(1, keys={"a": ["sk-very-secret"]})
            .start()
            .answers(1, 500, b'{"error":{"message":"key sk-very-secret broke"}}')
        )
        assert b"sk-very-secret" not in stage.sent
        assert "sk-very-secret" not in json.dumps([record.to_dict() for record in stage.records])

    def test_a_wrapped_client_error_is_reported_in_our_words(self):
        stage = ExchangeHarness(stream=False).start().answers(1, 200, b'{"error":{"message":"bad schema","code":400}}')
        assert stage.response.status == 400
        assert told(stage)["message"] == "bad schema"
        assert stage.launched == ["a"]


class TestClientGone:
    @pytest.mark.parametrize("steps", ["launched", "connected", "head", "held", "committed", "early"])
    def test_every_attempt_is_cancelled_at_once_without_a_failure(self, steps):
        stage = ExchangeHarness().start()
        {
            "launched": lambda: stage,
            "connected": lambda: stage.connected(1),
            "head": lambda: stage.head(1),
            "held": lambda: stage.head(1).data(1, ROLE),
            "committed": lambda: stage.head(1).data(1, event("x")),
            "early": lambda: stage.connected(1).wait(20),
        }[steps]()
        sent = stage.sent
        stage.client_gone()
        assert stage.ended
        assert stage.cancelled == [1]
        assert stage.outcomes == ["client_abort"]
        assert stage.records[0].error is None
        assert stage.sent == sent
        assert stage.exchange.next_tick_at is None
        assert not stage.exchange.running_candidates

    def test_late_words_change_nothing(self):
        stage = ExchangeHarness().start().head(1).client_gone()
        before = list(stage.effects)
        stage.data(1, event("x")).end(1).failed(1).client_gone().wait(500)
        assert stage.effects == before


CRASH = Problem(Code.INTERNAL_ERROR, "sorry")


class TestOurOwnFailure:
    def test_before_anything_is_out_it_is_a_502(self):
        stage = ExchangeHarness().start()
        stage.effects += stage.exchange.fail_with(CRASH, stage.now)
        assert stage.response.status == 502
        assert told(stage)["code"] == "internal_error"
        assert told(stage)["message"] == "sorry"
        assert stage.cancelled == [1]

    def test_in_a_stream_it_is_an_error_frame(self):
        stage = ExchangeHarness().start().head(1, 200, SSE).data(1, event("x"))
        stage.effects += stage.exchange.fail_with(CRASH, stage.now)
        assert stage.sent.startswith(event("x") + b'data: {"error"')
        assert stage.sent.endswith(DONE)
        assert stage.ended


def test_a_record_has_the_attempts_times_in_milliseconds_after_its_start():
    stage = ExchangeHarness().start().wait(1).failed(1, FaultKind.REFUSED, "no way")
    stage.wait(0.5).connected(2).wait(0.25).head(2).wait(0.25).data(2, event("x")).wait(1).data(2, STOP, DONE)
    first, second = (record.to_dict() for record in stage.records)
    assert first["started"] == 1_700_000_000.0
    assert first["settled_ms"] == 1000.0
    assert first["error"] == "connect_refused"
    assert first["message"] == "no way"
    assert second["started"] == 1_700_000_001.0
    assert [second[k] for k in ("connected_ms", "first_byte_ms", "first_content_ms", "settled_ms")] == [
        500.0,
        750.0,
        1000.0,
        2000.0,
    ]
    assert second["base_url"] == "http://b.test/v1"
    assert second["bytes"] == len(event("x") + STOP + DONE)
    assert second["finish_reason"] == "stop"
    assert second["redirect"] is None


def test_the_exchanges_record_lists_its_attempts_and_exclusions():
    stage = ExchangeHarness().start().answers(1, 503).head(2).data(2, event("x"), STOP, DONE)
    record = stage.exchange.to_record().to_dict()
    assert record["status"] == 200
    assert record["error"] is None
    assert [a["outcome"] for a in record["attempts"]] == ["retry_failed", "retry_success"]
    [left_out] = record["excluded"]
    assert (left_out["provider"], left_out["model"], left_out["key"]) == ("a", "m", None)
    assert (left_out["reason"], left_out["detail"]) == ("skipped_key", "503")
    assert left_out["until"] == 1_700_000_015.0


class TestAnswerIds:
    """The client may refer to a whole answer by its id."""

    @staticmethod
    def stage(monkeypatch: pytest.MonkeyPatch) -> tuple[ExchangeHarness, list[str]]:
        request = b'{"model":"m","stream":false,"input":"hi"}'
        responses = {"dialect": Dialect.OPENAI_RESPONSES, "path": "/v1/responses", "stream": False}
        stage = ExchangeHarness(1, request=request, **responses).start()
        told: list[str] = []
        monkeypatch.setattr(
            type(stage.exchange.plan), "on_answer_id", lambda plan, answer_id, *_: told.append(answer_id)
        )
        return stage, told

    def test_the_plan_has_it_when_the_answer_is_complete(self, monkeypatch: pytest.MonkeyPatch) -> None:
        stage, told = self.stage(monkeypatch)
        content = [{"type": "output_text", "text": "hello", "annotations": []}]
        item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content}
        answer = {"id": "resp_1", "object": "response", "status": "completed", "model": "m", "output": [item]}
        stage.answers(1, 200, json.dumps(answer).encode())
        assert stage.ended
        assert told == ["resp_1"]

    def test_it_does_not_know_one_that_failed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        stage, told = self.stage(monkeypatch)
        stage.answers(1, 503, b'{"id": "resp_1", "error": {"message": "busy"}}')
        assert told == []
