"""The scenarios. One is a function `(Pace, addon) -> Report` in a file here, and a row in this table."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.duel import Pace
from benchmarks.figures import Report
from benchmarks.scenarios import idle, routing, sessions, streams


@dataclass(frozen=True, slots=True)
class Scenario:
    """`run` gets how long to measure and the file that mitmdump loads as the router."""

    run: Callable[[Pace, Path], Awaitable[Report]]
    summary: str


SCENARIOS: Mapping[str, Scenario] = {
    "streams": Scenario(streams.run, "streamed answers at 1, 16 and 64 client connections, against bare mitmdump"),
    "idle": Scenario(idle.run, "2,000 open streams that only get keep-alives, against bare mitmdump"),
    "routing": Scenario(routing.run, "choosing among 500 targets with 3 keys each, every table full; no opponent"),
    "sessions": Scenario(
        sessions.run, "knowing a conversation again, with 1 to 100,000 live sessions, and their memory"
    ),
}
