"""Starts several workers on one port, and starts one again that has died.

The first is what a router alone would be: it makes the keys and certificates of a first start, prints where to sign in,
and has mitmweb. The others follow once it listens.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import BinaryIO

from pointsman.workers import this_worker
from pointsman.workers.arguments import WorkerArguments
from pointsman.workers.embedded_valkey import EmbeddedValkey, NoServer, embedded_valkey
from pointsman.workers.parent_death import ending_with_parent

SHARED_URL = "POINTSMAN_SHARED__URL"
START_TIMEOUT = 60.0
POLL = 0.1
RELOAD = signal.SIGHUP
ENDING = (signal.SIGTERM, signal.SIGINT)
MIN_PAUSE, MAX_PAUSE = 1.0, 30.0
"""Seconds before a worker that has died is started again; twice as long each time, until one lives for MAX_PAUSE."""
_end_with_parent = ending_with_parent(signal.SIGTERM)


@dataclass(slots=True)
class Worker:
    """`report` is the end of a pipe on which it says that it listens. `due` is when it is to be started again, on the
    steady clock.
    """

    number: int
    process: subprocess.Popen[bytes]
    report: BinaryIO
    began: float
    pause: float = MIN_PAUSE
    due: float | None = None

    def listens(self) -> bool:
        """Whether it has said so. It stays so until the worker is started again."""
        if not self.report.closed:
            if not self.report.read(1):  # None: nothing yet; empty: it has ended
                return False
            self.report.close()
        return True


@dataclass(slots=True)
class Supervisor:
    """Owns the worker processes of one run."""

    arguments: WorkerArguments
    environ: Mapping[str, str] = field(default_factory=dict)
    is_ending: bool = False
    valkey: EmbeddedValkey | None = None
    workers: dict[int, Worker] = field(default_factory=dict)

    def run(self, environ: Mapping[str, str]) -> int:
        """Until a signal has ended the workers, or the first one ends by itself before it listens. Returns the exit
        status.
        """
        self.environ = environ
        if self.is_ending:
            return 0
        first = self._start(this_worker.FIRST)
        if not self._comes_to_listen(first):
            return _status(first.process)
        for number in range(this_worker.FIRST + 1, self.arguments.workers + 1):
            self._start(number)
        is_said = False
        while not self.is_ending:
            self._watch(time.monotonic())
            if not is_said and all(worker.listens() for worker in self.workers.values()):
                is_said = True
                _say(f"{self.arguments.workers} workers listen on {self.arguments.host}:{self.arguments.port}")
            time.sleep(POLL)
        return max((_status(worker.process) for worker in self.workers.values() if worker.due is None), default=0)

    def on_signal(self, signum: int, _: FrameType | None) -> None:
        """One that reloads goes to each worker; any other ends them all, in good order."""
        if signum != RELOAD:
            signum, self.is_ending = signal.SIGTERM, True
        for worker in self.workers.values():
            with suppress(ProcessLookupError):
                worker.process.send_signal(signum)

    def _comes_to_listen(self, worker: Worker) -> bool:
        """Waits until it does. False if it has ended instead, or takes too long."""
        until = time.monotonic() + START_TIMEOUT
        while time.monotonic() < until and worker.process.poll() is None and not self.is_ending:
            if worker.listens():
                return True
            time.sleep(POLL)
        if worker.process.poll() is None:
            worker.process.terminate()
        return False

    def _start(self, number: int, pause: float = MIN_PAUSE) -> Worker:
        worker = self.workers[number] = self._launch(number, pause)
        if self.is_ending:  # by a signal that came before it was among the workers
            worker.process.terminate()
        return worker

    def _launch(self, number: int, pause: float) -> Worker:
        command = [sys.executable, "-P", "-m", "pointsman", *self.arguments.of_worker(number)]
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        try:
            process = subprocess.Popen(
                command,
                env={**self.environ, this_worker.VARIABLE: str(number), this_worker.REPORT: str(writing)},
                pass_fds=(writing,),
                start_new_session=True,  # a terminal's Ctrl-C reaches them once, from here
                preexec_fn=_before_exec,
            )
        finally:
            os.close(writing)
        return Worker(number, process, os.fdopen(reading, "rb", 0), time.monotonic(), pause)

    def _watch(self, now: float) -> None:
        if self.valkey and (said := self.valkey.keep(now)):
            _say(said)
        for worker in list(self.workers.values()):
            if worker.due is not None and now >= worker.due:
                worker.report.close()
                self._start(worker.number, worker.pause)
            elif worker.due is None and worker.process.poll() is not None and not self.is_ending:
                lived = now - worker.began
                worker.pause = MIN_PAUSE if lived > MAX_PAUSE else min(worker.pause * 2, MAX_PAUSE)
                worker.due = now + worker.pause
                status = _status(worker.process)
                _say(f"worker {worker.number} has ended with status {status}; it starts again in {worker.pause:.0f} s")


def _before_exec() -> None:
    """In the child. Until a worker handles the signal to reload, that signal would end it."""
    signal.signal(RELOAD, signal.SIG_IGN)
    if _end_with_parent is not None:
        _end_with_parent()


def run(arguments: WorkerArguments) -> int:
    """Returns the exit status."""
    if not hasattr(socket, "SO_REUSEPORT"):
        _say("--workers needs a system on which several processes can listen on one port; this one cannot")
        return 2
    if problem := _port_problem(arguments):
        _say(problem)
        return 1
    supervisor = Supervisor(arguments)
    try:
        with _signals_to(supervisor):
            if arguments.shared_url:
                return supervisor.run({**os.environ, SHARED_URL: arguments.shared_url})
            with embedded_valkey(lambda: supervisor.is_ending) as supervisor.valkey:
                return supervisor.run({**os.environ, SHARED_URL: supervisor.valkey.url})
    except NoServer as error:
        _say(str(error))
        return 1


@contextmanager
def _signals_to(supervisor: Supervisor) -> Iterator[None]:
    former = {each: signal.signal(each, supervisor.on_signal) for each in (RELOAD, *ENDING)}
    try:
        yield
    finally:
        for each, handler in former.items():
            signal.signal(each, handler)


def _port_problem(arguments: WorkerArguments) -> str | None:
    """Another process on the port, which the workers would silently share it with."""
    with socket.socket(socket.AF_INET6 if ":" in arguments.host else socket.AF_INET) as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((arguments.host, arguments.port))
        except OSError as error:
            return f"cannot listen on {arguments.host}:{arguments.port}: {error.strerror}"
    return None


def _status(process: subprocess.Popen[bytes]) -> int:
    """Once it has ended, as a shell gives it."""
    status = process.wait()
    return status if status >= 0 else 128 - status


def _say(text: str) -> None:
    print(f"pointsman: {text}", file=sys.stderr, flush=True)
