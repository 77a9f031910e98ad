"""Workers as their supervisor starts and ends them: real processes, without a router in them."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pointsman.workers.arguments import WorkerArguments
from pointsman.workers.supervisor import Supervisor
from pointsman.workers.this_worker import REPORT, report_listening

PROGRAM = """
import signal, sys
if sys.argv[1] == "wait":
    signal.pause()
"""
"""In the place of `pointsman`: it ends by itself unless it is told to wait."""


@dataclass(frozen=True, slots=True)
class Commands(WorkerArguments):
    """Starts the program with `command` alone."""

    def of_worker(self, number: int) -> list[str]:
        return [self.command]


@pytest.fixture(name="command")
def _command() -> str:
    return "end"


@pytest.fixture(name="supervisor")
def _supervisor(tmp_path: Path, command: str) -> Iterator[Supervisor]:
    (package := tmp_path / "pointsman").mkdir()
    (package / "__main__.py").write_text(PROGRAM)
    made = Supervisor(Commands(2, command, (), "127.0.0.1", 8080), {"PYTHONPATH": str(tmp_path)})
    yield made
    for worker in made.workers.values():
        worker.process.kill()
        worker.process.wait()
        worker.report.close()


@pytest.mark.parametrize("command", ["wait"])
def test_a_worker_that_starts_after_the_signal_to_end_is_ended(supervisor: Supervisor) -> None:
    supervisor.on_signal(signal.SIGTERM, None)
    assert supervisor._start(2).process.wait() == -signal.SIGTERM


def test_a_worker_that_has_ended_since_the_signal_is_not_started_again(
    supervisor: Supervisor, capfd: pytest.CaptureFixture[str]
) -> None:
    worker = supervisor._start(2)
    worker.process.wait()
    supervisor.on_signal(signal.SIGTERM, None)
    supervisor._watch(time.monotonic())
    assert worker.due is None
    assert "starts again" not in capfd.readouterr().err


def test_a_worker_that_has_ended_without_a_word_does_not_listen(supervisor: Supervisor) -> None:
    worker = supervisor._start(2)
    worker.process.wait()
    assert not worker.listens()


def test_a_worker_reports_once_and_a_router_that_is_alone_never() -> None:
    reading, writing = os.pipe()
    environ = {REPORT: str(writing)}
    report_listening(environ)
    report_listening(environ)
    with os.fdopen(reading, "rb") as report:
        assert report.read() == b"\n"
