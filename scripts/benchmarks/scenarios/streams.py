"""Streamed answers: the same provider behind the router and behind bare mitmdump."""

import json
from pathlib import Path

from benchmarks import provider
from benchmarks.duel import Load, Pace, duel
from benchmarks.figures import Figure, Report
from benchmarks.stage import stage

CONNECTIONS = (1, 16, 64)
EVENTS, EVENT_BYTES, BURST = 64, 80, 8
REQUEST_BYTES = 2048
MODEL = "bench-model"
REQUEST = (
    "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n"
    "User-Agent: bench\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
)


async def run(pace: Pace, addon: Path) -> Report:
    answer = b"".join(provider.events(EVENTS, EVENT_BYTES)).decode()
    figures: list[Figure] = []
    warnings: list[str] = []
    async with stage(addon) as on:
        upstream = await on.provider(EVENTS, EVENT_BYTES, BURST)
        sides = (await on.router(config(upstream.url)), await on.bare(upstream))
        for connections in CONNECTIONS:
            load = Load(connections, tuple(request(n) for n in range(connections)), answer)
            result = await duel(on, sides, upstream, load, pace)
            figures += result.figures()
            warnings += result.warnings()
    conditions = f"{EVENTS} events of {EVENT_BYTES} bytes in bursts of {BURST}, requests of {REQUEST_BYTES} bytes"
    return Report(f"{conditions}; {pace.rounds} rounds of {pace.seconds:g} s", figures, warnings)


def config(url: str) -> dict[str, object]:
    """The router's: the provider at `url`, and every default."""
    return {"providers": {"bench": {"base_url": f"{url}/v1", "keys": ["bench-key"], "models": [{"id": MODEL}]}}}


def request(n: int) -> str:
    """The chat request of client `n`: a conversation of its own."""
    messages = [
        {"role": "system", "content": "You are a careful assistant. " * 40},
        {"role": "user", "content": f"Question {n}: which track? "},
    ]
    bare = json.dumps({"model": MODEL, "stream": True, "messages": messages})
    messages[1]["content"] += "x" * (REQUEST_BYTES - len(bare))
    body = json.dumps({"model": MODEL, "stream": True, "messages": messages})
    return REQUEST.format(length=len(body), body=body)
