"""What a client sees, over real sockets, when providers fail before the first content."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from pointsman.demo import behaviours, closed_port
from pointsman.demo.script import Behaviour
from support.http_requests import ask, get, started
from support.leak_checks import soon
from support.router import running
from support.settings import provider

GOOD = [b'data: {"choices":[{"index":0,"delta":{"content":"exact"}}]}\n\n', b"data:[DONE]\n\n"]
NAMES = ("refused", "busy", "wrapped", "error-frame", "empty", "hang", "good")


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


class TestTheGauntlet:
    """Refused, 503, wrapped error, error frame first, empty stream, silence, good: in this order."""

    async def gauntlet(self, stack, tmp_path, good):
        failing = await started(
            stack,
            behaviours.status(503),
            behaviours.wrapped_json(code=429),
            behaviours.wrapped(),
            behaviours.empty("done"),
            behaviours.hang(),
            good,
        )
        urls = [closed_port(), *(p.base_url for p in failing)]
        providers = dict(zip(NAMES, [provider(url) for url in urls], strict=True))
        providers["hang"]["timeouts"] = {"first_byte": "300ms", "answer": "300ms"}
        router = await stack.enter_async_context(running(tmp_path, providers))
        return router, failing

    async def test_a_streamed_request_gets_the_good_ones_exact_bytes(self, stack, tmp_path):
        router, providers = await self.gauntlet(stack, tmp_path, behaviours.exact(GOOD))
        answer = await ask(router.base_url)
        assert answer.status == 200
        assert answer.body == b"".join(GOOD)
        assert answer.headers["x-fallback-attempts"] == "6"
        assert answer.headers["x-fallback-trail"] == (
            "refused/m@connect_refused busy/m@503 wrapped/m@wrapped_429 error-frame/m@wrapped_500 empty/m@empty"
            " hang/m@first_byte_timeout"
        )
        assert answer.headers["x-routed-via"] == "good/m"
        assert [len(p.seen) for p in providers] == [1] * 6

    async def test_a_whole_request_too(self, stack, tmp_path):
        whole = b'{"choices":[{"index":0,"message":{"content":"exact"},"finish_reason":"stop"}]}'
        router, _ = await self.gauntlet(stack, tmp_path, behaviours.exact([whole], content_type="application/json"))
        answer = await ask(router.base_url, stream=False)
        assert answer.status == 200
        assert answer.body == whole
        assert answer.headers["content-length"] == str(len(whole))
        assert answer.headers["x-fallback-attempts"] == "6"
        assert "hang/m@answer_timeout" in answer.headers["x-fallback-trail"]

    async def test_the_lens_shows_each_attempt(self, stack, tmp_path):
        router, _ = await self.gauntlet(stack, tmp_path, behaviours.exact(GOOD))
        answer = await ask(router.base_url, headers={"X-Request-ID": "turn-7"})
        assert answer.headers["x-request-id"] == "turn-7"
        record = (await get(f"{router.url}/internal/exchanges/turn-7")).json
        assert [a["provider"] for a in record["attempts"]] == list(NAMES)
        assert [a["outcome"] for a in record["attempts"]] == ["retry_failed"] * 6 + ["retry_success"]
        assert record["status"] == 200
        newest = (await get(f"{router.url}/internal/exchanges?limit=1")).json["exchanges"]
        assert newest == [record]


async def test_a_second_key_is_tried_before_the_next_target(stack, tmp_path):
    first, second = await started(stack, behaviours.rate_limited(), behaviours.answer("hello"))
    first.script = [behaviours.rate_limited(), behaviours.answer("second key")]
    providers = {
        "first": provider(first.base_url, keys=["sk-first-key", "sk-second-key"]),
        "second": provider(second.base_url),
    }
    router = await stack.enter_async_context(running(tmp_path, providers))
    answer = await ask(router.base_url)
    assert answer.headers["x-routed-via"] == "first/m"
    assert answer.headers["x-fallback-trail"] == "first/m@429"
    assert [seen.header("authorization") for seen in first.seen] == ["Bearer sk-first-key", "Bearer sk-second-key"]
    assert not second.seen


async def test_when_all_fail_the_client_gets_the_last_error(stack, tmp_path):
    busy, dead = await started(stack, behaviours.rate_limited(7), behaviours.rate_limited(3))
    providers = {"busy": provider(busy.base_url), "dead": provider(dead.base_url)}
    router = await stack.enter_async_context(running(tmp_path, providers))
    answer = await ask(router.base_url)
    assert answer.status == 429
    assert answer.headers["retry-after"] == "3"
    assert answer.json["error"]["code"] == "rate_limited"
    assert answer.json["error"]["trail"] == "busy/m@429 dead/m@429"


async def test_a_providers_client_error_goes_out_unchanged(stack, tmp_path):
    body = b'{"error":{"message":"tools[0] is odd","type":"invalid_request_error","theirs":1}}'
    strict, other = await started(
        stack, behaviours.exact([body], content_type="application/json", status=400), behaviours.answer()
    )
    providers = {"strict": provider(strict.base_url), "other": provider(other.base_url)}
    router = await stack.enter_async_context(running(tmp_path, providers))
    answer = await ask(router.base_url)
    assert answer.status == 400
    assert answer.body == body
    assert not other.seen


async def test_a_request_has_options_of_its_own_and_providers_do_not_see_them(stack, tmp_path):
    first, second = await started(stack, behaviours.answer("one"), behaviours.answer("two"))
    router = await stack.enter_async_context(
        running(tmp_path, {"a": provider(first.base_url), "b": provider(second.base_url)})
    )
    answer = await ask(router.base_url, headers={"X-Pointsman-Provider": "b", "X-Pointsman-Timeout": "20s"})
    assert answer.headers["x-routed-via"] == "b/m"
    assert not any(name.lower().startswith("x-pointsman") for name, _ in second.seen[0].headers)
    asked = await ask(router.base_url, metadata={"X-Pointsman-Provider": "b", "user": "u"})
    assert asked.headers["x-routed-via"] == "b/m"
    assert json.loads(second.seen[1].body)["metadata"] == {"user": "u"}
    wrong = await ask(router.base_url, headers={"X-Pointsman-Mode": "fastest"})
    assert wrong.status == 400
    assert b"X-Pointsman-Mode must be one of balanced, smart, fast, got 'fastest'." in wrong.body
    assert len(first.seen) == 0


async def test_an_option_that_is_not_known_is_told_once_and_not_to_providers(stack, tmp_path, caplog):
    [one] = await started(stack, behaviours.answer("one"))
    router = await stack.enter_async_context(running(tmp_path, {"a": provider(one.base_url)}))
    for options in (
        {"headers": {"X-Pointsman-Modle": "fast"}},
        {"metadata": {"X-POINTSMAN-MODLE": "fast", "user": "u"}},
    ):
        assert (await ask(router.base_url, **options)).status == 200
    assert [line for line in caplog.messages if "option" in line] == [
        "Pointsman: 'X-Pointsman-Modle' is not an option of a request and does nothing"
        ' (did you mean "X-Pointsman-Mode"?). A client has sent it.'
    ]
    assert not any(name.lower().startswith("x-pointsman") for name, _ in one.seen[0].headers)
    assert json.loads(one.seen[1].body)["metadata"] == {"user": "u"}


async def test_a_request_that_may_wait_waits_for_the_trial_of_what_has_cooled_and_others_do_not(stack, tmp_path):
    is_done = asyncio.Event()
    answer = behaviours.answer("hello")

    async def held(responder):
        await is_done.wait()
        await answer.play(responder)

    [one] = await started(stack, Behaviour("held", held))
    one.script = [behaviours.status(503), Behaviour("held", held)]
    cooldowns = {"transient": "100ms"}
    router = await stack.enter_async_context(running(tmp_path, {"a": provider(one.base_url)}, cooldowns=cooldowns))

    async def cooling():
        return (await get(f"{router.url}/internal/status/cooldowns")).json["targets"]

    async def in_flight(count):
        while (await get(f"{router.url}/internal/status/tables")).json["exchanges"] < count:
            await asyncio.sleep(0.01)

    assert (await ask(router.base_url)).status == 502
    while await cooling():
        await asyncio.sleep(0.01)
    trial = asyncio.create_task(ask(router.base_url))
    await in_flight(1)
    waiting = asyncio.create_task(ask(router.base_url, headers={"X-Pointsman-Max-Wait": "30s"}))
    await in_flight(2)
    hasty = asyncio.create_task(ask(router.base_url))
    await in_flight(3)
    while len(one.seen) < 3:
        await asyncio.sleep(0.01)
    assert not waiting.done()
    is_done.set()
    assert [each.status for each in await asyncio.gather(trial, waiting, hasty)] == [200] * 3
    records = (await get(f"{router.url}/internal/exchanges?limit=3")).json["exchanges"]
    assert sorted(record["waited_ms"] > 0 for record in records) == [False, False, True]


async def test_requests_wait_in_line_where_only_one_may_run(stack, tmp_path):
    answer, running_now, most, all_are_there = behaviours.answer("hello"), 0, 0, asyncio.Event()

    async def counted(responder):
        nonlocal running_now, most
        running_now += 1
        most = max(most, running_now)
        await all_are_there.wait()
        await answer.play(responder)
        running_now -= 1

    [slow] = await started(stack, Behaviour("counted", counted))
    providers = {"a": {**provider(slow.base_url), "models": [{"id": "m", "limits": {"concurrency": 1}}]}}
    router = await stack.enter_async_context(running(tmp_path, providers, routing={"max_wait": "30s"}))
    asked = [asyncio.create_task(ask(router.base_url)) for _ in range(6)]
    await soon(lambda: len(router.gateway.router.state.waiting) == 5)
    all_are_there.set()
    answers = await asyncio.gather(*asked)
    assert [answer.status for answer in answers] == [200] * 6
    assert most <= 2, "one at a time; the provider may be told late that an answer has arrived"
    records = (await get(f"{router.url}/internal/exchanges?limit=6")).json["exchanges"]
    assert sum(record["waited_ms"] > 0 for record in records) == 5
