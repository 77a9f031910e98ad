"""Checking a key by listing its provider's models, which costs nothing."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import aiohttp

from pointsman.config import Key, Provider
from pointsman.domain.outbound import UpstreamRequest
from pointsman.routing.base_url_faults import description
from pointsman.routing.health_probe import probe_request
from pointsman.transport.mitm_patches.provider_connection import ConnectionTrace
from pointsman.transport.upstream_client import UpstreamClient
from pointsman.transport.upstream_options import UpstreamOptions
from pointsman.wire import jsontext
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.error_parsing import error_fault
from pointsman.wire.unknown_path import is_unknown_path, lacks_version

CHECK_TIMEOUT = 15.0
"""Seconds for everything that is asked."""
SECOND_TIMEOUT = 3.0
"""Seconds for the request that shows whether the list needs a key at all."""
MAX_ANSWER_BYTES = 4 << 20
"""Bytes of an answer that are read."""
CHUNK = 1 << 16
VERSION_PATHS = ("/v1", "/api/v1", "/openai/v1", "/v1beta")
"""What a base URL without a version may lack."""
LISTED_WITHOUT_KEY = ", but lists its models without one too: only `pointsman check --live` tests it"


@dataclass(frozen=True, slots=True)
class KeyReport:
    """What a provider answered; `ms` is the time taken."""

    ok: bool
    status: int | None
    message: str
    ms: float
    count: int | None = None
    """Models listed."""
    listed: bytes | None = field(default=None, repr=False)
    """The list of models as the provider sent it; None if it sent none."""

    def to_dict(self) -> dict[str, Any]:
        """In plain JSON types, without the names."""
        return {"ok": self.ok, "status": self.status, "models": self.count, "ms": self.ms, "message": self.message}


class Answer(NamedTuple):
    status: int
    body: bytes
    content_type: str

    @property
    def rows(self) -> list[Any] | None:
        """OpenAI's and Anthropic's lists are called `data`, Gemini's `models`; None if there is none."""
        document = jsontext.parsed(self.body) if self.status < 300 else None
        rows = document.get("data", document.get("models")) if isinstance(document, dict) else document
        return rows if isinstance(rows, list) else None

    @property
    def is_unknown_path(self) -> bool:
        return is_unknown_path(error_fault(self.status, self.body, self.content_type))

    @property
    def is_page(self) -> bool:
        return self.status < 300 and jsontext.parsed(self.body) is None


class KeyCheck:
    """`upstream` is the way to providers now."""

    def __init__(self, providers: UpstreamClient, upstream: Callable[[], UpstreamOptions]) -> None:
        self._client, self._upstream = providers, upstream

    async def __call__(self, provider: Provider, key: Key | None) -> dict[str, Any]:
        """In plain JSON types; never raises for what the provider does. A disabled key is tried too, None is no key."""
        return (await self.report(provider, key)).to_dict()

    async def report(self, provider: Provider, key: Key | None) -> KeyReport:
        """The same, with the names of the models."""
        began = time.perf_counter()
        try:
            async with asyncio.timeout(CHECK_TIMEOUT):
                report = await self._report(provider, key)
        except TimeoutError:
            report = _failed(None, f"no answer within {CHECK_TIMEOUT:g} s")
        except (aiohttp.ClientError, OSError) as error:
            report = _failed(None, f"{provider.base_url} cannot be reached ({type(error).__name__})")
        return replace(report, ms=round((time.perf_counter() - began) * 1000, 1))

    async def _report(self, provider: Provider, key: Key | None) -> KeyReport:
        asked = _list_request(provider, key)
        answer = await self._ask(asked)
        is_elsewhere = answer.is_unknown_path or answer.is_page
        if is_elsewhere and (url := await self._working_url(provider, asked)):
            return _failed(
                answer.status, f"{_fault_of(provider.base_url, answer)} ({url} answers: write base_url: {url})"
            )
        if answer.is_page:
            return _failed(answer.status, f"{_fault_of(provider.base_url, answer)}; correct it")
        if answer.status >= 300:
            return _failed(answer.status, _describe_status(answer.status, provider, key))
        message = await self._describe_success(provider, key)
        if answer.rows is None:
            return KeyReport(True, answer.status, message, 0.0)
        return KeyReport(True, answer.status, message, 0.0, len(answer.rows), answer.body)

    async def _describe_success(self, provider: Provider, key: Key | None) -> str:
        if key is None:
            return "the provider needs no key" if provider.keyless else "the provider lists its models without a key"
        if provider.keyless:
            return "the provider accepts this key, but needs none"
        is_open = await self._lists_without_key(provider)
        return f"the provider accepts this key{LISTED_WITHOUT_KEY if is_open else ''}"

    async def _lists_without_key(self, provider: Provider) -> bool:
        """Whether that is so beyond doubt: a second request that fails says nothing of the key."""
        try:
            async with asyncio.timeout(SECOND_TIMEOUT):
                return (await self._ask(_list_request(provider, None))).rows is not None
        except (TimeoutError, aiohttp.ClientError, OSError):
            return False

    async def _working_url(self, provider: Provider, asked: UpstreamRequest) -> str | None:
        """The base URL with a version behind it, if that answers as an API."""
        if not lacks_version(provider.base_url):
            return None
        for path in VERSION_PATHS:
            url = f"{provider.base_url}{path}"
            answer = await self._ask(replace(asked, url=f"{url}/models"))
            if not (answer.is_unknown_path or answer.is_page):
                return url
        return None

    async def _ask(self, asked: UpstreamRequest) -> Answer:
        return Answer(*await fetch(self._client, self._upstream(), asked))


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


def _list_request(provider: Provider, key: Key | None) -> UpstreamRequest:
    keys = (key.model_copy(update={"enabled": True}),) if key else ()
    asked = probe_request(provider.model_copy(update={"keys": keys}))
    query = DIALECTS[provider.dialect].list_query
    return replace(asked, url=f"{asked.url}?{query}") if query else asked


def _failed(status: int | None, message: str) -> KeyReport:
    return KeyReport(False, status, message, 0.0)


def _fault_of(base_url: str, answer: Answer) -> str:
    return f"base_url {base_url} answers with a page, not as an API" if answer.is_page else description(base_url)


def _describe_status(status: int, provider: Provider, key: Key | None) -> str:
    match status:
        case 401 | 403 if key is None:
            return f"the provider requires a key: add it to providers.{provider.name}.keys"
        case 401 | 403:
            return "the provider rejects this key"
        case 429:
            return "the key is rate limited at the moment"
        case 404 | 405:
            return "the provider lists no models, so the key could not be checked"
        case _ if status < 500:
            return f"the provider rejects the request with status {status}"
        case _:
            return f"the provider failed with status {status}"
