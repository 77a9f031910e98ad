"""Budgets and limits of named clients, over real sockets: which errors they get, and that every ending releases what
was reserved.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from pointsman.config.enums import Dialect
from pointsman.demo import Provider, behaviours
from pointsman.exchange_factory import ExchangeFactory
from pointsman.gateway import Gateway
from pointsman.prices.rates import dollars
from support.dialects import entry
from support.h1client import chat, h1_to
from support.http_requests import QUESTION, Asked, ask, get, http_client, started
from support.leak_checks import no_leaks, soon
from support.router import Router, running
from support.settings import provider
from support.socket_client import BETA, socket_to

KEY = "key-of-ci-0123456789"
AUTH = {"authorization": f"Bearer {KEY}"}
TOKEN = 10**6
"""Nano-dollars for a token of the provider `dear`."""
DEAR = {"m": {"input": 1000, "output": 1000}}
FREE = {"free": {"input": 0, "output": 0}}


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def begun(stack: AsyncExitStack, folder: Path, *scripts: Any, client: dict[str, Any], **sections: Any) -> Router:
    """Providers `dear` and `free`, with one model each; the second one's costs nothing."""
    dear, free, *_ = await started(stack, *scripts, behaviours.answer("free"))
    providers = {
        "dear": provider(dear.base_url, prices=DEAR),
        "free": provider(free.base_url, "free", prices=FREE),
    }
    clients = {"ci": {"key": KEY, **client}}
    return await stack.enter_async_context(running(folder, providers, clients=clients, **sections))


def told(router: Router) -> dict[str, Any]:
    return router.gateway.clients.to_dicts(time.time())["ci"]


def code(answer: Asked) -> str:
    return str(answer.json["error"]["code"])


async def say(router: Router, **members: Any) -> Asked:
    """A request for 13 tokens at most, three of them its prompt."""
    return await ask(router.base_url, headers=AUTH, **{"stream": False, "max_tokens": 10, **members})


def nothing_is_held(router: Router) -> bool:
    clients = router.gateway.clients
    return clients.ledger["ci"].reserved == 0 and clients.limits.running("ci") == 0


