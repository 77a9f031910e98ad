"""Checking a key by listing its provider's models, which costs nothing."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import aiohttp
import orjson

from pointsman.config import Key, Provider
from pointsman.domain.outbound import UpstreamRequest
from pointsman.routing.base_url_faults import description
from pointsman.routing.health_probe import probe_request
from pointsman.transport.mitm_patches.provider_connection import ConnectionTrace
from pointsman.transport.upstream_client import UpstreamClient
from pointsman.transport.upstream_options import UpstreamOptions
from pointsman.wire.error_parsing import error_fault
from pointsman.wire.errors import Fault
from pointsman.wire.unknown_path import is_unknown_path, lacks_version

CHECK_TIMEOUT = 15.0
"""Seconds for the whole answer."""
MAX_ANSWER_BYTES = 4 << 20
"""Bytes of it that are read."""
CHUNK = 1 << 16


class KeyCheck:
    """`upstream` is the way to providers now."""

    def __init__(self, providers: UpstreamClient, upstream: Callable[[], UpstreamOptions]) -> None:
        self._client, self._upstream = providers, upstream

    async def __call__(self, provider: Provider, key: Key | None) -> dict[str, Any]:
        """In plain JSON types; never raises for what the provider does. A disabled key is tried too, None is no key."""
        keys = (key.model_copy(update={"enabled": True}),) if key else ()
        asked = probe_request(provider.model_copy(update={"keys": keys}))
        began = time.perf_counter()
        try:
            async with asyncio.timeout(CHECK_TIMEOUT):
                status, body, content_type = await self._ask(asked)
                if await self._lacks_version(provider, asked, error_fault(status, body, content_type)):
                    return _result(began, status, f"{description(provider.base_url)} ({provider.base_url}/v1 answers)")
        except TimeoutError:
            return _result(began, None, f"no answer within {CHECK_TIMEOUT:g} s")
        except (aiohttp.ClientError, OSError) as error:
            return _result(began, None, f"{provider.base_url} cannot be reached ({type(error).__name__})")
        return _result(began, status, _describe_status(status), _count_models(body) if status < 300 else None)

    async def _lacks_version(self, provider: Provider, asked: UpstreamRequest, fault: Fault) -> bool:
        """The base URL answers no path, and the one with `/v1` behind it does."""
        if not is_unknown_path(fault) or not lacks_version(provider.base_url):
            return False
        status, body, content_type = await self._ask(replace(asked, url=f"{provider.base_url}/v1/models"))
        return not is_unknown_path(error_fault(status, body, content_type))

    async def _ask(self, asked: UpstreamRequest) -> tuple[int, bytes, str]:
        return await fetch(self._client, self._upstream(), asked)


async def fetch(client: UpstreamClient, upstream: UpstreamOptions, asked: UpstreamRequest) -> tuple[int, bytes, str]:
    """Status, at most MAX_ANSWER_BYTES of the body, and its type. Raises aiohttp.ClientError, OSError, TimeoutError."""
    dial = ConnectionTrace(on_connecting=lambda: None, on_connected=lambda: None)
    async with client.send(asked, upstream, dial) as answer:
        body = bytearray()
        async for chunk in answer.content.iter_chunked(CHUNK):
            body += chunk
            if len(body) >= MAX_ANSWER_BYTES:
                break
        return answer.status, bytes(body[:MAX_ANSWER_BYTES]), answer.headers.get("Content-Type", "")


def _result(began: float, status: int | None, message: str, models: int | None = None) -> dict[str, Any]:
    return {
        "ok": status is not None and status < 300,
        "status": status,
        "models": models,
        "ms": round((time.perf_counter() - began) * 1000, 1),
        "message": message,
    }


def _describe_status(status: int) -> str:
    match status:
        case 401 | 403:
            return "the provider rejects this key"
        case 429:
            return "the key is rate limited at the moment"
        case 404 | 405:
            return "the provider lists no models, so the key could not be checked"
        case _ if status < 300:
            return "the provider accepts this key"
        case _ if status < 500:
            return f"the provider rejects the request with status {status}"
        case _:
            return f"the provider failed with status {status}"


def _count_models(body: bytes) -> int | None:
    """OpenAI's and Anthropic's lists are called `data`, Gemini's `models`."""
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    rows = told.get("data", told.get("models")) if isinstance(told, dict) else told
    return len(rows) if isinstance(rows, list) else None
