"""Sessions: the cost of finding a request's session, and the memory of sessions. No sockets, no comparison.

As in the router, a request's JSON is parsed already, and nothing has been read from it for its session.
"""

import json
import statistics
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import count, pairwise
from time import perf_counter
from typing import Any

from benchmarks.ab_rounds import Rounds
from benchmarks.figures import Figure, Report
from benchmarks.testbed import Versions
from pointsman import config
from pointsman.config.enums import Dialect, KeySource, Mode
from pointsman.sessions.digests import Digests
from pointsman.sessions.key_sources import Caller, SessionKey
from pointsman.sessions.registry import SessionRegistry
from pointsman.sessions.store import MAX_BOUNDARIES, MAX_FURTHER_NAMES, Pin
from pointsman.wire.conversation import body_ids, conversation
from pointsman.wire.jsontext import loads

MESSAGES, REQUEST_BYTES = 100, 80_000
LIVE = (1, 1_000, 100_000)
PAST = 3
"""Former names of each kind that a session remembers."""
MIB = 2**20


async def run(rounds: Rounds, versions: Versions) -> Report:
    figures: list[Figure] = []
    for live in LIVE:
        own, traced = filled(live)
        figures += [Figure(setting(live), name, values) for name, values in times(own, rounds).items()]
        if live == LIVE[-1]:
            figures.append(Figure(setting(live), "bytes each", [traced / live]))
            figures.append(Figure(setting(live), "MiB in total", [traced / MIB]))
    conditions = f"requests of {MESSAGES} messages and {REQUEST_BYTES} bytes, parsed; ms each, not compared"
    return Report(f"{conditions}; {rounds}", figures)


def setting(live: int) -> str:
    return f"{live:,} live"


def desk(live: int) -> SessionRegistry:
    """With room for `live` sessions and one more."""
    settings = config.build({"providers": {}, "sticky": {"max_sessions": live + 1}}, {})
    return SessionRegistry(settings, Digests(b"the secret of a benchmark"))


def filled(live: int) -> tuple[SessionRegistry, int]:
    """`live` sessions of the greatest possible size, and the bytes that they take. They are put into the store
    directly: hundreds of thousands of requests would take minutes.
    """
    own, made = desk(live), Digests(b"names of a benchmark")
    store = own._store
    tracemalloc.start()
    for number in range(live):
        names = [made.digest("name", str(number), str(n)) for n in range(MAX_BOUNDARIES + MAX_FURTHER_NAMES + 2 * PAST)]
        session = store.find_or_begin(SessionKey(KeySource.PREFIX_HASH, b"\0", (names[0],), names[0]), 0.0)
        session.pin = Pin("a provider", "a model", "key-1")
        for before, name in pairwise(names[: MAX_BOUNDARIES + PAST]):
            store.extend(session, before, name)
        for name in names[MAX_BOUNDARIES + PAST :]:
            store.add_name(session, name)
        store.set_exchange(session, made.digest("exchange", str(number)))
    traced, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return own, traced


def caller(document: dict[str, Any], **headers: str) -> Caller:
    return Caller(
        headers={"content-type": "application/json", "user-agent": "bench", **headers},
        credential="sk-the-client",
        address="127.0.0.1",
        body_ids=lambda: body_ids(document),
        conversation=lambda: conversation(Dialect.OPENAI_CHAT, document),
        model="bench-model",
    )


def request(number: int) -> dict[str, Any]:
    """A request in the middle of conversation `number`."""
    turns = [("system", "You are a careful assistant. ")]
    turns += [("assistant" if n % 2 else "user", f"{n}, of {number}: which track? ") for n in range(MESSAGES - 1)]
    bare = json.dumps({"messages": [{"role": role, "content": text} for role, text in turns]})
    missing, rest = divmod(REQUEST_BYTES - len(bare), MESSAGES)
    texts = [text + "x" * (missing + (n < rest)) for n, (_, text) in enumerate(turns)]
    messages = [{"role": role, "content": text} for (role, _), text in zip(turns, texts, strict=True)]
    document: dict[str, Any] = loads(json.dumps({"messages": messages}).encode())
    return document


def times(own: SessionRegistry, rounds: Rounds) -> dict[str, list[float]]:
    """The median of each round in ms, for each way to find a session."""
    known = request(0)
    own.bind(caller(known), Mode.BALANCED, 0.0)
    own.bind(caller(known, **{"x-session-id": "a session"}), Mode.BALANCED, 0.0)
    ways: dict[str, Callable[[], Iterator[Caller]]] = {
        "known by its messages": lambda: (caller(known) for _ in count()),
        "messages of a new one": lambda: (caller(renamed(known, number)) for number in count()),
        "known by a header": lambda: (caller(known, **{"x-session-id": "a session"}) for _ in count()),
    }
    seconds = rounds.seconds / len(ways)
    medians: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds.count):
        for name, way in ways.items():
            medians[name].append(1000 * statistics.median(timed(own, way(), seconds)))
    return medians


def renamed(document: dict[str, Any], number: int) -> dict[str, Any]:
    """The same conversation with another beginning."""
    system, first, *rest = document["messages"]
    return {"messages": [system, {**first, "content": f"{number} {first['content']}"}, *rest]}


def timed(own: SessionRegistry, callers: Iterator[Caller], seconds: float) -> Iterator[float]:
    """Seconds for each lookup, until `seconds` are over."""
    until = perf_counter() + seconds
    while perf_counter() < until:
        who = next(callers)
        began = perf_counter()
        own.bind(who, Mode.BALANCED, 0.0)
        yield perf_counter() - began
