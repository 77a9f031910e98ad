"""How chaos judges an exchange that no provider answered, and a conversation that is not served afterwards."""

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

sys.path.append(str(Path(__file__).parents[2] / "scripts"))

from robustness.deployment import Deployment
from robustness.faults import FAULTS, FAULTY, GUARDED, KEYS, LIMITED, RESERVE_KEY, STEADY, Kind, Scope, assignment
from robustness.last_round import LastRound
from robustness.promise import BAN, SLACK, SLOWEST, FaultPlan, Incident, Span, incidents
from robustness.requests import LAST, ChatRequest

START, SECONDS = 1000.0, 2.0
LONG_AGO = START - 3000


def request(fits: Callable[[ChatRequest], bool], stream: bool = True) -> ChatRequest:
    return next(one for n in range(20_000) if (one := ChatRequest.of(7, n)).stream is stream and fits(one))


def is_well(provider: str, key: int | None = None) -> Callable[[ChatRequest], bool]:
    """This candidate alone would answer well."""

    def well(one: ChatRequest) -> set[tuple[str, int | None]]:
        asked = {name: assignment(one, name) for name in (*FAULTY, STEADY)}
        found = {(name, k) for name in asked for k in KEYS[name] if asked[name].kind_for(k) is Kind.GOOD}
        return {each for each in found if one.is_safe or each[0] != STEADY}

    return lambda one: well(one) == {(provider, key)}


def record(*tried: tuple[str, int | None], seconds: float = SECONDS) -> dict[str, Any]:
    attempts = [
        {"provider": name, "key": None if key is None else f"key-{key + 1}", "outcome": "retry_failed", "error": "503"}
        for name, key in tried
    ]
    return {"started": START, "ended_ms": seconds * 1000, "attempts": attempts, "excluded": []}


def plan(*met: Incident, outages: tuple[Span, ...] = (), lifted: tuple[float, ...] = ()) -> FaultPlan:
    made = FaultPlan([*outages], [*lifted])
    made.add(met)
    return made


def spoken_of(complaints: list[str]) -> list[str]:
    return [each.partition(" ")[0] for each in complaints]


class TestUntried:
    def test_a_target_that_was_free_and_well_has_to_be_tried(self) -> None:
        one = request(lambda each: each.is_safe and is_well(STEADY)(each))
        assert spoken_of(plan().untried(one, record(("p1", 0), ("p1", 1), ("p3", None)))) == ["steady/safe"]
        assert plan().untried(one, record(("p1", 0), (STEADY, None))) == []

    def test_the_complaint_says_what_was_tried_and_what_was_left_out(self) -> None:
        one = request(is_well(STEADY))
        row = {"provider": STEADY, "key": None, "reason": "cooling", "detail": "503"}
        told = plan().untried(one, record(("p1", 1)) | {"excluded": [row]})
        assert told == ["steady/safe was free: tried: p1#1 retry_failed 503; excluded: steady cooling (503)"]

    def test_the_other_key_has_to_be_tried(self) -> None:
        one = request(is_well("p1", 1))
        assert spoken_of(plan().untried(one, record(("p1", 0)))) == [f"p1/{one.model}#1"]

    @pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault.scope is Scope.MODEL_OF_KEY])
    def test_a_limit_of_a_model_excuses_that_model_of_that_key(self, name: str) -> None:
        one = request(is_well("p1", 1))
        other = request(lambda each: each.model != one.model)
        assert plan(Incident(START, "p1", 1, name, one)).untried(one, record()) == []
        for elsewhere in (
            Incident(START, "p1", 0, name, one),
            Incident(START, "p1", 1, name, other),
            Incident(START, "p2", 1, name, one),
        ):
            assert plan(elsewhere).untried(one, record()), elsewhere

    @pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault.scope is Scope.KEY])
    def test_trouble_of_a_key_excuses_all_of_its_models(self, name: str) -> None:
        one = request(is_well("p1", 1))
        other = request(lambda each: each.model != one.model)
        assert plan(Incident(START, "p1", 1, name, other)).untried(one, record()) == []
        assert plan(Incident(START, "p1", 0, name, one)).untried(one, record())

    @pytest.mark.parametrize("name", ["503", "reset", "404 page", "413 page", "gone", "cut"])
    def test_what_cools_or_is_passed_over_excuses_nothing(self, name: str) -> None:
        one = request(is_well("p1", 1))
        assert plan(Incident(START, "p1", 1, name, one)).untried(one, record())

    def test_a_limit_ends(self) -> None:
        one = request(is_well("p1", 1))
        assert plan(Incident(START - 1, "p1", 1, "concurrency", one)).untried(one, record()) == []
        assert plan(Incident(START - 2 - 2 * SLACK, "p1", 1, "concurrency", one)).untried(one, record())

    def test_a_limit_without_a_time_doubles_until_an_answer(self) -> None:
        one, name = request(is_well("p1", 1)), "429 of a model"
        many = [Incident(START - 100 + n, "p1", 1, name, one) for n in range(12)]
        assert 2**11 * LIMITED > 100
        assert plan(*many).untried(one, record()) == []
        assert plan(*many, Incident(START - 94.5, "p1", 1, "plain", one)).untried(one, record())

    def test_what_lasts_ends_when_an_operator_ends_it(self) -> None:
        one = request(is_well("p1", 1))
        met = Incident(LONG_AGO, "p1", 1, "no credit", one)
        assert plan(met).untried(one, record()) == []
        assert plan(met, lifted=(LONG_AGO - 50,)).untried(one, record()) == []
        assert plan(met, lifted=(LONG_AGO + 50,)).untried(one, record())

    def test_an_outage_of_the_network_excuses_all(self) -> None:
        one = request(is_well(STEADY))
        assert plan(outages=(Span(START + 1, START + 1.5),)).untried(one, record()) == []
        assert plan(outages=(Span(START - 9, START - 8),)).untried(one, record())

    def test_the_guarded_provider_is_excused_in_the_conversation_that_it_failed(self) -> None:
        one = request(is_well(GUARDED))
        other = request(lambda each: each.conversation != one.conversation)
        failed = Incident(START - 1, GUARDED, None, "503", one)
        assert plan(failed).untried(one, record()) == []
        assert plan(failed._replace(request=other)).untried(one, record())
        assert plan(failed._replace(at=START - SLOWEST - BAN - 1)).untried(one, record())

    def test_incidents_are_what_providers_report(self) -> None:
        report = {"7.5": [["p1", "503", False, 1, START], ["p3", "plain", True, None, START + 1]]}
        one = ChatRequest.of(7, 5)
        assert [*incidents(report)] == [
            Incident(START, "p1", 1, "503", one),
            Incident(START + 1, "p3", None, "plain", one),
        ]


