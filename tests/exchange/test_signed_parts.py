"""A provider that refuses what another one has signed is asked once more without it, and is not sent it again."""

import json
from typing import Any

import pytest

from exchange.exchange_harness import JSON, SSE, ExchangeHarness
from pointsman.config.enums import Dialect
from pointsman.domain.failures import Failure
from pointsman.domain.records import Outcome
from pointsman.exchange.effects import Launch, LaunchLarge
from pointsman.routing.attempt_outcomes import Verdict, attempt_verdicts
from pointsman.wire.conversion.codec import LARGE_COPY

ANTHROPIC, RESPONSES = Dialect.ANTHROPIC, Dialect.OPENAI_RESPONSES
CHAT, GEMINI = Dialect.OPENAI_CHAT, Dialect.GEMINI
FOREIGN, OWN = "c2lnbmVkIGVsc2V3aGVyZQ", "c2lnbmVkIGhlcmU"
QUESTION: Any = {"role": "user", "content": "hi"}


def thought(signature: str = FOREIGN) -> Any:
    calls = {"type": "tool_use", "id": "toolu_1", "name": "get", "input": {}}
    return {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": signature}, calls]}


RESULT: Any = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "r"}]}
HISTORY: list[Any] = [QUESTION, thought(), RESULT]
MESSAGES: Any = {"model": "m", "max_tokens": 9, "thinking": {"type": "enabled", "budget_tokens": 1024}}
CALL: Any = {"id": "c", "type": "function", "function": {"name": "get", "arguments": "{}"}}
REQUESTS: dict[Dialect, tuple[str, Any]] = {
    ANTHROPIC: ("/v1/messages", {**MESSAGES, "messages": HISTORY}),
    RESPONSES: (
        "/v1/responses",
        {"model": "m", "input": [QUESTION, {"type": "reasoning", "encrypted_content": FOREIGN}, QUESTION]},
    ),
    GEMINI: (
        "/v1beta/models/m:generateContent",
        {"contents": [{"role": "model", "parts": [{"text": "x", "thoughtSignature": FOREIGN}]}]},
    ),
    CHAT: (
        "/v1/chat/completions",
        {
            "model": "m",
            "messages": [
                {
                    "role": "assistant",
                    "tool_calls": [{**CALL, "extra_content": {"google": {"thought_signature": FOREIGN}}}],
                }
            ],
        },
    ),
}
REFUSALS = {
    ANTHROPIC: {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": "Invalid `signature` in `thinking` block"},
    },
    RESPONSES: {
        "error": {"message": "The encrypted content gAAA could not be verified.", "code": "invalid_encrypted_content"}
    },
    GEMINI: {"error": {"code": 400, "message": "Thought signature is not valid", "status": "INVALID_ARGUMENT"}},
    CHAT: {"error": {"code": 400, "message": "Corrupted thought signature.", "status": "INVALID_ARGUMENT"}},
}
ANSWERS = {
    ANTHROPIC: {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "text", "text": "ok"}],
        "stop_reason": "end_turn",
    },
    RESPONSES: {
        "id": "resp_1",
        "object": "response",
        "status": "completed",
        "output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "ok"}]}],
    },
    GEMINI: {"candidates": [{"content": {"role": "model", "parts": [{"text": "ok"}]}, "finishReason": "STOP"}]},
    CHAT: {"choices": [{"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}]},
}


def said(document: Any) -> bytes:
    return json.dumps(document).encode()


REFUSAL, ANSWER = said(REFUSALS[ANTHROPIC]), said(ANSWERS[ANTHROPIC])


def stage_of(dialect: Dialect = ANTHROPIC, *, request: Any = None, **more: Any) -> ExchangeHarness:
    path, plain = REQUESTS[dialect]
    told = {"stream": False, "session": "s", "count": 2, **more}
    return ExchangeHarness(dialect=dialect, path=path, request=said(request or plain), **told).start()


def sent(stage: ExchangeHarness, n: int) -> str:
    return stage.effects_of(Launch)[n - 1].request.body.decode()


@pytest.mark.parametrize("dialect", Dialect)
def test_it_is_asked_once_more_without(dialect: Dialect) -> None:
    stage = stage_of(dialect).answers(1, 400, said(REFUSALS[dialect]))
    assert stage.launched == ["a", "a"]
    assert (FOREIGN in sent(stage, 1), FOREIGN in sent(stage, 2)) == (True, False)
    stage.answers(2, 200, said(ANSWERS[dialect]))
    assert (stage.response.status, stage.outcomes) == (200, [Outcome.RETRY_FAILED, Outcome.RETRY_SUCCESS])
    assert stage.records[0].failure is Failure.FOREIGN_STATE
    assert stage.headers["x-fallback-trail"] == "a/m@400"


def test_it_costs_the_provider_nothing() -> None:
    stage = stage_of(more={"protection": "provider-ban"}).answers(1, 400, REFUSAL).answers(2, 200, ANSWER)
    assert stage.router.cooldowns_to_dict(stage.now, stage.now) == {"targets": [], "keys": []}
    [session] = stage.router.sessions_to_list(stage.now, stage.now)
    assert (session["failures"], session["bans"], session["pin"]["provider"]) == ({}, [], "a")
    assert attempt_verdicts(stage.records) == (Verdict.NOTHING, Verdict.SUCCESS)


def test_the_provider_is_not_sent_it_again_in_the_session_but_what_it_signed_itself() -> None:
    first = stage_of().answers(1, 400, REFUSAL).answers(2, 200, ANSWER)
    later = [*HISTORY, thought(OWN), RESULT]
    again = stage_of(request={**MESSAGES, "messages": later}, router=first.router)
    assert (FOREIGN in sent(again, 1), OWN in sent(again, 1)) == (False, True)
    assert json.loads(sent(again, 1))["thinking"]["type"] == "enabled"


@pytest.mark.parametrize(("more", "leaves_out"), [({}, True), ({"session": "other"}, False)])
def test_other_sessions_and_other_providers_still_get_it(more: dict[str, Any], leaves_out: bool) -> None:
    first = stage_of().answers(1, 400, REFUSAL).answers(2, 200, ANSWER)
    again = stage_of(router=first.router, **more)
    assert (FOREIGN not in sent(again, 1)) is leaves_out
    again.answers(1, 503)
    assert again.launched == ["a", "b"]
    assert FOREIGN in sent(again, 2)


def test_refused_alike_without_it_the_next_one_is_asked() -> None:
    stage = stage_of().answers(1, 400, REFUSAL).answers(2, 400, REFUSAL)
    assert stage.launched == ["a", "a", "b"]
    assert FOREIGN in sent(stage, 3)
    stage.answers(3, 200, ANSWER)
    assert (stage.response.status, stage.headers["x-endpoint"]) == (200, "b")


def test_if_all_say_the_same_the_first_ones_answer_goes_out() -> None:
    refusals = [REFUSAL.replace(b"Invalid `sig", b"%d: Invalid `sig" % n) for n in range(4)]
    stage = stage_of()
    for n, refusal in enumerate(refusals, 1):
        stage.answers(n, 400, refusal)
    assert stage.launched == ["a", "a", "b", "b"]
    assert (stage.response.status, stage.sent) == (400, refusals[0])


@pytest.mark.parametrize("signature_first", [True, False])
def test_a_parameter_is_left_out_as_well(signature_first: bool) -> None:
    parameter = said({"type": "error", "error": {"message": "`top_k` is deprecated for this model."}})
    refusals = [REFUSAL, parameter] if signature_first else [parameter, REFUSAL]
    stage = stage_of(request={**MESSAGES, "messages": HISTORY, "top_k": 5})
    stage.answers(1, 400, refusals[0]).answers(2, 400, refusals[1]).answers(3, 200, ANSWER)
    assert (stage.launched, stage.response.status) == (["a", "a", "a"], 200)
    assert [(FOREIGN in sent(stage, n), "top_k" in sent(stage, n)) for n in (1, 2, 3)] == [
        (True, True),
        (not signature_first, signature_first),
        (False, False),
    ]


@pytest.mark.parametrize(("client", "provider"), [(CHAT, GEMINI), (GEMINI, CHAT)])
def test_signatures_that_cross_dialects_are_left_out_too(client: Dialect, provider: Dialect) -> None:
    call: Any = {"functionCall": {"name": "get", "args": {}}, "thoughtSignature": FOREIGN}
    result: Any = {"functionResponse": {"name": "get", "response": {"output": "r"}}}
    told: dict[Dialect, Any] = {
        CHAT: {
            "model": "gemini-3-pro",
            "messages": [
                QUESTION,
                *REQUESTS[CHAT][1]["messages"],
                {"role": "tool", "tool_call_id": "c", "content": "r"},
            ],
        },
        GEMINI: {
            "contents": [
                {"role": "user", "parts": [{"text": "hi"}]},
                {"role": "model", "parts": [call]},
                {"role": "user", "parts": [result]},
            ]
        },
    }
    path = REQUESTS[client][0].replace("models/m:", "models/gemini-3-pro:")
    models: Any = {"models": [{"id": "gemini-3-pro", "intelligence": 1}]}
    more: Any = {"dialect": client, "path": path, "request": said(told[client]), "more": models}
    more |= {"stream": False, "session": "s", "speaks": {"a": provider}}
    stage = ExchangeHarness(1, **more).start()
    stage.answers(1, 400, said(REFUSALS[provider])).answers(2, 200, said(ANSWERS[provider]))
    assert (stage.launched, stage.response.status) == (["a", "a"], 200)
    assert (FOREIGN in sent(stage, 1), FOREIGN in sent(stage, 2)) == (True, False)
    again = ExchangeHarness(1, router=stage.router, **more).start()
    assert FOREIGN not in sent(again, 1)


def test_without_signed_parts_there_is_nothing_to_repeat() -> None:
    stage = stage_of(request={"model": "m", "max_tokens": 9, "messages": [QUESTION]}).answers(1, 400, REFUSAL)
    assert stage.launched == ["a", "b"]


def test_a_thought_that_the_client_left_out_is_not_asked_for_again() -> None:
    bare = {"role": "assistant", "content": thought()["content"][1:]}
    missing = REFUSAL.replace(b"Invalid `signature` in `thinking` block", b"Expected `thinking`, but found `tool_use`")
    stage = stage_of(request={**MESSAGES, "messages": [QUESTION, bare, RESULT]}).answers(1, 400, missing)
    assert stage.launched == ["a", "a"]
    assert json.loads(sent(stage, 2))["thinking"] == {"type": "disabled"}


def test_a_stream_that_begins_with_the_refusal_is_repeated_too() -> None:
    wrapped = b"event: error\ndata: " + REFUSAL + b"\n\n"
    stage = stage_of(stream=True, request={**REQUESTS[ANTHROPIC][1], "stream": True})
    stage.head(1, 200, SSE).data(1, wrapped)
    assert stage.launched == ["a", "a"]
    assert FOREIGN not in sent(stage, 2)


def test_a_repeat_that_fails_otherwise_fails_as_ever() -> None:
    stage = stage_of().answers(1, 400, REFUSAL).answers(2, 503)
    assert stage.launched == ["a", "a", "b"]
    assert [each["provider"] for each in stage.router.cooldowns_to_dict(stage.now, stage.now)["targets"]] == ["a"]


def test_a_large_request_is_repeated_too() -> None:
    text = {"role": "user", "content": "x" * LARGE_COPY}
    request = {**MESSAGES, "messages": [text, *HISTORY]}
    stage = stage_of(request=request)
    stage.made(1).answers(1, 400, REFUSAL, JSON)
    assert stage.records[0].failure is Failure.FOREIGN_STATE
    [_, repeat] = stage.effects_of(LaunchLarge)
    assert FOREIGN not in repeat.make().body.decode()


@pytest.mark.parametrize(("number", "code"), [(503, "upstream_error"), (404, "invalid_request")])
def test_a_holders_error_that_comes_late_is_an_error_frame(number: int, code: str) -> None:
    asked = {"model": "m", "stream": True, "input": "hi"}
    first = stage_of(RESPONSES, request={**asked, "stream": False}).answers(1, 200, said(ANSWERS[RESPONSES]))
    stage = stage_of(
        RESPONSES,
        request={**asked, "previous_response_id": "resp_1"},
        stream=True,
        router=first.router,
        timing={"early_headers": "1s"},
    )
    stage.wait(2).answers(1, number, said(REFUSALS[RESPONSES]))
    assert (stage.launched, stage.ended) == (["a"], True)
    assert code.encode() in stage.sent
