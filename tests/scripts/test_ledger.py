"""The check of the router's ledger: it finds every wrong nano-dollar and accepts every right one."""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[2] / "scripts"))

from robustness.bills import FORMS, Bill, Tokens, bill, price
from robustness.expected_answer import expected_body
from robustness.faults import Kind, assignment
from robustness.ledger import Ledger, missing, nano_dollars, text_size, wrong_cost
from robustness.requests import LAST, ChatRequest, Dialect

from pointsman.config.enums import Dialect as RouterDialect
from pointsman.wire.dialects.registry import DIALECTS

ROUTERS = {
    Dialect.CHAT: RouterDialect.OPENAI_CHAT,
    Dialect.MESSAGES: RouterDialect.ANTHROPIC,
    Dialect.RESPONSES: RouterDialect.OPENAI_RESPONSES,
    Dialect.GEMINI: RouterDialect.GEMINI,
}


def found(fits: Callable[[ChatRequest, Bill], bool], kind: Kind = Kind.GOOD) -> tuple[ChatRequest, Bill]:
    """A request, and what p1 bills for it, whose behaviour there is of this kind; a good one is plain."""

    def is_due(one: ChatRequest) -> bool:
        mine = assignment(one, "p1")
        return mine.kind is kind and (kind is not Kind.GOOD or mine.name == "plain") and one.words < 60

    pairs = ((one, bill(one, "p1")) for one in map(partial(ChatRequest.of, 5), range(5000)) if is_due(one))
    return next((one, sent) for one, sent in pairs if fits(one, sent))


def attempt(outcome: str, tokens: Tokens | None, estimated: bool = False, **more: Any) -> dict[str, Any]:
    usage = None if tokens is None else {**asdict(tokens), **({"estimated": True} if estimated else {})}
    usual = {"provider": "p1", "key": "key-1", "error": None, "status": 200, "connected_ms": 1.0, "bytes": 400}
    usual |= {"started": 5.0, "settled_ms": 9.0, "why": "rank 1"}
    return {"n": 1, "outcome": outcome, "usage": usage, **usual, **more}


class TestWhatWasReported:
    one, sent = found(lambda _, sent: sent.form is not None)

    @pytest.mark.parametrize("more", [0, 1, -1])
    def test_is_right_to_the_nano_dollar(self, more: int) -> None:
        told = attempt("request_success", self.sent.tokens)
        assert bool(wrong_cost(self.one, told, self.sent.cost + more, None)) is bool(more)

    @pytest.mark.parametrize("kind", asdict(Tokens()))
    def test_has_the_same_tokens_of_each_kind(self, kind: str) -> None:
        other = replace(self.sent.tokens, **{kind: getattr(self.sent.tokens, kind) + 1})
        assert wrong_cost(self.one, attempt("request_success", other), self.sent.cost, None)

    def test_is_neither_estimated_nor_left_out(self) -> None:
        told = attempt("request_success", self.sent.tokens, estimated=True)
        assert wrong_cost(self.one, told, price("p1", self.sent.tokens), None)
        assert wrong_cost(self.one, attempt("request_success", None), 0, None)


