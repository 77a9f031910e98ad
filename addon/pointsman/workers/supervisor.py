"""Starts several workers on one port, and starts one again that has died.

The first is what a router alone would be: it makes the keys and certificates of a first start, prints where to sign in,
and has mitmweb. The others follow once it serves.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType

from pointsman.client_setup.background_router import Probe, probe
from pointsman.workers import this_worker
from pointsman.workers.arguments import WorkerArguments
from pointsman.workers.embedded_valkey import NoServer, embedded_valkey
from pointsman.workers.parent_death import ending_with_parent

SHARED_URL = "POINTSMAN_SHARED__URL"
START_TIMEOUT = 60.0
POLL = 0.1
RELOAD = signal.SIGHUP
ENDING = (signal.SIGTERM, signal.SIGINT)
MIN_PAUSE, MAX_PAUSE = 1.0, 30.0
"""Seconds before a worker that has died is started again; twice as long each time, until one lives for MAX_PAUSE."""


@dataclass(slots=True)
class Worker:
    """`due` is when it is to be started again, on the steady clock."""

    number: int
    process: subprocess.Popen[bytes]
    began: float
    pause: float = MIN_PAUSE
    due: float | None = None


@dataclass(slots=True)
class Supervisor:
    """Owns the worker processes of one run."""

    arguments: WorkerArguments
    environ: dict[str, str]
    is_ending: bool = False
    workers: list[Worker] = field(default_factory=list)

    def run(self) -> int:
        """Until a signal has ended the workers, or the first one ends by itself before it serves. Returns the exit
        status.
        """
        self._start(this_worker.FIRST)
        first = self.workers[0]
        if not self._serves(first):
            return _status(first.process)
        for number in range(this_worker.FIRST + 1, self.arguments.workers + 1):
            self._start(number)
        _say(f"{self.arguments.workers} workers listen on {self.arguments.host}:{self.arguments.port}")
        while not self.is_ending:
            time.sleep(POLL)
            self._watch(time.monotonic())
        return max(_status(worker.process) for worker in self.workers)

    def on_signal(self, signum: int, _: FrameType | None) -> None:
        """One that reloads goes to each worker; any other ends them all, in good order."""
        if signum != RELOAD:
            signum, self.is_ending = signal.SIGTERM, True
        for worker in self.workers:
            with suppress(ProcessLookupError):
                worker.process.send_signal(signum)

    def _serves(self, worker: Worker) -> bool:
        """Waits until it does. False if it has ended instead, or does not come to serve."""
        until = time.monotonic() + START_TIMEOUT
        while time.monotonic() < until and worker.process.poll() is None and not self.is_ending:
            if probe(self.arguments.url) is Probe.ROUTER:
                return True
            time.sleep(POLL)
        if worker.process.poll() is None:
            worker.process.terminate()
        return False

    def _start(self, number: int) -> None:
        process = self._launch(number)
        self.workers.append(Worker(number, process, time.monotonic()))

    def _launch(self, number: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-P", "-m", "pointsman", *self.arguments.of_worker(number)]
        return subprocess.Popen(
            command,
            env={**self.environ, this_worker.VARIABLE: str(number)},
            start_new_session=True,  # a terminal's Ctrl-C reaches them once, from here
            preexec_fn=ending_with_parent(signal.SIGTERM),
        )

    def _watch(self, now: float) -> None:
        for worker in self.workers:
            if worker.due is not None and now >= worker.due:
                worker.process, worker.began, worker.due = self._launch(worker.number), now, None
            elif worker.due is None and worker.process.poll() is not None:
                lived = now - worker.began
                worker.pause = MIN_PAUSE if lived > MAX_PAUSE else min(worker.pause * 2, MAX_PAUSE)
                worker.due = now + worker.pause
                status = _status(worker.process)
                _say(f"worker {worker.number} has ended with status {status}; it starts again in {worker.pause:.0f} s")


def run(arguments: WorkerArguments) -> int:
    """Returns the exit status."""
    if not hasattr(socket, "SO_REUSEPORT"):
        _say("--workers needs a system on which several processes can listen on one port; this one cannot")
        return 2
    if problem := _port_problem(arguments):
        _say(problem)
        return 1
    try:
        with _shared_url(arguments) as url:
            supervisor = Supervisor(arguments, {**os.environ, SHARED_URL: url})
            with _signals_to(supervisor):
                return supervisor.run()
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


@contextmanager
def _shared_url(arguments: WorkerArguments) -> Iterator[str]:
    """The configured one, else that of a server which runs as long as this."""
    if arguments.shared_url:
        yield arguments.shared_url
        return
    with embedded_valkey() as url:
        yield url


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
