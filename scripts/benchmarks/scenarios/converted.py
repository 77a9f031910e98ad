"""The cost of a conversion: the same streams of one provider, converted to another dialect and unconverted."""

import json

from benchmarks import provider
from benchmarks.ab_rounds import Load, Rounds, compare
from benchmarks.figures import Figure, Report
from benchmarks.scenarios import streams
from benchmarks.testbed import Versions, testbed
from pointsman.config import Provider
from pointsman.config.enums import Dialect
from pointsman.wire.conversion.codec import codec_for
from pointsman.wire.dialects.base import Listener
from pointsman.wire.dialects.registry import DIALECTS

CONNECTIONS = (1, 16)
REQUEST = (
    "POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n"
    "User-Agent: bench\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
)


async def run(rounds: Rounds, versions: Versions) -> Report:
    case = streams.Case(CONNECTIONS[-1])
    events = provider.events(case.events, case.event_bytes)
    same, other = b"".join(events).decode(), converted_stream(events).decode()
    figures: list[Figure] = []
    warnings: list[str] = []
    async with testbed(versions) as bed:
        upstream = await bed.provider(case.events, case.event_bytes, case.burst)
        settings = streams.config(upstream.url)
        proxies = (await bed.router(settings, "converting"), await bed.router(settings, "unconverted"))
        for connections in CONNECTIONS:
            converted = Load(connections, tuple(request(n) for n in range(connections)), other)
            plain = Load(connections, tuple(streams.request(n) for n in range(connections)), same)
            result = await compare(bed, proxies, upstream, converted, rounds, plain)
            figures += result.figures()
            warnings += result.warnings()
    conditions = f"{case.events} events of {case.event_bytes} bytes, as Messages (router) and unconverted (bare)"
    return Report(f"{conditions}; {rounds}", figures, warnings)


def request(n: int) -> str:
    """The request of client `n` in the other dialect, as long as the one in the provider's dialect."""
    messages = [{"role": "user", "content": f"Question {n}: which track? "}]
    asked = {"model": streams.MODEL, "stream": True, "max_tokens": 99, "system": "You are a careful assistant. " * 40}
    messages[0]["content"] += "x" * (streams.REQUEST_BYTES - len(json.dumps({**asked, "messages": messages})))
    body = json.dumps({**asked, "messages": messages})
    return REQUEST.format(length=len(body), body=body)


def converted_stream(events: list[bytes]) -> bytes:
    """The stream that a client of the other dialect gets for these events."""
    client, spoken = DIALECTS[Dialect.ANTHROPIC], DIALECTS[Dialect.OPENAI_CHAT]
    body = request(0).partition("\r\n\r\n")[2].encode()
    entry = Provider(name="bench", base_url="http://127.0.0.1:9/v1")
    way = codec_for(client, spoken, Listener(client.facts(body, "/v1/messages")), entry, False)
    way.outbound(body, streams.MODEL)
    reader = way.reader(200, "text/event-stream")
    return b"".join(frame.data for event in events for frame in reader.read(event))
