"""A stream that breaks goes on with another target, once: what the client sees, what is recorded, and whatever comes
between.
"""

import json
from typing import Any

import pytest

from exchange.exchange_harness import DONE, JSON, LENGTH, ROLE, STOP, WALL, ExchangeHarness, event
from pointsman.clients.clients import Clients
from pointsman.config.enums import Dialect
from pointsman.domain.failures import Failure
from pointsman.exchange.effects import Launch, Send
from pointsman.wire.errors import Code, FaultKind, Problem
from pointsman.wire.frames import Usage
from pointsman.wire.request_options import RequestOptions
from support.settings import provider, settings

SAID = "The quick brown fox jumps over the lazy dog"
PREFILL = {"models": [{"id": "m", "prefill": True}]}
BUSY = b'data: {"error":{"code":503,"message":"overloaded"}}\n\n'
USAGE = b'data: {"id":"d","choices":[],"usage":{"prompt_tokens":90,"completion_tokens":7,"total_tokens":97}}\n\n'


def broken(recover: str = "prefill", count: int = 2, said: str = SAID, **more: Any) -> ExchangeHarness:
    """The first answer has said something, and breaks off."""
    return begun(recover, count, said, **more).failed(1)


def begun(recover: str = "prefill", count: int = 2, said: str = SAID, **more: Any) -> ExchangeHarness:
    given = {"more": PREFILL, **more}
    timing = {"recover": recover, **given.pop("timing", {})}
    return ExchangeHarness(count, timing=timing, **given).start().head(1).data(1, ROLE, event(said))


def contents(stage: ExchangeHarness) -> str:
    chunks = [json.loads(line[6:]) for line in stage.sent.split(b"\n") if line.startswith(b"data: {")]
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk.get("choices", ()))


def asked(stage: ExchangeHarness) -> dict[str, Any]:
    """The request of the second attempt."""
    return json.loads(stage.effects_of(Launch)[1].request.body)


class TestPrefill:
    def test_another_target_goes_on(self):
        stage = broken().head(2).data(2, ROLE, event(" and sleeps."), STOP, DONE)
        assert stage.launched == ["a", "b"]
        assert asked(stage)["messages"][-1] == {"role": "assistant", "content": SAID}
        assert contents(stage) == f"{SAID} and sleeps."
        assert stage.outcomes == ["stream_broken", "stream_continued"]
        assert stage.sent.count(b'"role"') == 1
        assert stage.sent.count(b"[DONE]") == 1
        assert b'"id":"d"' not in stage.sent
        assert stage.ended

    def test_the_comment_and_the_audit_say_so(self):
        stage = broken().head(2).data(2, event(" and sleeps."), STOP, DONE)
        assert f"\n: continued-on b/m after={len(SAID)}\n\n".encode() in stage.sent
        first, second = (record.to_dict() for record in stage.records)
        assert "recovery" not in first
        assert "continues" not in first
        expected = {"continues": 1, "method": "prefill", "prefix_chars": len(SAID), "trimmed": 0}
        assert {name: second[name] for name in expected} == expected
        record = stage.exchange.to_record()
        assert (record.status, record.error) == (200, None)

    def test_white_space_at_the_cut_is_owed(self):
        stage = broken(said=f"{SAID} ").head(2).data(2, event(" and"), event(" sleeps."), STOP, DONE)
        assert asked(stage)["messages"][-1]["content"] == SAID
        assert contents(stage) == f"{SAID} and sleeps."
        assert stage.records[-1].to_dict()["trimmed"] == 1

    def test_an_echo_is_dropped(self):
        stage = broken().head(2).data(2, event(SAID[:20]), event(SAID[20:]), event(" and sleeps."), STOP, DONE)
        assert contents(stage) == f"{SAID} and sleeps."

    def test_usage_is_that_of_both(self):
        request = (
            b'{"model":"m","stream":true,"stream_options":{"include_usage":true},'
            b'"messages":[{"role":"user","content":"hi"}]}'
        )
        stage = broken(request=request).head(2).data(2, event(" and sleeps."), STOP, USAGE, DONE)
        told = json.loads(stage.sent.split(b"data: ")[-2])["usage"]
        first, second = stage.records
        assert first.usage
        assert second.usage
        assert (second.usage.prompt, second.usage.output) == (90, 7)
        assert told["completion_tokens"] == first.usage.output + 7
        assert told["prompt_tokens"] == 90 - first.usage.output
        assert told["total_tokens"] == told["prompt_tokens"] + told["completion_tokens"]

    def test_the_words_that_ask_for_the_rest_are_no_part_of_the_prompt(self):
        request = (
            b'{"model":"m","stream":true,"stream_options":{"include_usage":true},'
            b'"messages":[{"role":"user","content":"hi"}]}'
        )
        stage = broken("any", more={}, request=request)
        instruction = len(asked(stage)["messages"][-1]["content"])
        stage.head(2).data(2, event(SAID), event(" and sleeps."), STOP, USAGE.replace(b":90", b":900"), DONE)
        told = json.loads(stage.sent.split(b"data: ")[-2])["usage"]
        assert told["prompt_tokens"] == pytest.approx(900 - len(SAID) / 4 - instruction / 4, abs=2)

    def test_one_that_is_cancelled_is_billed_for_the_text_so_far_too(self):
        first, second = (each.usage for each in broken().connected(2).client_gone().records)
        assert first
        assert second
        assert second.input == pytest.approx(first.input + len(SAID) / 4, abs=1)

    def test_the_limit_is_lowered_by_what_is_written(self):
        request = b'{"model":"m","stream":true,"max_tokens":100,"messages":[{"role":"user","content":"hi"}]}'
        assert asked(broken(request=request))["max_tokens"] == 100 - 11

    @pytest.mark.parametrize(
        ("prefill", "marks"),
        [
            ("prefix", {"prefix": True}),
            ("continue_final_message", {"continue_final_message": True, "add_generation_prompt": False}),
        ],
    )
    def test_the_message_is_marked_as_the_model_wants_it(self, prefill, marks):
        document = asked(broken(more={"models": [{"id": "m", "prefill": prefill}]}))
        assert {**document, **document["messages"][-1]}.items() >= marks.items()


