"""The checks of chaos and soak for options, WebSocket connections, other endpoints and waiting find what is wrong."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[2] / "scripts"))

from robustness.expected_answer import recorded
from robustness.faults import FAULTY, OTHER_TEXTS, STEADY, assignment
from robustness.ledger import Ledger, request_of
from robustness.options import Options, options_of
from robustness.other_requests import FAULTS, NARROW, OTHERS, Ask, OtherRequest
from robustness.requests import SOCKETS, ChatRequest, Dialect
from robustness.sockets import wrong_answer


def exchange(*attempts: dict[str, Any], **more: Any) -> dict[str, Any]:
    usual = {"provider": "p1", "outcome": "request_success"}
    return {"attempts": [{"n": n, **usual, **each} for n, each in enumerate(attempts, 1)], "ended_ms": 10.0, **more}


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "record"),
        [
            (Options(providers=("p2", "p3")), exchange({})),
            (Options(fallback=False), exchange({"outcome": "retry_failed"}, {})),
            (Options(hedge=False), exchange({"outcome": "hedge_triggered"})),
            (Options(recover=False), exchange({}, {"continues": 1})),
            (Options(timeout=2.0), exchange({"outcome": "retry_failed"}, ended_ms=9000.0)),
            (Options(max_wait=0.0), exchange({}, waited_ms=1.0)),
            (Options(max_wait=1.0), exchange({}, waited_ms=7000.0)),
        ],
    )
    def test_what_a_request_refuses_must_not_be(self, options: Options, record: dict[str, Any]) -> None:
        assert len(list(options.violations(record, is_answered=False))) == 1
        allowed = Options(max_wait=30.0)
        assert list(allowed.violations(record, is_answered=False)) == []

    def test_a_retry_may_wait_for_a_part_of_a_limit_that_routers_share(self) -> None:
        told = exchange({}, waited_ms=210.0)
        assert list(Options().violations(told, is_answered=True, shares_limits=True)) == []
        assert len(list(Options().violations(told, is_answered=True))) == 1
        assert len(list(Options(max_wait=0.0).violations(told, is_answered=True, shares_limits=True))) == 1

    def test_each_is_named_at_times(self) -> None:
        drawn = [options_of(ChatRequest.of(1, n)) for n in range(500)]
        names = {name for each in drawn for name in each.members()}
        assert len(names) == 6
        assert {each.in_body for each in drawn if each.members()} == {True, False}


class TestWebSockets:
    @staticmethod
    def request() -> tuple[ChatRequest, str]:
        """A request to which no provider sends a text of its own, and what p1 writes."""
        drawn = (ChatRequest.of(4, SOCKETS + n) for n in range(100))
        plain = (one for one in drawn if not {assignment(one, name).name for name in (*FAULTY, STEADY)} & OTHER_TEXTS)
        one = next(one for one in plain if one.words > 10)
        return one, assignment(one, "p1").text

    @staticmethod
    def messages(text: str, last: str = "response.completed") -> list[dict[str, Any]]:
        deltas = [{"type": "response.output_text.delta", "delta": text[at : at + 9]} for at in range(0, len(text), 9)]
        return [{"type": "response.created"}, *deltas, {"type": last, "response": {"id": "r"}}]

    def test_the_text_of_one_provider_is_right(self) -> None:
        one, text = self.request()
        assert one.dialect is Dialect.RESPONSES
        assert one.stream
        assert wrong_answer(one, self.messages(text)) == ""
        assert wrong_answer(one, self.messages(text[:31], "response.failed")) == ""
        assert wrong_answer(one, [{"type": "error", "error": {"code": "rate_limited"}}]) == ""

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda text: text[:40],
            lambda text: text[:30] + text[38:],
            lambda text: text[:60] + text[40:],
            lambda text: text.replace("p1-", "p2-", 1),
            lambda text: "",
        ],
        ids=["cut", "lost", "doubled", "foreign", "empty"],
    )
    def test_anything_else_is_wrong(self, spoil: Callable[[str], str]) -> None:
        one, text = self.request()
        assert wrong_answer(one, self.messages(spoil(text)))

    def test_a_provider_with_a_text_of_its_own_may_have_gone_on(self) -> None:
        drawn = (ChatRequest.of(215, SOCKETS + n) for n in range(1000))
        one = next(each for each in drawn if each.words > 10 and assignment(each, "p3").name == "one large event")
        text = assignment(one, "p2").text[:40]
        assert wrong_answer(one, self.messages(f"{text}xxx")) == ""
        assert wrong_answer(one, self.messages(f"{text[:30]}xxx{text[38:]}"))

    def test_an_error_may_not_follow_content_unannounced(self) -> None:
        one, text = self.request()
        assert wrong_answer(one, self.messages(text, "error"))


class TestOtherRequests:
    @pytest.mark.parametrize("ask", Ask)
    def test_a_provider_knows_it_again_and_answers_it(self, ask: Ask) -> None:
        one = next(each for n in range(100) if (each := OtherRequest.of(3, n, ask is Ask.IN_LINE)).ask is ask)
        seen = one.received()
        assert OtherRequest.of_received(seen.body) == one
        answers = {recorded(seen, one.good(name)) for name in OTHERS}
        assert all(answers)
        if ask is Ask.COMPLETION:
            assert len(answers) == len(OTHERS)

    def test_one_provider_always_answers_and_the_others_meet_every_fault(self) -> None:
        asked = [OtherRequest.of(3, n) for n in range(400)]
        assert all(each.behaviour(OTHERS[-1]).name == "endpoint" for each in asked)
        made = {each.behaviour(OTHERS[0]).name for each in asked}
        assert {make().name for make in FAULTS.values()} <= made

    def test_some_make_the_line_wait(self) -> None:
        drawn = [OtherRequest.of(3, n, in_line=True).behaviour(NARROW).name for n in range(200)]
        assert 0 < sum(name.startswith("rate_limited") for name in drawn) < 50


class TestLedger:
    @pytest.mark.parametrize(("cost", "complaints"), [("0.00000008", 0), ("0.00000009", 2), (None, 2)])
    def test_what_is_no_chat_costs_what_its_tokens_cost(self, cost: str | None, complaints: int) -> None:
        none = dict.fromkeys(("cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning"), 0)
        attempt = {"provider": "e1", "usage": {"input": 4, **none}, "cost_usd": cost, "key": None, "error": None}
        told = exchange(attempt, request_id="3.other-1", cost_usd="0.00000008", seq=0, client="free")
        ledger = Ledger()
        ledger._waiting.append(told)
        ledger.settle({})
        assert len(ledger.violations) == complaints

    def test_ids_of_chats_are_known(self) -> None:
        assert request_of("3.5") == ChatRequest.of(3, 5)
        assert request_of("3.other-5") is None
        assert request_of("req_0123abcd") is None
