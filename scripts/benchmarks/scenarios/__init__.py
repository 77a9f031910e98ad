"""The scenarios. Each is a function `(Rounds, Versions) -> Report` in a module here and a row in this table."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks.ab_rounds import Rounds
from benchmarks.figures import Report
from benchmarks.scenarios import (
    converted,
    history,
    holding,
    idle,
    money,
    patches,
    peers,
    recording,
    routing,
    sessions,
    shared,
    startup,
    steps,
    streams,
)
from benchmarks.testbed import Versions


@dataclass(frozen=True, slots=True)
class Scenario:
    """`run` gets how long to measure and what; `compares` says whether another version can take part in it."""

    run: Callable[[Rounds, Versions], Awaitable[Report]]
    summary: str
    compares: bool = False


def passing(cases: Sequence[streams.Case], conditions: str) -> Scenario:
    """Answers that are passed through unchanged, compared with bare mitmdump."""
    return Scenario(partial(streams.run, cases, conditions), conditions, compares=True)


SCENARIOS: Mapping[str, Scenario] = {
    "streams": passing(streams.BURSTS, "64 events of 80 bytes in bursts of 8, requests of 2 KiB"),
    "answers": passing(
        streams.ANSWERS, "whole answers of 2 KB, streams of 64 events that come at once, and of 100 events a second"
    ),
    "paced": passing(streams.PACED, "64 events of 80 bytes, one at a time, at a fixed rate"),
    "long": passing(streams.LONG, "1,000 events of 80 bytes, in bursts of 8 and one at a time"),
    "whole": passing(streams.WHOLE, "answers of 2 KB that are not streamed"),
    "large": passing(streams.LARGE, "large requests, answered in 64 events"),
    "http2": passing(streams.HTTP2, "the bursts of `streams`, to clients that speak HTTP/2 over TLS"),
    "failover": passing(
        streams.FAILOVER, "a first provider that refuses every request; bare mitmdump has only the second"
    ),
    "recording": Scenario(
        recording.run, "with and without a flow for every attempt, in mitmdump and in mitmweb with a full list"
    ),
    "history": Scenario(history.run, "with and without a history of requests and attempts"),
    "steps": Scenario(steps.run, "how many bytecode instructions an answer takes, however busy the machine is", True),
    "patches": Scenario(patches.run, "what each patch gains: with all patches, and without one of them"),
    "converted": Scenario(converted.run, "streams converted to another dialect, compared with unconverted ones"),
    "idle": Scenario(idle.run, "2,000 open streams that only get keep-alives, compared with bare mitmdump"),
    "holding": Scenario(holding.run, "the longest gap in a stream while another client sends 1, 5 or 20 MB"),
    "startup": Scenario(startup.run, "from the start of a process to its first answer, and memory at rest"),
    "peers": Scenario(peers.run, "bare mitmdump and other routers (`--peers`); prints a table in Markdown"),
    "routing": Scenario(routing.run, "choosing among 500 targets with 3 keys each, all tables full; not compared"),
    "money": Scenario(money.run, "what usage, prices and named clients cost for each request, with and without them"),
    "shared": Scenario(shared.run, "what shared state costs, and how long it takes until a peer knows of a cooldown"),
    "sessions": Scenario(
        sessions.run, "finding the session of a request among 1 to 100,000, and their memory; not compared"
    ),
}