class TestAnchor:
    def test_a_model_without_prefill_repeats_the_last_words_first(self):
        stage = broken("any", more={}).head(2).data(2, event("\\n"), event(SAID), event(" and sleeps."), STOP, DONE)
        *_, answer, instruction = asked(stage)["messages"]
        assert answer == {"role": "assistant", "content": SAID}
        assert instruction["role"] == "user"
        assert instruction["content"].endswith(SAID[-48:])
        assert contents(stage) == f"{SAID} and sleeps."
        assert stage.records[-1].to_dict()["method"] == "anchor"

    def test_without_them_the_answer_ends_as_it_broke_off(self):
        stage = broken("any", more={}).head(2).data(2, event(" and sleeps for a while. " * 9))
        assert contents(stage) == SAID
        assert stage.outcomes == ["stream_broken", "retry_failed"]
        assert stage.records[-1].failure is Failure.UNUSABLE
        assert stage.cancelled[-1] == 2
        assert stage.sent.count(b'"code": "stream_broken"') == 1
        assert stage.ended

    def test_an_answer_that_was_whole_ends_well(self):
        stage = broken("any", more={}).head(2).data(2, event(SAID), STOP, DONE)
        assert (contents(stage), stage.outcomes[-1]) == (SAID, "stream_continued")

    def test_prefill_alone_does_not_ask_such_a_model(self):
        stage = broken("prefill", more={})
        assert stage.launched == ["a"]
        assert stage.records[0].to_dict()["recovery"] == "no_candidate"


