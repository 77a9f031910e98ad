"""Asking a router the way a plain HTTP client does."""

import json
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx

from pointsman.demo import Behaviour, Provider
from support.time_limit import LONGEST

QUESTION = [{"role": "user", "content": "Which track?"}]


@dataclass(frozen=True)
class Asked:
    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[bytes]:
        """The SSE events, comments included, without their blank lines."""
        return [event for event in self.body.split(b"\n\n") if event]


def http_client(**options: Any) -> httpx.AsyncClient:
    """A client that uses no proxy of the environment, and waits for as long as tests do: the stock one gives a busy
    machine five seconds.
    """
    return httpx.AsyncClient(**{"timeout": LONGEST, "trust_env": False, **options})


async def ask(base_url: str, *, stream: bool = True, headers: dict[str, str] | None = None, **members: Any) -> Asked:
    """One chat request, answered to its end."""
    request = {"model": "m", "stream": stream, "messages": QUESTION, **members}
    async with http_client() as client:
        answer = await client.post(f"{base_url}/chat/completions", json=request, headers=headers)
    return Asked(answer.status_code, answer.headers, answer.content)


async def get(url: str, **headers: str) -> Asked:
    async with http_client() as client:
        answer = await client.get(url, headers={name.replace("_", "-"): value for name, value in headers.items()})
    return Asked(answer.status_code, answer.headers, answer.content)


async def post(url: str, body: bytes) -> Asked:
    async with http_client() as client:
        answer = await client.post(url, content=body)
    return Asked(answer.status_code, answer.headers, answer.content)


async def started(stack: AsyncExitStack, *scripts: Behaviour) -> list[Provider]:
    """Providers that play these behaviours, ended with the stack."""
    return [await stack.enter_async_context(Provider(script, name=f"p{n}")) for n, script in enumerate(scripts)]
