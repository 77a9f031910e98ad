"""Clients, providers and answers for tests of endpoints besides chats."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

from openai import AsyncOpenAI

from pointsman.demo import Behaviour, Provider, behaviours
from pointsman.domain.records import ExchangeRecord
from support.router import Router, running
from support.settings import provider

WELL = behaviours.endpoint()
SPEECH: Any = {"model": "m", "voice": "alloy", "input": "Which track?"}


@asynccontextmanager
async def served(
    folder: Path, kind: str, *scripted: Behaviour, **sections: Any
) -> AsyncIterator[tuple[AsyncOpenAI, Router, list[Provider]]]:
    """A provider for each behaviour, each with the model `m` of that kind, a chat model and another one of the kind."""
    async with AsyncExitStack() as stack:
        providers = [await stack.enter_async_context(Provider(behaviour)) for behaviour in scripted]
        rows = [{"id": "m", "kind": kind}, {"id": "chat"}, {"id": "other", "kind": kind}]
        entries = {
            f"p{n}": {**provider(each.base_url), "models": rows, "keys": [f"sk-provider-key-{n}"]}
            for n, each in enumerate(providers)
        }
        router = await stack.enter_async_context(running(folder, entries, **sections))
        client = AsyncOpenAI(base_url=router.base_url, api_key="sk-nobodys-key-0123456789", max_retries=0)
        yield await stack.enter_async_context(client), router, providers
        assert router.watcher.dialled == []


def forms_of(one: Provider) -> list[dict[str, bytes]]:
    """What the requests hold, by the standard library's reading."""
    forms = []
    for seen in one.seen:
        head = f"Content-Type: {seen.header('content-type')}\r\n\r\n".encode()
        parts = [part for part in message_from_bytes(head + seen.body).walk() if not part.is_multipart()]
        forms.append({str(part.get_param("name", header="content-disposition")): payload(part) for part in parts})
    return forms


def payload(part: Message) -> bytes:
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content


async def first_record(router: Router) -> ExchangeRecord:
    while not len(router.gateway.recent_exchanges):
        await asyncio.sleep(0)
    return next(router.gateway.recent_exchanges.newest(1))