async def test_a_provider_that_reports_impossible_numbers_is_billed_by_an_estimate(
    stack: AsyncExitStack, tmp_path: Path
) -> None:
    usage = {"prompt_tokens": 2**64 - 1, "completion_tokens": 5, "total_tokens": 2**64 - 1}
    choice = {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
    body = json.dumps({"id": "c", "choices": [choice], "usage": usage}).encode()
    script = behaviours.exact([body], content_type="application/json")
    budgets = [{"usd": "1", "per": "day"}, {"tokens": 1000, "per": "month"}]
    history = {"path": str(tmp_path / "history.db")}
    router = await begun(stack, tmp_path, script, client={"budgets": budgets}, history=history)
    assert [(await say(router)).body for _ in range(2)] == [body] * 2, "it is passed on as it is"
    await soon(lambda: nothing_is_held(router))
    assert [each["spent"] for each in told(router)["budgets"]] == ["0.008", 8]
    metrics = (await get(f"{router.url}/metrics")).body.decode()
    assert 'pointsman_tokens_total{provider="dear",model="m",kind="output"} 2' in metrics
    exchanges = (await get(f"{router.url}/internal/exchanges")).json["exchanges"]
    assert [(each["usage"]["input"], each["usage"]["estimated"]) for each in exchanges] == [(3, True)] * 2


async def test_a_budget_that_is_exhausted(stack: AsyncExitStack, tmp_path: Path) -> None:
    router = await begun(
        stack, tmp_path, behaviours.answer("one two"), client={"budgets": [{"usd": "0.03", "per": "day"}]}
    )
    answers = [await say(router) for _ in range(4)]
    served = [answer for answer in answers if answer.status == 200]
    refused = answers[-1]
    assert 0 < len(served) < 4
    assert (refused.status, code(refused)) == (429, "budget_exhausted")
    assert 0 < int(refused.headers["retry-after"]) <= 86_400
    used = sum(answer.json["usage"]["total_tokens"] for answer in served) * TOKEN
    [budget] = told(router)["budgets"]
    assert (budget["spent"], budget["reserved"]) == (dollars(used), "0")
    assert budget["left"] == dollars(30 * TOKEN - used)
    assert told(router)["cost_usd"] == dollars(used)
    [record] = router.gateway.recent_exchanges.newest(1)
    assert {each["reason"] for each in record.excluded} == {"budget"}
    other = await ask(router.base_url, stream=False)
    assert other.status == 401


@pytest.mark.parametrize("stream", [True, False])
async def test_what_is_left_is_stated_at_the_last_fifth(stack: AsyncExitStack, tmp_path: Path, stream: bool) -> None:
    """With what the request itself has reserved."""
    client = {"budgets": [{"tokens": 16, "per": "month"}]}
    router = await begun(stack, tmp_path, behaviours.answer("one two"), client=client)
    assert (await say(router, stream=stream)).headers["x-budget-left"] == "3 tokens"


async def test_another_model_is_asked_when_the_budget_is_exhausted(stack: AsyncExitStack, tmp_path: Path) -> None:
    router = await begun(
        stack,
        tmp_path,
        behaviours.answer("dear"),
        client={"budgets": [{"usd": "0.001", "per": "day"}], "on_exhausted": "free", "models": ["m"]},
    )
    answered = await say(router)
    assert answered.json["choices"][0]["message"]["content"] == "free"
    assert (answered.headers["x-routed-as"], answered.headers["x-routed-via"]) == ("free", "free/free")


BATCH_PATH, BATCH = "/batches", {"input_file_id": "f", "endpoint": "/v1/chat/completions"}
LATER = ("/responses", {"model": "m", "input": "Why?", "background": True})


@pytest.mark.parametrize(
    ("client", "path", "body", "word"),
    [
        ({"budgets": [{"tokens": 10**6, "per": "day"}]}, BATCH_PATH, BATCH, "budgets"),
        ({"models": ["m"]}, BATCH_PATH, BATCH, "every model"),
        ({"budgets": [{"usd": 10, "per": "day"}]}, *LATER, "budgets"),
    ],
    ids=["a batch", "a batch of any models", "in the background"],
)
async def test_what_cannot_be_counted_is_refused(
    stack: AsyncExitStack, tmp_path: Path, client: dict[str, Any], path: str, body: dict[str, Any], word: str
) -> None:
    router = await begun(stack, tmp_path, behaviours.answer("one"), client=client)
    async with http_client(headers={**AUTH, "X-Pointsman-Provider": "dear"}) as asker:
        answer = await asker.post(f"{router.base_url}{path}", json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")
        assert word in answer.json()["error"]["message"]
    assert told(router)["requests"] == 0


@pytest.mark.parametrize("text", ["a", [[7, 8, 9]]], ids=["short", "tokens"])
async def test_what_is_too_short_to_be_counted_is_not_free(stack: AsyncExitStack, tmp_path: Path, text: Any) -> None:
    model = {"id": "e", "kind": "embedding"}
    [one] = await started(stack, behaviours.answer())
    providers = {"one": provider(one.base_url, models=[model], prices={"e": {"input": 1000}})}
    clients = {"ci": {"key": KEY, "budgets": [{"usd": 0, "per": "day"}]}}
    router = await stack.enter_async_context(running(tmp_path, providers, clients=clients))
    async with http_client(headers=AUTH) as asker:
        answer = await asker.post(f"{router.base_url}/embeddings", json={"model": "e", "input": text})
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "budget_exhausted")
    assert one.seen == []


@pytest.mark.parametrize(
    ("limits", "most", "wait"), [({"rpm": 2}, 2, 62), ({"tpm": 30}, 4, 62), ({"concurrency": 1}, 1, 2)]
)
async def test_a_limit_of_the_client(
    stack: AsyncExitStack, tmp_path: Path, limits: dict[str, int], most: int, wait: int
) -> None:
    gate = asyncio.Event()
    router = await begun(stack, tmp_path, behaviours.answer("one", gate_after={0: gate}), client={"limits": limits})
    waiting = [asyncio.create_task(say(router)) for _ in range(6)]
    await soon(
        lambda: sum(task.done() for task in waiting) == 6 - len(router.gateway.running) and router.gateway.running
    )
    await soon(lambda: sum(task.done() for task in waiting) >= 6 - most)
    gate.set()
    answers = await asyncio.gather(*waiting)
    refused = [answer for answer in answers if answer.status == 429]
    assert 6 - most <= len(refused) < 6
    for answer in refused:
        assert code(answer) == "rate_limited"
        assert "client ci" in answer.json["error"]["message"]
        assert 0 < int(answer.headers["retry-after"]) <= wait
    await no_leaks(router)
    assert nothing_is_held(router)
    assert (await say(router)).status == (200 if "concurrency" in limits else 429)


GENEROUS = {"budgets": [{"usd": 100, "per": "day"}], "limits": {"concurrency": 9, "tpm": 10**6}}


@pytest.mark.parametrize(
    ("script", "has_begun"),
    [(behaviours.hang("before-headers"), False), (behaviours.stall("one two three", after_tokens=2), True)],
    ids=["before its head", "in its midst"],
)
async def test_a_client_that_leaves_gives_back_what_it_did_not_use(
    stack: AsyncExitStack, tmp_path: Path, script: Any, has_begun: bool
) -> None:
    router = await begun(stack, tmp_path, script, client=GENEROUS)
    async with h1_to(router.host, router.port) as client:
        await client.ask(chat(), headers=(("Authorization", f"Bearer {KEY}"),))
        await soon(lambda: any(driver.exchange.running_candidates for driver in router.drivers))
        assert told(router)["running"] == 1
        assert told(router)["budgets"][0]["reserved"] == dollars(1027 * TOKEN)
        if has_begun:
            await client.head()
    await no_leaks(router)
    assert nothing_is_held(router)
    assert (told(router)["usage"]["output"] > 0) is has_begun, "what had been received"


@pytest.mark.parametrize(
    ("script", "stream"),
    [
        (behaviours.status(503), True),
        (behaviours.status(400), True),
        (behaviours.cut("one two three", after_tokens=2), True),
        (behaviours.error_within("one two three", after_tokens=2), True),
        (behaviours.answer("one two three", usage=False), False),
    ],
    ids=["503", "400", "cut", "error within", "whole"],
)
async def test_an_ending_is_settled(stack: AsyncExitStack, tmp_path: Path, script: Any, stream: bool) -> None:
    router = await begun(stack, tmp_path, script, client=GENEROUS)
    await say(router, stream=stream)
    await no_leaks(router)
    assert nothing_is_held(router)
    [record] = router.gateway.recent_exchanges.newest(9)
    billed = sum(attempt.cost or 0 for attempt in record.attempts)
    assert told(router)["cost_usd"] == told(router)["budgets"][0]["spent"] == dollars(billed)


async def test_the_loser_of_a_race_is_settled_too(stack: AsyncExitStack, tmp_path: Path) -> None:
    slow, quick = await started(stack, behaviours.hang("before-headers"), behaviours.answer("quick"))
    providers = {name: provider(each.base_url, prices=DEAR) for name, each in (("slow", slow), ("quick", quick))}
    clients, hedge = {"ci": {"key": KEY, **GENEROUS}}, {"after": "50ms", "max_parallel": 2}
    router = await stack.enter_async_context(running(tmp_path, providers, clients=clients, hedge=hedge))
    assert (await say(router, stream=True)).status == 200
    await no_leaks(router)
    assert nothing_is_held(router)
    [record] = router.gateway.recent_exchanges.newest(9)
    assert [each.outcome for each in record.attempts if not each.is_informational].count("hedge_loser_cancelled") == 1
    assert told(router)["cost_usd"] == dollars(sum(each.cost or 0 for each in record.attempts))


@pytest.mark.parametrize(
    ("owner", "step"),
    [(ExchangeFactory, "_client_request"), (Gateway, "_make_driver"), (Gateway, "on_exchange_ended")],
)
async def test_a_failure_of_the_router_gives_everything_back(
    stack: AsyncExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: type, step: str
) -> None:
    router = await begun(stack, tmp_path, behaviours.answer("one"), client=GENEROUS)

    def broken(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(owner, step, broken)
    await say(router)
    await no_leaks(router)
    assert nothing_is_held(router)


async def test_what_is_said_over_a_websocket_is_settled(stack: AsyncExitStack, tmp_path: Path) -> None:
    one = await stack.enter_async_context(Provider(behaviours.answer("one"), models=("m",)))
    providers = {"one": entry(Dialect.OPENAI_RESPONSES, one, prices=DEAR)}
    clients = {"ci": {"key": KEY, "budgets": [{"usd": "1.05", "per": "day"}]}}
    router = await stack.enter_async_context(running(tmp_path, providers, clients=clients))
    async with socket_to(router.base_url, additional_headers={**BETA, **AUTH}) as socket:
        assert await socket.says("first") == "one"
        assert nothing_is_held(router)
        assert told(router)["budgets"][0]["spent"] != "0"
        [refused] = await socket.ask("second " * 200)
        assert refused["error"]["code"] == "budget_exhausted"
    await no_leaks(router)
    assert nothing_is_held(router)


async def test_counting_tokens_costs_nothing_and_works_without_a_budget(stack: AsyncExitStack, tmp_path: Path) -> None:
    client = {"budgets": [{"usd": 0, "per": "day"}, {"tokens": 1, "per": "day"}], "limits": {"rpm": 1}}
    router = await begun(stack, tmp_path, behaviours.answer("one"), client=client)
    async with http_client() as http:
        for _ in range(3):
            url = f"{router.base_url}/messages/count_tokens"
            answer = await http.post(url, json={"model": "m", "messages": QUESTION}, headers={"x-api-key": KEY})
            assert answer.json()["input_tokens"] > 0
    assert (told(router)["requests"], told(router)["cost_usd"]) == (0, "0")


async def test_an_embedding_is_paid_for_its_input(stack: AsyncExitStack, tmp_path: Path) -> None:
    one = await stack.enter_async_context(Provider(behaviours.endpoint(), models=("e",)))
    models = [{"id": "e", "kind": "embedding"}]
    providers = {"one": provider(one.base_url, prices={"e": {"input": 1000}}) | {"models": models}}
    clients = {"ci": {"key": KEY, "budgets": [{"usd": "0.007", "per": "day"}]}}
    router = await stack.enter_async_context(running(tmp_path, providers, clients=clients))
    async with http_client() as http:
        statuses = [
            (
                await http.post(f"{router.base_url}/embeddings", json={"model": "e", "input": "abcd"}, headers=AUTH)
            ).status_code
            for _ in range(3)
        ]
    assert statuses[0] == 200
    assert statuses[-1] == 429
    assert nothing_is_held(router)


async def test_what_is_spent_is_known_after_a_restart(stack: AsyncExitStack, tmp_path: Path) -> None:
    one = await stack.enter_async_context(Provider(behaviours.answer("one")))
    providers = {"one": provider(one.base_url, prices=DEAR)}
    clients = {"ci": {"key": KEY, **GENEROUS}}
    async with running(tmp_path, providers, clients=clients) as router:
        await say(router)
        before = told(router)
    async with running(tmp_path, providers, clients=clients) as router:
        assert told(router) == before
        assert before["budgets"][0]["spent"] != "0"
