"""Clients of Responses over a WebSocket connection: several requests on each, some with an earlier answer.

The router gives these requests ids of its own, so the checks know what the client got, and not the record. A text names
its provider and its request in every word, so that anything lost, doubled or foreign shows.
"""

import asyncio
import json
import random
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection, connect

from robustness.clients import PATIENCE, ClientPool, ProtocolViolation
from robustness.faults import FAULTY, OTHER_TEXTS, STEADY, assignment
from robustness.requests import CLIENTS, SOCKETS, ChatRequest, key_of

LAST = ("response.completed", "response.incomplete", "response.failed", "error")
CLIENT = CLIENTS[0]
"""The client that sends these requests: one without budgets."""
MANY = 400
"""Messages after which the client leaves."""


async def over_websocket(pool: ClientPool, first: ChatRequest, chance: random.Random) -> None:
    """One connection, until its client has asked enough or leaves."""
    headers = {"Authorization": f"Bearer {key_of(CLIENT)}"}
    url = f"{pool.router.url.replace('http', 'ws', 1)}/v1/responses"
    earlier: str | None = None
    async with connect(url, proxy=None, max_size=None, open_timeout=PATIENCE, additional_headers=headers) as connection:
        for drawn in pool.more(first, 6, chance):
            request = ChatRequest.of(drawn.seed, drawn.n + SOCKETS)
            await connection.send(json.dumps(message(request, earlier if chance.random() < 0.7 else None)))
            if chance.random() < 0.15:
                await leave(connection, chance)
                return await tell(pool, "left a WebSocket")
            earlier = await _answered(pool, connection, request)
            if earlier == "":
                return


def message(request: ChatRequest, earlier: str | None) -> dict[str, Any]:
    fields = {name: value for name, value in json.loads(request.body).items() if name != "stream"}
    before = {"previous_response_id": earlier} if earlier else {}
    return {"type": "response.create", "store": False, **fields, **before}


async def leave(connection: ClientConnection, chance: random.Random) -> None:
    """In a random phase of an answer, with or without a close frame."""
    with suppress(TimeoutError, websockets.ConnectionClosed):
        async with asyncio.timeout(chance.random()):
            while True:
                await connection.recv()
    if chance.random() < 0.5:
        connection.transport.abort()


async def tell(pool: ClientPool, outcome: str) -> None:
    if pool.others:
        await pool.others(outcome)


async def _answered(pool: ClientPool, connection: ClientConnection, request: ChatRequest) -> str | None:
    """The id to go on from; empty if the client leaves an answer that does not end, None if there is none."""
    found: list[dict[str, Any]] = []
    try:
        async with asyncio.timeout(PATIENCE):
            while not found or found[-1].get("type") not in LAST:
                if len(found) > MANY * (1 + request.words // 100):
                    await tell(pool, "left a WebSocket")
                    return ""
                found.append(json.loads(await connection.recv()))
    except (TimeoutError, websockets.ConnectionClosed) as error:
        raise ProtocolViolation(f"{request.id}: {type(error).__name__} after {len(found)} messages") from None
    if fault := wrong_answer(request, found):
        raise ProtocolViolation(f"{request.id} over a WebSocket: {fault}")
    await tell(pool, f"{found[-1]['type']} over a WebSocket")
    return found[-1]["response"]["id"] if found[-1]["type"] == "response.completed" else None


def wrong_answer(request: ChatRequest, messages: Sequence[dict[str, Any]]) -> str:
    """What is wrong with all messages up to the last one; empty if nothing is."""
    said = "".join(each["delta"] for each in messages if each.get("type") == "response.output_text.delta")
    last = messages[-1]
    if last["type"] == "error":
        return "" if not said and last.get("error", {}).get("code") else f"an error after content: {last}"
    if not said:
        return "" if last["type"] == "response.failed" else f"{last['type']} without a text"
    begun = next((name for name in (*FAULTY, STEADY) if said.startswith(f"{name}-{request.id}-0:"[: len(said)])), None)
    others = {assignment(request, name).name for name in (*FAULTY, STEADY)} & OTHER_TEXTS
    if begun is None or assignment(request, begun).name in OTHER_TEXTS:
        return "" if others else f"a text of no provider: {said[:200]!r}"
    due, got = assignment(request, begun).text.split(), said.split()
    if others and _goes_on_with_another(said, assignment(request, begun).text):
        return ""
    if last["type"] == "response.failed":
        is_right = assignment(request, begun).text.startswith(said) or due[: len(got) - 1] == got[:-1]
    else:
        is_right = due == got
    same = next(
        (n for n, pair in enumerate(zip(due, got, strict=False)) if pair[0] != pair[1]), min(len(due), len(got))
    )
    return "" if is_right else f"{last['type']}: {same} of {len(due)} words are right, then {got[same : same + 3]}"


def _goes_on_with_another(said: str, text: str) -> bool:
    """A provider with a text of its own, which is one letter again and again, has gone on with the beginning of this
    one.
    """
    kept = said.rstrip("x")
    return kept != said and kept != "" and text.startswith(kept)