class TestWhatWasNotReported:
    def tokens(self, one: ChatRequest, output: int) -> Tokens:
        return Tokens(input=one.text_size // 4, output=output)

    def test_is_estimated_by_the_texts(self) -> None:
        one, _ = found(lambda one, sent: sent.form is None and one.stream)
        size = text_size(one, expected_body(one, "p1"))
        for more in (0, 1, -1):
            tokens = self.tokens(one, -(-size // 4) + more)
            told = attempt("request_success", tokens, estimated=True)
            assert bool(wrong_cost(one, told, price("p1", tokens), None)) is bool(more)
        tokens = replace(self.tokens(one, -(-size // 4)), input=one.text_size // 4 + 1)
        assert wrong_cost(one, attempt("request_success", tokens, estimated=True), price("p1", tokens), None)

    def test_counts_as_far_as_the_client_got_it(self) -> None:
        one, _ = found(lambda one, sent: sent.form is None and one.stream, Kind.BREAKS)
        for output, right in ((3, True), (4, False)):
            tokens = self.tokens(one, output)
            told = attempt("stream_broken", tokens, estimated=True)
            assert bool(wrong_cost(one, told, price("p1", tokens), 9)) is not right

    def test_is_no_more_than_the_router_received_where_the_client_left(self) -> None:
        one, _ = found(lambda one, sent: sent.form is None and one.stream)
        for output, right in ((0, True), (100, True), (101, False)):
            tokens = self.tokens(one, output)
            told = attempt("client_abort", tokens, estimated=True)
            assert bool(wrong_cost(one, told, price("p1", tokens), None)) is not right


@pytest.mark.parametrize(
    ("told", "is_right"),
    [
        (attempt("retry_failed", None, status=503), True),
        (attempt("hedge_loser_cancelled", None, status=None), False),
        (attempt("hedge_loser_cancelled", None, status=None, connected_ms=None), True),
        (attempt("hedge_loser_cancelled", None, status=429), True),
        (attempt("retry_failed", None, status=None, error="first_byte_timeout"), False),
        (attempt("stream_broken", None), False),
    ],
    ids=["refused", "cancelled", "never connected", "refused and cancelled", "given up", "cut"],
)
def test_what_may_be_free(told: dict[str, Any], is_right: bool) -> None:
    assert bool(wrong_cost(ChatRequest.of(5, 1), told, 0, None)) is not is_right


def test_what_is_free_costs_nothing() -> None:
    assert wrong_cost(ChatRequest.of(5, 1), attempt("retry_failed", None, status=503), 1, None)


def test_an_answer_that_a_provider_has_ended_is_in_the_ledger() -> None:
    one, _ = found(lambda _, sent: sent.form is not None)
    name = assignment(one, "p1").name
    seen, place = {one.id: [["p1", name, False, 0, 0.0, True]]}, (one.id, "p1", 0)
    assert list(missing({place: ["request_success"]}, seen)) == []
    assert list(missing({place: ["cancelled"]}, seen)) == []
    assert len(list(missing({}, seen))) == len(list(missing({place: ["retry_failed"]}, seen))) == 1


def test_the_sum_is_that_of_the_attempts_and_no_exchange_is_lost() -> None:
    one, sent = found(lambda _, sent: sent.form is not None)
    cost = f"{sent.cost / 10**9:.9f}"
    told = attempt("request_success", sent.tokens, cost_usd=cost)
    exchange = {"seq": 0, "request_id": one.id, "client": "ci", "cost_usd": cost, "attempts": [told]}
    ledger = Ledger()
    ledger.add([exchange], "router")
    ledger.settle({})
    assert (ledger.violations, ledger.reported) == ([], sent.cost)
    assert ledger.budgets.by_client["ci"].sum_of("usd") == sent.cost
    ledger.add([{**exchange, "seq": 2, "cost_usd": "0"}], "router")
    ledger.settle({})
    assert [told.split(": ")[-1].split(" ")[0] for told in ledger.violations] == ["1", "costs"]


@pytest.mark.parametrize(("text", "amount"), [("0", 0), ("0.000000001", 1), ("12.5", 12_500_000_000)])
def test_dollars_are_plain_decimal_text(text: str, amount: int) -> None:
    assert nano_dollars(text) == amount


@pytest.mark.parametrize("text", [None, "1e-9", "-1", "0.0000000001", 0.5])
def test_other_amounts_are_none(text: Any) -> None:
    assert nano_dollars(text) is None


def test_halves_of_a_nano_dollar_are_rounded_up() -> None:
    assert price("p4", Tokens(input=500)) == 167, "166.5"
    assert price("p1", Tokens(1, 2, 3, 4, 10, 5)) == 3000 + 600 + 11_250 + 24_000 + 150_000


@pytest.mark.parametrize("dialect", Dialect)
def test_every_form_is_drawn_and_read_as_it_is_meant(dialect: Dialect) -> None:
    drawn = set()
    for one in (ChatRequest.of(2, LAST + n) for n in range(400)):
        sent = bill(one, "p1")
        if one.dialect is not dialect or sent.form is None:
            continue
        routers = DIALECTS[ROUTERS[dialect]]
        read = routers.reader(
            routers.facts(one.body, one.path), "text/event-stream" if one.stream else "application/json"
        )
        read.read(expected_body(one, "p1"))
        read.close()
        assert read.usage
        told = sent.told if sent.form.told else None
        assert (read.usage.to_dict(), read.usage.cost) == (asdict(sent.tokens), told), one
        drawn.add(id(sent.form))
    assert drawn == {id(form) for form in FORMS[dialect].values()}


def test_a_silent_answer_reports_nothing() -> None:
    for stream in (True, False):
        one, _ = found(lambda one, sent, stream=stream: sent.form is None and one.stream is stream)
        body = expected_body(one, "p1")
        document = json.loads(body) if not stream else {}
        assert not document.get("usage")
        assert b"_tokens" not in body
        assert b"TokenCount" not in body
