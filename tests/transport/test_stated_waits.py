"""A provider's stated wait in each form becomes the cooldown, over real sockets, and the client gets it."""

import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from pointsman.demo import Behaviour, behaviours
from support.http_requests import ask, get, started
from support.router import running
from support.settings import provider

TOLERANCE = 120
"""Seconds: what a busy machine may take, and a minute, since words name no seconds. Every wait is far longer."""
MESSAGE = "Too many requests"


def refusal(headers: Mapping[str, str] | None = None, code: int = 429, **members: Any) -> Behaviour:
    body = {"error": {"message": MESSAGE, **members}}
    return behaviours.status(code, body, list((headers or {}).items()))


def waits(now: float) -> dict[str, tuple[int, Behaviour]]:
    """By a name for each: seconds, and a provider that states them at `now`."""
    iso = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now + 3000))
    said = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now + 3000))
    quoted = {"headers": {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(now + 3000) * 1000)}}
    late = {"date": formatdate(now - 900, usegmt=True), "retry-after": formatdate(now + 2100, usegmt=True)}
    delay = {"reason": "QUOTA_EXHAUSTED", "metadata": {"quotaResetDelay": "4h48m20.7s"}}
    spent = {"anthropic-ratelimit-tokens-remaining": "0", "anthropic-ratelimit-tokens-reset": iso}
    codex = {"x-codex-primary-used-percent": "100", "x-codex-primary-reset-after-seconds": "5400"}
    return {
        "seconds": (700, refusal({"retry-after": "700"})),
        "milliseconds": (700, refusal({"retry-after-ms": "700000"})),
        "date": (3000, refusal(late)),
        "unix": (3000, refusal({"x-ratelimit-reset": str(int(now + 3000))})),
        "duration": (5400, refusal({"x-ratelimit-reset-requests": "1h30m"})),
        "anthropic": (3000, refusal(spent)),
        "codex": (5400, refusal(codex)),
        "ietf": (4500, refusal({"ratelimit": '"default";r=0;t=4500'})),
        "field": (7200, refusal(type="usage_limit_reached", resets_in_seconds=7200)),
        "moment": (3000, refusal(reset_at=iso)),
        "google": (17300, refusal(details=[delay])),
        "openrouter": (3000, refusal(metadata=quoted)),
        "words": (7500, refusal(message="Usage limit reached, resets in 2h5m")),
        "date-in-words": (3000, refusal(message=f"Rate limit reached. Try again at {said}.")),
        "payment": (7200, refusal({"retry-after": "7200"}, 402)),
        "forbidden": (7200, refusal({"retry-after": "7200"}, 403)),
        "overloaded": (700, refusal({"retry-after": "700"}, 529)),
        "unavailable": (700, refusal(code=503, message="Busy. Please retry in 700 seconds.")),
        "day": (86_400, refusal({"retry-after-ms": "274579000"})),
    }


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_each_form_is_the_cooldown_and_the_clients_wait(tmp_path: Path, stream: bool) -> None:
    async with AsyncExitStack() as stack:
        given = waits(time.time())
        providers = await started(stack, *(behaviour for _, behaviour in given.values()))
        entries = {
            name: provider(one.base_url, keys=[f"sk-{name}-key"]) for name, one in zip(given, providers, strict=True)
        }
        router = await stack.enter_async_context(running(tmp_path, entries))
        told = {}
        for name in given:
            answer = await ask(router.base_url, model=f"{name}/m", stream=stream)
            told[name] = int(answer.headers["retry-after"])
        cooling = (await get(f"{router.url}/internal/status/cooldowns")).json
        rows = [*cooling["keys"], *cooling["targets"]]
        lasting = {row["provider"]: row["until"] - row["since"] for row in rows}
    wanted = {name: pytest.approx(seconds, abs=TOLERANCE) for name, (seconds, _) in given.items()}
    assert lasting == wanted
    assert told == wanted


async def test_so_does_what_is_said_within_a_stream(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        chunk = (
            b'data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n'
        )
        error = b'data: {"error":{"code":429,"message":"Rate limit reached. Please try again in 1h30m."}}\n\n'
        [one] = await started(stack, behaviours.exact([chunk, error], "text/event-stream"))
        router = await stack.enter_async_context(running(tmp_path, {"one": provider(one.base_url)}))
        await ask(router.base_url)
        cooling = (await get(f"{router.url}/internal/status/cooldowns")).json
        [row] = [*cooling["keys"], *cooling["targets"]]
    assert row["until"] - row["since"] == pytest.approx(5400)
