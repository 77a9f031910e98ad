"""Which of several processes on one port this one is; its supervisor passes that in an environment variable."""

import os
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from pathlib import Path

VARIABLE = "POINTSMAN_WORKER"
REPORT = "POINTSMAN_WORKER_REPORT"
"""The file descriptor on which the supervisor waits to hear that this worker listens."""
FIRST = 1


def worker_number(environ: Mapping[str, str] = os.environ) -> int | None:
    """From 1; None for a router that is alone on its port."""
    given = environ.get(VARIABLE, "")
    return int(given) if given.isascii() and given.isdigit() and int(given) >= FIRST else None


def is_first(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether this is the worker that does what only one may do; a router that is alone is one too."""
    return worker_number(environ) in (None, FIRST)


def own_file(path: Path, environ: Mapping[str, str] = os.environ) -> Path:
    """Where this worker keeps what others keep at `path`: `history-2.db` for `history.db`. The first has it itself."""
    number = worker_number(environ)
    return path if number in (None, FIRST) else path.with_name(f"{path.stem}-{number}{path.suffix}")


def report_listening(environ: MutableMapping[str, str] = os.environ) -> None:
    """Tells the supervisor that this worker's port is open. Nothing for a router that is alone."""
    if (given := environ.pop(REPORT, "")).isdigit():
        with suppress(OSError):  # the supervisor has ended
            os.write(int(given), b"\n")
            os.close(int(given))
