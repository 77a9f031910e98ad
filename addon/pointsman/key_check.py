"""Trying a key: its provider is asked for its models, which costs nothing anywhere."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import orjson

from pointsman.config import Key, Provider
from pointsman.domain.outbound import Outbound
from pointsman.routing.health_probe import question
from pointsman.transport.upstream_client import Dial, Providers
from pointsman.transport.upstream_options import Outlet

PATIENCE = 15.0
"""Seconds for the whole answer."""
LARGEST = 4 << 20
"""Bytes of it that are read."""


class KeyTest:
    """`outlet` is the way to providers now."""

    def __init__(self, providers: Providers, outlet: Callable[[], Outlet]) -> None:
        self._providers, self._outlet = providers, outlet

    async def __call__(self, provider: Provider, key: Key | None) -> dict[str, Any]:
        """In plain JSON types; never raises for what the provider does. A disabled key is tried too, None is no key."""
        keys = (key.model_copy(update={"enabled": True}),) if key else ()
        asked = question(provider.model_copy(update={"keys": keys}))
        began = time.perf_counter()
        try:
            async with asyncio.timeout(PATIENCE):
                status, body = await self._answer(asked)
        except TimeoutError:
            return _told(began, None, f"no answer within {PATIENCE:g} s")
        except (aiohttp.ClientError, OSError) as error:
            return _told(began, None, f"{provider.base_url} cannot be reached ({type(error).__name__})")
        return _told(began, status, _meaning(status), _count(body) if status < 300 else None)

    async def _answer(self, asked: Outbound) -> tuple[int, bytes]:
        dial = Dial(dialling=lambda: None, connected=lambda: None)
        async with self._providers.send(asked, self._outlet(), dial) as answer:
            return answer.status, await answer.content.read(LARGEST)


def _told(began: float, status: int | None, message: str, models: int | None = None) -> dict[str, Any]:
    return {
        "ok": status is not None and status < 300,
        "status": status,
        "models": models,
        "ms": round((time.perf_counter() - began) * 1000, 1),
        "message": message,
    }


def _meaning(status: int) -> str:
    match status:
        case 401 | 403:
            return "the provider refuses this key"
        case 429:
            return "the provider accepts no requests by this key for now: its limits are used up"
        case 404 | 405:
            return "the provider has no list of models, so nothing is known of this key"
        case _ if status < 300:
            return "the provider accepts this key"
        case _ if status < 500:
            return f"the provider refuses the question with {status}"
        case _:
            return f"the provider is in trouble and answers {status}"


def _count(body: bytes) -> int | None:
    """OpenAI's and Anthropic's lists are called `data`, Gemini's `models`."""
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    rows = told.get("data", told.get("models")) if isinstance(told, dict) else told
    return len(rows) if isinstance(rows, list) else None
