"""Two real routers, each a process, on one server: a conversation may go on at either."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx
import pytest

from pointsman.demo import Provider, behaviours
from pointsman.shared.part import SharedTime
from pointsman.shared.session_fields import PINS, read_pins
from shared.test_two_routers import RouterProcess, one_again, two_routers
from support.admin import ADMIN
from support.http_requests import http_client, started
from support.settings import provider
from support.time_limit import LONGEST
from support.valkey import Valkey
from transport.issuers import ResponsesIssuer

ATTEMPTS = 10
REFUSED_MODELS = [f"refused-{attempt}" for attempt in range(ATTEMPTS)]
"""One for each attempt: a model that has just failed is not the first choice for the next conversation."""
HEADERS = {"authorization": f"Bearer {ADMIN}"}
REPLY = "Platform nine, behind the third arch, where the late train from the coast comes in."
QUESTIONS = ("Which platform is it?", "Is it covered?", "And when does it leave?", "Thank you, is there a bar?")


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@dataclass
class Pair:
    routers: tuple[RouterProcess, RouterProcess]
    client: httpx.AsyncClient
    engine: Valkey

    async def ask(self, router: RouterProcess, path: str, body: dict[str, Any], **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.post(f"{router.base_url}/{path}", json=body, headers=named)

    async def ask_and_share(
        self, router: RouterProcess, path: str, body: dict[str, Any], **headers: str
    ) -> httpx.Response:
        """Once the engine knows the conversation up to the answer, and what has answered."""
        before = await self.state()
        answer = await self.ask(router, path, body, **headers)
        assert answer.status_code == 200, answer.text
        await until(lambda: self.changed(before))
        return answer

    async def state(self) -> bytes:
        async with self.engine.client() as client:
            names = [name async for name in client.scan_iter(b"*:sessions:*", count=1000)]
            return b" ".join(sorted(names))

    async def issued(self) -> int:
        """Ids of answers that the engine knows."""
        async with self.engine.client() as client:
            return len([name async for name in client.scan_iter(b"*:issued:*", count=1000)])

    async def has_more_issued(self, before: int) -> bool:
        return await self.issued() > before

    async def changed(self, before: bytes) -> bool:
        is_told = len(await self.state()) > len(before) and await self.state() == await self.state()
        return is_told and await self.all_are_pinned()

    async def all_are_pinned(self) -> bool:
        """A conversation is written when its first attempt fails, and again when another one has answered."""
        async with self.engine.client() as client:
            names = [name async for name in client.scan_iter(b"*:sessions:*:s:*", count=1000)]
            pins = [read_pins(await client.hget(name, PINS), SharedTime(0.0, 0.0, 0.0)) for name in names]
        return all(each.pin for each in pins)

    async def dump(self) -> bytes:
        """All that the engine holds."""
        async with self.engine.client() as client:
            found: list[object] = []
            async for name in client.scan_iter(count=1000):
                found += (name, await client.type(name), await client.dump(name))
                kind = await client.type(name)
                readers = {b"hash": client.hgetall, b"string": client.get, b"stream": client.xrange}
                if kind in readers:
                    found.append(await readers[kind](name))
            return repr(found).encode()


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(LONGEST):
        while not await condition():
            await asyncio.sleep(0.02)


async def pair_of(
    stack: AsyncExitStack, folder: Path, engine: Valkey, providers: dict[str, Any], **sections: Any
) -> Pair:
    routers = await two_routers(stack, folder, engine.url, providers, **sections)
    client = await stack.enter_async_context(http_client())
    return Pair(routers, client, engine)


def turns(about: int = 0) -> Iterator[list[dict[str, str]]]:
    """The messages of each request of a conversation."""
    said: list[dict[str, str]] = []
    for question in QUESTIONS:
        said.append({"role": "user", "content": f"{about}: {question}"})
        yield [*said]
        said.append({"role": "assistant", "content": REPLY})


async def once(check: Callable[[int], Awaitable[bool]]) -> None:
    """At one of several attempts, none of which depends on an earlier one: a request waits for the engine for some
    seconds at most, which a busy machine may need.
    """
    for attempt in range(ATTEMPTS):
        if await check(attempt):
            return
    pytest.fail(f"{ATTEMPTS} attempts were in vain")


async def test_two_routers_share_conversations(stack: AsyncExitStack, tmp_path: Path, engine: Valkey) -> None:
    """One pair for all of it, since processes take long to start."""
    scripts = behaviours.status(503), *[behaviours.answer(REPLY)] * 3
    bad, good, chat, claude = await started(stack, *scripts)
    issuer = await stack.enter_async_context(ResponsesIssuer())
    providers = {
        "chat": provider(chat.base_url, "m"),
        "claude": provider(claude.base_url, "c", dialect="anthropic"),
        "issuer": provider(issuer.base_url, "r", dialect="openai-responses", keys=["sk-account-1", "sk-account-2"]),
        "bad": provider(bad.base_url, *REFUSED_MODELS),
        "good": provider(good.base_url, *REFUSED_MODELS),
    }
    guarded = {"protection": {"bad": "provider-ban"}, "cooldowns": {"transient": "1ms"}}
    history = {"path": "history.db"}  # each has a folder of its own
    pair = await pair_of(stack, tmp_path, engine, providers, history=history, **guarded)
    for path, model in (("chat/completions", "m"), ("messages", "c")):
        await once(partial(is_hit_from_turn_2, pair, path, model))
    await once(partial(account_is_asked_again, pair, issuer))
    await once(partial(both_ban, pair, bad))
    await check_pages(pair)
    await check_secrets(pair, tmp_path)
    await check_freeze(pair)


async def is_hit_from_turn_2(pair: Pair, path: str, model: str, attempt: int) -> bool:
    seen = []
    for messages, router in zip(turns(attempt), cycle(pair.routers), strict=False):
        body = {"model": model, "messages": messages, "max_tokens": 100}
        seen.append((await pair.ask_and_share(router, path, body)).headers["x-sticky-session"])
    assert seen[0] == "miss"
    return seen[1:] == ["hit", "hit", "hit"]


async def account_is_asked_again(pair: Pair, issuer: ResponsesIssuer, attempt: int) -> bool:
    """The account that holds an answer gets the request for the next one, whichever router it reaches."""
    one, two = pair.routers
    for conversation in range(2):  # the second one is at another account than a router would ask first
        body = {"model": "r", "input": f"{attempt}, {conversation}: {QUESTIONS[0]}"}
        answer = await pair.ask_and_share(one, "responses", body)
    held_by = issuer.accounts[-1]
    for question, router in zip(QUESTIONS[1:], cycle((two, one)), strict=False):
        body = {"model": "r", "input": question, "previous_response_id": answer.json()["id"]}
        known = await pair.issued()
        answer = await pair.ask(router, "responses", body)
        if answer.status_code != 200 or answer.headers["x-sticky-session"] != "hit":
            return False
        await until(partial(pair.has_more_issued, known))
    assert issuer.accounts[-4:] == [held_by] * 4
    return True


async def both_ban(pair: Pair, bad: Provider, attempt: int) -> bool:
    """A ban at one is a ban at the other, and so is its end."""
    one, two = pair.routers
    body, named = {"model": REFUSED_MODELS[attempt], "messages": next(turns())}, {"X_Session_Id": f"banned-{attempt}"}
    before = len(bad.seen)
    await pair.ask_and_share(one, "chat/completions", body, **named)
    is_hit = (await pair.ask(two, "chat/completions", body, **named)).headers["x-sticky-session"] == "hit"

    async def bans(router: RouterProcess) -> list[tuple[str, str]]:
        rows = (await router.page("/internal/status/protection"))["bans"]
        return [(row["session"], row["provider"]) for row in rows]

    async def are_lifted() -> bool:
        return not await bans(one) and not await bans(two)

    found = await bans(one), await bans(two)
    await pair.client.delete(f"{two.url}/api/bans?provider=bad", headers=HEADERS)
    await until(are_lifted)
    return is_hit and len(bad.seen) == before + 1 and len(found[0]) == 1 and found[0] == found[1]


async def check_secrets(pair: Pair, folder: Path) -> None:
    """The engine holds neither texts of conversations nor the secret of the digests in clear."""
    dump = await pair.dump()
    assert b"claude" in dump
    kept = {(folder / name / "data" / "shared-secret.key").read_text().strip() for name in ("first", "second")}
    [secret] = kept
    assert len(secret) == 64
    assert secret.encode() not in dump
    assert bytes.fromhex(secret) not in dump
    words = " ".join((*QUESTIONS, REPLY)).replace(",", "").replace(".", "").replace("?", "").split()
    assert not [word for word in words if len(word) > 4 and word.encode() in dump]


async def check_pages(pair: Pair) -> None:
    """What both have recorded, as pages of all instances show it; a frozen one is missing."""
    one, two = pair.routers

    async def page(path: str, router: RouterProcess = one) -> Any:
        return (await pair.client.get(f"{router.url}{path}", headers=HEADERS)).json()

    async def requests(parameters: str, router: RouterProcess = one) -> int:
        return int((await page(f"/api/analytics?{parameters}", router))["total"]["requests"])

    async def are_added_up() -> bool:
        own = [await requests("", router) for router in pair.routers]
        return await requests("instances=all") == sum(own) > max(own)

    async def found(path: str, is_whole: Callable[[Any], bool]) -> Any:
        """The page, once nobody is missing from it: one that needs more than a second to answer is."""
        while not is_whole(told := await page(path)):
            await asyncio.sleep(0.02)
        return told

    await until(are_added_up)
    listed = await found("/api/requests?instances=all&limit=200", lambda told: not told["instances"]["missing"])
    rows = listed["requests"]
    own = [await requests("", router) for router in pair.routers]
    assert len({row["request_id"] for row in rows}) == len(rows) == sum(own)
    other = next(row for row in rows if row["instance"] != rows[0]["instance"])
    for row in (rows[0], other):
        await found(f"/api/requests/{row['request_id']}?instances=all", lambda told: bool(told.get("attempt_list")))

    async def is_missed() -> bool:
        """Where the page comes later than some seconds after the freeze, the frozen one is gone, and not missing."""
        known = await found("/api/instances", lambda told: len(told["instances"]) == 2 and not told["missing"])
        two.process.tell(signal.SIGSTOP)
        partly = await page("/api/instances")
        two.process.tell(signal.SIGCONT)
        assert len(partly["instances"]) == 1
        return bool(partly["missing"] == [each["name"] for each in known["instances"][1:]])

    await until(is_missed)


async def check_freeze(pair: Pair) -> None:
    """Requests are answered, and known everywhere afterwards."""

    async def known() -> int:
        return (await pair.state()).count(b":s:")

    before = await known()
    pair.engine.freeze()
    for n in range(20):
        body = {"model": "m", "messages": [{"role": "user", "content": f"frozen {n}: {QUESTIONS[0]}"}]}
        assert (await pair.ask(pair.routers[n % 2], "chat/completions", body)).status_code == 200
    pair.engine.thaw()

    async def are_written() -> bool:
        return await known() == before + 20

    await until(are_written)
    await until(one_again(*pair.routers))  # what was sent before may be written while they are still cut off

    async def is_known_elsewhere(attempt: int) -> bool:
        number = 19 - 2 * attempt  # which the other one has begun
        messages = [{"role": "user", "content": f"frozen {number}: {QUESTIONS[0]}"}]
        again = await pair.ask(pair.routers[0], "chat/completions", {"model": "m", "messages": messages})
        return bool(again.headers["x-sticky-session"] == "hit")

    await once(is_known_elsewhere)
