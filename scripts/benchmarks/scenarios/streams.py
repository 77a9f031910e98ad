"""Answers that are passed through unchanged: the same provider behind all proxies."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from benchmarks import provider
from benchmarks.ab_rounds import Comparison, Load, Rounds, compare
from benchmarks.figures import Figure, Report
from benchmarks.testbed import BARE, Contender, Testbed, Versions, testbed

BURST = 8
REQUEST_BYTES = 2048
MODEL = "bench-model"
REQUEST = (
    "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n"
    "User-Agent: bench\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
)


@dataclass(frozen=True, slots=True)
class Case:
    """`events` of `event_bytes` bytes in bursts of `burst`, `pause` seconds apart; without events, a whole answer. With
    `busy`, the router (not bare mitmdump) has a first provider that refuses; with `streams`, clients speak HTTP/2 with
    that many concurrent streams on each connection. With `message_bytes`, the request is a session of an agent with
    messages of about that size; else one question takes all of it.
    """

    connections: int
    events: int = 64
    event_bytes: int = 80
    burst: int = BURST
    pause: float = 0.0
    request_bytes: int = REQUEST_BYTES
    busy: bool = False
    name: str = ""
    streams: int = 0
    message_bytes: int = 0

    def load(self) -> Load:
        requests = tuple(
            request(n, self.request_bytes, bool(self.events), self.message_bytes) for n in range(self.connections)
        )
        return Load(self.connections, requests, self.answer(), not self.events, self.name, self.streams)

    def answer(self) -> str:
        if not self.events:
            return provider.whole(self.event_bytes).decode()
        return b"".join(provider.events(self.events, self.event_bytes)).decode()


BURSTS = tuple(Case(connections) for connections in (1, 16, 64))
PACED = tuple(
    Case(connections, burst=1, pause=pause, name=f"{connections} of {1 / pause:.0f}/s")
    for connections, pause in ((1, 0.005), (16, 0.02), (64, 0.1))
)
LONG = (Case(16, events=1000, name="16, bursts"), Case(16, events=1000, burst=1, pause=0.004, name="16, paced"))
WHOLE = tuple(Case(connections, events=0, event_bytes=2000) for connections in (1, 16))
LARGE = (
    Case(16, request_bytes=80_000, name="16 of 80 KB"),
    Case(4, request_bytes=5_000_000, name="4 of 5 MB"),
    *(
        Case(4, request_bytes=size, message_bytes=2000, name=f"4 of {name}, a session")
        for size, name in ((80_000, "80 KB"), (800_000, "800 KB"), (5_000_000, "5 MB"))
    ),
)
HTTP2 = (Case(1, streams=1), Case(16, streams=1), Case(4, streams=4, name="4 of 4 streams"))
"""Bare mitmproxy allows at most five concurrent streams from one client connection to one server."""
AT_ONCE = tuple(Case(connections, burst=64, name=f"{connections}, at once") for connections in (1, 16, 64))
HUNDRED = tuple(Case(connections, burst=1, pause=0.01, name=f"{connections} of 100/s") for connections in (32, 96))
ANSWERS = (*(replace(case, name=f"{case.connections}, whole") for case in WHOLE), *AT_ONCE, *HUNDRED)
FAILOVER = (Case(1, busy=True), Case(16, busy=True))


async def run(cases: Sequence[Case], conditions: str, rounds: Rounds, versions: Versions) -> Report:
    """Each case has its own processes, and so its own peaks of memory."""
    figures: list[Figure] = []
    warnings: list[str] = []
    for case in cases:
        async with testbed(versions) as bed:
            result = await _compare(bed, case, rounds)
            figures += result.figures()
            warnings += result.warnings()
    return Report(f"{conditions}; {rounds}", figures, warnings)


async def _compare(bed: Testbed, case: Case, rounds: Rounds) -> Comparison:
    upstream = await bed.provider(case.events, case.event_bytes, case.burst, case.pause)
    before = [await bed.provider(0, 0, 1, busy=True)] if case.busy else []
    settings = config(*(each.url for each in (*before, upstream)))
    router = Contender("router", lambda bed, _: bed.router(settings))
    proxies = (await router.start(bed, upstream), await BARE.start(bed, upstream))
    return await compare(bed, proxies, upstream, case.load(), rounds, other=await bed.other(settings))


def config(*urls: str) -> dict[str, object]:
    """The router's configuration: a provider at each URL, and all defaults except that cooldowns are minimal."""
    return {
        "providers": dict(_providers(urls)),
        "cooldowns": {"transient": "1ms"},
    }


def _providers(urls: Sequence[str]) -> Iterator[tuple[str, object]]:
    for n, url in enumerate(urls):
        yield f"bench-{n}", {"base_url": f"{url}/v1", "keys": ["bench-key"], "models": [{"id": MODEL}]}


def request(n: int, size: int = REQUEST_BYTES, stream: bool = True, message_bytes: int = 0) -> str:
    """The chat request of client `n`, of `size` bytes: a conversation of its own."""
    messages: list[dict[str, object]] = [{"role": "system", "content": "You are a careful assistant. " * 40}]
    if message_bytes:
        messages += turns(size - REQUEST_BYTES, message_bytes)
    question = f"Question {n}: which track? "
    bare = json.dumps({"model": MODEL, "stream": stream, "messages": [*messages, _user(question)]})
    messages.append(_user(question + "x" * (size - len(bare))))
    body = json.dumps({"model": MODEL, "stream": stream, "messages": messages})
    return REQUEST.format(length=len(body), body=body)


def turns(size: int, message_bytes: int) -> list[dict[str, object]]:
    """The earlier turns of an agent's session, at most `size` bytes: calls of tools, their results and what is said."""
    code = "def track(at: int) -> str:\n    return [\"left\", 'right'][at % 2]  # {the switch}\n\n"
    text = code * (message_bytes // len(code))
    call = {"name": "edit", "arguments": json.dumps({"path": "tracks.py", "text": text})}
    turn: list[dict[str, object]] = [
        _user(text),
        {"role": "assistant", "tool_calls": [{"id": "call_1", "type": "function", "function": call}]},
        {"role": "tool", "tool_call_id": "call_1", "content": text},
        {"role": "assistant", "content": text},
    ]
    return turn * (size // len(json.dumps(turn)))


def _user(text: str) -> dict[str, object]:
    return {"role": "user", "content": text}