class TestWhyNot:
    @pytest.mark.parametrize(
        ("members", "reason"),
        [
            ({"n": 2}, "several_choices"),
            ({"logprobs": True}, "logprobs"),
            ({"response_format": {"type": "json_object"}}, "json_format"),
            ({"tool_choice": "required", "tools": []}, "forced_tool"),
            ({"max_tokens": 11}, "no_room"),
            ({"guided_json": {"type": "object"}}, "json_format"),
            ({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}, "own_prefill"),
        ],
    )
    def test_a_request_may_stand_against_it(self, members, reason):
        document = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}], **members}
        stage = broken(request=json.dumps(document).encode())
        assert stage.launched == ["a"]
        assert stage.records[0].to_dict()["recovery"] == reason
        assert stage.sent.count(b'"code": "stream_broken"') == 1

    @pytest.mark.parametrize(
        ("delta", "reason"),
        [
            ({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}}]}, "tool_call"),
            ({"reasoning_content": "hm"}, "thinking"),
            ({"reasoning_details": [{"type": "reasoning.text", "signature": "s"}]}, "thinking"),
            ({"refusal": "no"}, "refusal"),
            ({"audio": {"id": "x"}}, "not_text"),
        ],
    )
    def test_the_answer_may_stand_against_it(self, delta, reason):
        chunk = {"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        stage = begun().data(1, b"data: " + json.dumps(chunk).encode() + b"\n\n").failed(1)
        assert stage.launched == ["a"]
        assert stage.records[0].to_dict()["recovery"] == reason

    def test_thoughts_before_the_text_do_not(self):
        chunk = b'data: {"id":"c","choices":[{"index":0,"delta":{"reasoning_content":"hm"},"finish_reason":null}]}\n\n'
        stage = ExchangeHarness(2, timing={"recover": "prefill"}, more=PREFILL).start().head(1)
        assert stage.data(1, ROLE, chunk, event(SAID)).failed(1).launched == ["a", "b"]

    def test_a_filter_is_not_passed_over(self):
        error = b'data: {"error":{"code":"content_filter","message":"The response was filtered"}}\n\n'
        stage = begun().data(1, error)
        assert stage.launched == ["a"]
        assert stage.records[0].to_dict()["recovery"] == "filtered"

    @pytest.mark.parametrize(("said", "reason"), [("Hi.", "too_short"), ("ha " * 30, "repeats_itself")])
    def test_a_text_without_an_anchor(self, said, reason):
        stage = broken("any", said=said, more={})
        assert (stage.launched, stage.records[0].to_dict()["recovery"]) == (["a"], reason)


class TestOff:
    def test_by_default_nothing_runs_and_the_audit_does_not_speak_of_it(self):
        on, off = broken("prefill", more={}), broken("off")
        assert off.sent == on.sent
        assert off.launched == ["a"]
        assert "recovery" not in off.records[0].to_dict()
        assert off.exchange.to_record().recovery is None

    def test_a_providers_own_error_goes_out_in_one_piece_with_the_text_before_it(self):
        off = begun("off").data(1, event(" and") + BUSY)
        assert [each.data for each in off.effects_of(Send)][-2:] == [event(" and") + BUSY, DONE]
        on = begun("prefill", more={}).data(1, event(" and") + BUSY)
        assert on.sent == off.sent

    def test_a_request_can_say_no(self):
        stage = broken(options=RequestOptions(recover=False))
        assert stage.launched == ["a"]
        assert stage.records[0].to_dict()["recovery"] == "off"
        assert stage.sent == broken("off").sent

    def test_a_request_without_fallback_is_not_continued_elsewhere(self):
        stage = broken("any", options=RequestOptions(fallback=False))
        assert stage.launched == ["a"]
        assert stage.records[0].to_dict()["recovery"] == "no_candidate"
        assert stage.sent == broken("off").sent


class TestOnce:
    def test_the_second_break_is_the_last(self):
        stage = broken(count=3).head(2).data(2, event(" and sleeps")).failed(2)
        assert stage.launched == ["a", "b"]
        assert contents(stage) == f"{SAID} and sleeps"
        assert stage.outcomes == ["stream_broken", "stream_broken"]
        assert stage.records[-1].to_dict()["recovery"] == "already_continued"
        assert stage.sent.count(b'"code": "stream_broken"') == 1
        assert stage.ended

    @pytest.mark.parametrize("how", ["status", "connection", "silence", "empty", "unfinished"])
    def test_if_the_second_fails_the_answer_ends_as_today(self, how):
        today = broken("off").sent
        stage = broken(count=3)
        match how:
            case "status":
                stage.answers(2, 503)
            case "connection":
                stage.failed(2)
            case "silence":
                before = stage.sent
                stage.wait(61)
                assert stage.sent.startswith(before)
            case "empty":
                stage.head(2).data(2, ROLE, STOP, DONE)
            case "unfinished":
                stage.head(2).data(2, ROLE).end(2)
        assert stage.launched == ["a", "b"]
        assert stage.sent.replace(b": keep-alive\n\n", b"") == today
        assert stage.outcomes == ["stream_broken", "retry_failed"]
        assert stage.ended

    def test_what_the_first_provider_said_of_its_error_goes_out_then(self):
        stage = begun().data(1, BUSY)
        assert BUSY not in stage.sent
        stage.answers(2, 503)
        assert stage.sent.endswith(BUSY + DONE)

    def test_and_not_if_the_answer_goes_on(self):
        stage = begun().data(1, BUSY).head(2).data(2, event(" and sleeps."), STOP, DONE)
        assert BUSY not in stage.sent
        assert contents(stage) == f"{SAID} and sleeps."


class TestInBetween:
    def test_keep_alives_fill_the_gap(self):
        stage = broken().connected(2)
        before = len(stage.sent)
        stage.wait(31)
        assert stage.sent[before:] == b": keep-alive\n\n" * 2
        stage.head(2).data(2, event(" and sleeps."), STOP, DONE)
        assert contents(stage) == f"{SAID} and sleeps."

    def test_a_stall_is_a_break(self):
        stage = begun().wait(61)
        assert stage.launched == ["a", "b"]
        stage.head(2).data(2, event(" and sleeps."), STOP, DONE)
        assert stage.outcomes == ["stream_stalled", "stream_continued"]

    def test_the_client_leaves(self):
        stage = broken().client_gone()
        assert stage.outcomes == ["stream_broken", "client_abort"]
        assert stage.cancelled[-1] == 2
        assert stage.exchange.next_tick_at is None

    def test_the_client_is_slow(self):
        stage = broken().client_backlog(100_000).wait(200).client_backlog(0)
        assert stage.outcomes == ["stream_broken"]
        stage.head(2).data(2, event(" and sleeps."), STOP, DONE)
        assert contents(stage) == f"{SAID} and sleeps."

    def test_the_router_shuts_down(self):
        stage = broken()
        stage._apply(stage.exchange.fail_with(Problem(Code.SHUTTING_DOWN, "over"), stage.now))
        assert stage.ended
        assert stage.sent.count(b'"code": "shutting_down"') == 1
        assert stage.sent.endswith(DONE)

    def test_neither_the_deadline_nor_the_number_of_attempts_stand_against_it(self):
        stage = begun(routing={"max_attempts": 1, "deadline": "5s"}).wait(20).failed(1)
        assert stage.launched == ["a", "b"]

    def test_it_is_not_raced(self):
        stage = broken(count=3, hedge={"after": "1s"}).wait(20)
        assert stage.launched == ["a", "b"]

    def test_a_hedge_that_was_in_flight_is_over_by_then(self):
        stage = ExchangeHarness(3, timing={"recover": "prefill"}, more=PREFILL, hedge={"after": "1s"}).start()
        stage.head(1).wait(2).head(2).data(2, event(SAID)).failed(2)
        assert stage.launched == ["a", "b", "a"]
        stage.head(3).data(3, event(" and sleeps."), STOP, DONE)
        assert stage.outcomes[-2:] == ["stream_broken", "stream_continued"]

    def test_the_second_answer_may_reach_its_limit(self):
        stage = broken().head(2).data(2, event(" and"), LENGTH, DONE)
        assert b'"finish_reason":"length"' in stage.sent
        assert stage.outcomes[-1] == "stream_continued"

    def test_an_end_within_a_character_is_none(self):
        half = event(" and \\ud83c")
        stage = broken().head(2).data(2, half, STOP, DONE)
        assert stage.outcomes == ["stream_broken", "stream_broken"]
        assert (contents(stage), stage.sent.count(b'"code": "stream_broken"')) == (f"{SAID} and ", 1)

    def test_an_end_marker_alone_is_none(self):
        stage = broken().head(2).data(2, event(" and"), DONE).end(2)
        assert stage.outcomes == ["stream_broken", "stream_broken"]
        assert stage.sent.count(b'"code": "stream_broken"') == 1

    @pytest.mark.parametrize("finish", ["error", "content_filter", "unheard_of"])
    def test_but_it_needs_an_end_of_its_own(self, finish):
        stage = broken().head(2).data(2, event(" and"), STOP.replace(b"stop", finish.encode()), DONE)
        assert stage.outcomes == ["stream_broken", "stream_broken"]
        assert stage.sent.count(b'"code": "stream_broken"') == 1

    def test_a_whole_answer_in_place_of_a_stream(self):
        message = {"role": "assistant", "content": " and sleeps."}
        whole = {"id": "d", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
        stage = broken().answers(2, 200, json.dumps(whole).encode(), JSON)
        assert contents(stage) == f"{SAID} and sleeps."
        assert stage.outcomes[-1] == "stream_continued"


def test_an_answer_of_gemini_that_is_a_list_stays_one():
    def element(text: str, finish: str = "") -> bytes:
        candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}
        said = {**candidate, "finishReason": finish} if finish else candidate
        return json.dumps({"candidates": [said], "responseId": "r", "modelVersion": "m"}).encode()

    stage = ExchangeHarness(
        2,
        dialect=Dialect.GEMINI,
        path="/v1beta/models/m:streamGenerateContent",
        request=b'{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}',
        timing={"recover": "prefill"},
        more=PREFILL,
    )
    stage.start().head(1, headers=JSON).data(1, b"[" + element(SAID[:20]), b"," + element(SAID[20:])).failed(1)
    assert stage.effects_of(Launch)[1].request.url.endswith(":streamGenerateContent?alt=sse")
    stage.head(2).data(2, b"data: " + element(" and sleeps.", "STOP") + b"\n\n").end(2)
    answer = json.loads(stage.sent)
    assert "".join(each["candidates"][0]["content"]["parts"][0]["text"] for each in answer) == f"{SAID} and sleeps."
    assert {each["responseId"] for each in answer} == {"r"}
    assert answer[-1]["candidates"][0]["finishReason"] == "STOP"
    assert stage.outcomes == ["stream_broken", "stream_continued"]


class TestSession:
    def test_the_pin_follows_the_one_that_finishes(self):
        stage = broken(session="s")
        assert stage.exchange.plan.binding.session.pin is None
        stage.head(2).data(2, event(" and sleeps."), STOP, DONE)
        assert stage.exchange.plan.binding.session.pin.label == "b/m"

    def test_the_broken_target_cools(self):
        stage = broken().head(2).data(2, event(" and sleeps."), STOP, DONE)
        assert [each["provider"] for each in stage.router.cooldowns_to_dict(stage.now, 0)["targets"]] == ["a"]

    def test_malformed_output_of_a_model_starts_no_cooldown(self):
        stage = broken("any", more={}).head(2).data(2, event("Something else entirely. " * 9))
        assert [each["provider"] for each in stage.router.cooldowns_to_dict(stage.now, 0)["targets"]] == ["a"]


class TestMoney:
    def of_client(self, tokens: int) -> tuple[ExchangeHarness, Clients]:
        """A client with so many tokens a day, of which an attempt reserves 60, whose answer has broken off."""
        budget = {"tokens": tokens, "per": "day"}
        clients = Clients(settings({"a": provider()}, clients={"ci": {"key": "the-key-of-ci", "budgets": [budget]}}))
        return broken(client=clients.begin("ci", Usage(input=10, output=50), 0.0, WALL)), clients

    def test_its_client_pays_for_both(self):
        stage, clients = self.of_client(1000)
        assert clients.ledger["ci"].reserved == 60
        stage.head(2).data(2, event(" and sleeps."), STOP, USAGE, DONE)
        used = clients.ledger["ci"].totals.tokens
        assert used["input"] + used["output"] == sum(each.usage.total for each in stage.records) > 0
        assert clients.ledger["ci"].reserved == 0

    def test_a_client_without_room_for_it_gets_the_error(self):
        stage, _ = self.of_client(100)
        assert stage.launched == ["a"]
        assert stage.records[0].to_dict()["recovery"] == "no_candidate"
        assert stage.sent == broken("off").sent


def test_the_fault_is_that_of_the_first_answer():
    stage = begun().failed(1, FaultKind.RESET, "reset by peer").failed(2)
    assert b"reset by peer" in stage.sent
