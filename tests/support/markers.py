"""Which of the markers `core`, `sockets` and `browser` a test gets: by its place, so no test has to name one."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest

TESTS = Path(__file__).resolve().parents[1]
CORE = (
    "client_setup", "config", "domain", "exchange", "fuzz", "history", "house", "overrides", "routing", "sessions",
    "simulation", "views/reading", "wire",
)  # fmt: skip
"""Folders without sockets and processes. What is not listed gets `sockets`."""
SOCKETS = ("house/test_enum_tables.py", "house/test_markers.py", "wire/test_control_events_and_sdks.py")
"""Exceptions within the folders of CORE."""
BROWSER = ("web/dashboard", "recording/test_browser.py", "scripts/test_screenshots.py")


@cache
def marker_of(path: Path) -> str:
    """The marker of all tests in a file of the tests."""
    place = path.resolve().relative_to(TESTS)

    def is_in(places: tuple[str, ...]) -> bool:
        return any(place.is_relative_to(each) for each in places)

    if is_in(BROWSER):
        return "browser"
    return "core" if is_in(CORE) and not is_in(SOCKETS) else "sockets"


@contextmanager
def no_input_or_output() -> Iterator[None]:
    """Within it, sockets cannot be bound or connected, and no process can be started."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("a test marked core must not use sockets or processes: see tests/support/markers.py")

    with pytest.MonkeyPatch.context() as patch:
        for method in ("bind", "connect", "connect_ex"):
            patch.setattr(socket.socket, method, refuse)
        patch.setattr(subprocess.Popen, "__init__", refuse)
        yield
