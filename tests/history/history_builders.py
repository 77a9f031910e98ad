"""Files of history for tests: mixed attempts, a recorder that writes at once on request, and plain questions."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from pointsman.domain.failures import Failure
from pointsman.domain.records import AttemptRecord, ExchangeRecord, Outcome
from pointsman.history import writer
from pointsman.history.writer import HistoryWriter
from pointsman.wire.frames import Usage
from support.audit_records import attempt_record, exchange_record

KEEP = 30 * 86400.0


@contextmanager
def writing(path: Path, keep: float = KEEP, **more: Any) -> Iterator[HistoryWriter]:
    recorder = HistoryWriter(path, keep, **more)
    recorder.start()
    try:
        yield recorder
    finally:
        recorder.stop()


def fill_disk(patch: pytest.MonkeyPatch) -> None:
    """From now on no row can be written, until it is undone."""

    def no_room(*_: Any) -> None:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    patch.setattr(writer, "insert", no_room)
    patch.setattr(writer, "RETRY_DELAY", 0.0)


def ask(path: Path, request: str, *given: Any) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(request, given).fetchall()


def run_script(path: Path, script: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.executescript(script)


def mixed_exchanges(count: int, now: float, seed: int = 1, days: float = 40) -> Iterator[ExchangeRecord]:
    """Exchanges of every kind, with `count` attempts together, spread over so many days until now."""
    chance, extra = Random(seed), Random(seed + 1000)
    while count > 0:
        started = now - chance.random() * days * 86400
        attempts = tuple(
            _attempt(chance, extra, n + 1, started) for n in range(min(count, chance.choice([1, 1, 1, 2, 3])))
        )
        count -= len(attempts)
        yield exchange_record(
            f"req-{count}",
            session=chance.choice([None, "a1b2c3"]),
            mode=chance.choice(["balanced", "smart", "fast"]),
            started=started,
            streamed=chance.random() < 0.8,
            attempts=attempts,
            client=extra.choice([None, "ci", "laptop"]),
            dialect=extra.choice(["openai_chat", "anthropic"]),
        )


def _attempt(chance: Random, extra: Random, n: int, started: float) -> AttemptRecord:
    endings = [outcome for outcome in Outcome if outcome is not Outcome.HEDGE_TRIGGERED]  # which ends nothing
    outcome = chance.choice([*endings, *[Outcome.REQUEST_SUCCESS] * 8])
    blamed = outcome in (Outcome.RETRY_FAILED, Outcome.STREAM_BROKEN, Outcome.STREAM_STALLED)
    waited = round(chance.lognormvariate(6, 1), 1)
    return attempt_record(
        n=n,
        provider=chance.choice(["groq", "Groq", "local"]),
        model=chance.choice(["llama", "vendor/qwen"]),
        key=chance.choice([None, "key-1", "key-2"]),
        outcome=outcome,
        failure=chance.choice([*Failure]) if blamed else None,
        error="503" if blamed else None,
        was_last_key=chance.random() < 0.5,
        started=started,
        first_content_ms=waited if outcome.is_success or outcome is Outcome.STREAM_BROKEN else None,
        settled_ms=waited + round(chance.uniform(0, 5000), 1),
        usage=_usage(chance, extra) if chance.random() < 0.7 else None,
        cost=extra.choice([None, extra.randrange(10**7)]),
    )


def _usage(chance: Random, extra: Random) -> Usage:
    input, output = chance.randrange(1000), chance.randrange(500)
    caches = [extra.randrange(1000) for _ in range(3)]
    return Usage(input, output, *caches, reasoning=extra.randrange(output + 1))