class TestFaultsOfOneKey:
    def requests_of(self, provider: str) -> Iterator[tuple[ChatRequest, Any]]:
        for n in range(3000):
            one = ChatRequest.of(7, n)
            if (mine := assignment(one, provider)).fault.of_one_key:
                yield one, mine

    def test_the_other_key_answers(self) -> None:
        for _, mine in self.requests_of("p1"):
            kinds = [mine.kind_for(key) for key in KEYS["p1"]]
            assert sorted(kind.value for kind in kinds) == [Kind.FAILS.value, Kind.GOOD.value]
            assert mine.kind is Kind.GOOD

    def test_only_the_reserve_key_meets_what_lasts(self) -> None:
        lasting = [mine for _, mine in self.requests_of("p1") if mine.fault.lasts]
        assert lasting
        assert {mine.faulty_key for mine in lasting} == {RESERVE_KEY}
        assert not [mine for _, mine in self.requests_of("p3") if mine.fault.lasts]

    def test_a_single_key_meets_it_always(self) -> None:
        assert all(mine.kind is Kind.FAILS for _, mine in self.requests_of("p3"))


class TestLastRound:
    def test_it_goes_on_with_the_same_conversation_and_all_is_well(self) -> None:
        for n in range(300):
            one = ChatRequest.of(7, n)
            assert one.last.n == n + LAST
            assert one.last.conversation == one.conversation
            assert ChatRequest.of_received(one.last.received()) == one.last
            assert {assignment(one.last, name).kind for name in (*FAULTY, STEADY)} == {Kind.GOOD}

    async def test_a_conversation_that_is_not_served_is_reported_with_its_session_and_bans(self) -> None:
        one = request(lambda each: each.talk is not None).last
        async with refusing_router(retry_after=61) as router:
            last_round = LastRound(router, 7)
            (told,) = await last_round.ask([one])
        assert last_round.served == 0
        assert told.startswith(f"{one.id}: session abc is not served: status 503, tried: none; excluded: p4 banned")
        assert "retry after 61 s; bans [{'session': 'abc', 'provider': 'p4'}]; cooldowns {'keys': ['k']}" in told


@asynccontextmanager
async def refusing_router(retry_after: int) -> Any:
    """Refuses every request, and has pages about it."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        request_id = next(line.split(": ")[1] for line in head.split("\r\n") if line.startswith("x-request-id"))
        body = json.dumps({"error": {"message": "nobody"}})
        writer.write(
            f"HTTP/1.1 503 No\r\nX-Request-Id: {request_id}\r\nRetry-After: {retry_after}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        await writer.drain()
        writer.close()

    class Pages:
        ca = Path()
        engine = None

        def __init__(self, port: int) -> None:
            self.port = port

        async def page(self, path: str) -> tuple[int, Any]:
            if path == "/api/bans":
                return 200, {"bans": [{"session": "abc", "provider": "p4"}, {"session": "other", "provider": "p1"}]}
            if path == "/internal/status/cooldowns":
                return 200, {"keys": ["k"]}
            left_out = [{"provider": "p4", "key": None, "reason": "banned", "detail": None}]
            return 200, {"session": "abc", "status": 503, "attempts": [], "excluded": left_out}

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield cast(Deployment, Pages(server.sockets[0].getsockname()[1]))
