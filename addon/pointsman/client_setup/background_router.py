"""A router for as long as a client runs: the one that answers at the address, else one that is started and stopped."""

import ipaddress
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from enum import Enum
from http.client import HTTPException
from pathlib import Path
from urllib.error import URLError
from urllib.parse import SplitResult, urlsplit
from urllib.request import ProxyHandler, build_opener

from pointsman import private_files
from pointsman.config.loading import VARIABLE

PROBE_TIMEOUT = 2.0
START_TIMEOUT = 60.0
STOP_TIMEOUT = 20.0
"""Seconds. Stopping takes as long as running streams may go on (`server.drain`), at most this long."""
POLL = 0.1
SERVES = b"Pointsman: base URL "
LAST_LINES = 15


class RouterError(Exception):
    """There is no router, and none can be started. The message says why, and what to do."""


class Probe(Enum):
    ROUTER, NOTHING, OTHER = "router", "nothing", "other"


@contextmanager
def router_at(url: str, config: str | None, data: Path, on_start: Callable[[Path], None]) -> Iterator[None]:
    """The router at `url`, started with the configuration file `config` if there is none, and stopped at the end then.

    `on_start` is told the log, which is in the folder `data` if that can be written. Raises RouterError.
    """
    with ExitStack() as stack:
        with _one_at_a_time(data):
            match probe(url):
                case Probe.NOTHING:
                    _start(url, config, data, on_start, stack)
                case Probe.OTHER:
                    raise RouterError(
                        f"the server at {url} is not Pointsman; stop it, or name another address with --router"
                    )
                case Probe.ROUTER:
                    pass
        yield


@contextmanager
def _one_at_a_time(data: Path) -> Iterator[None]:
    """Of two clients that are started together, the second finds the first one's router, and starts none."""
    with suppress(OSError):
        private_files.make_folder(data)
    with ExitStack() as stack:
        with suppress(OSError):  # there is no such folder, or it cannot be locked, as on Windows
            descriptor = os.open(data, os.O_RDONLY)
            stack.callback(os.close, descriptor)
            import fcntl  # Windows, which has none, has raised by now

            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


def _start(url: str, config: str | None, data: Path, on_start: Callable[[Path], None], stack: ExitStack) -> None:
    """Starts a router, which `stack` stops, and waits until it serves. Raises RouterError."""
    host, port = _listening_address(url)
    log = _new_log(data, port)
    with log.open("r+b") as output:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "pointsman", "dump", "--listen-host", host, "--listen-port", str(port)],
            env={**os.environ, **({VARIABLE: os.path.abspath(config)} if config else {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the client
        )
    stack.callback(stop, process)
    on_start(log)
    _wait_until_it_serves(process, log)


def probe(url: str) -> Probe:
    """What answers at the address."""
    try:
        with build_opener(ProxyHandler({})).open(f"{url}/healthz", timeout=PROBE_TIMEOUT) as response:
            return Probe.ROUTER if json.load(response) == {"status": "ok"} else Probe.OTHER
    except URLError as error:
        return Probe.NOTHING if isinstance(error.reason, OSError) else Probe.OTHER
    except (OSError, HTTPException, ValueError):
        return Probe.OTHER


def _listening_address(url: str) -> tuple[str, int]:
    """Where a router for this URL has to listen. Raises RouterError for an address of another machine."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "http" or not is_loopback(parts):
        raise RouterError(f"no router answers at {url}; start it there (only one on this machine is started from here)")
    return ("127.0.0.1" if host == "localhost" else host, parts.port or 80)


def is_loopback(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _new_log(data: Path, port: int) -> Path:
    """An empty file for its owner alone: a sign-in link is printed. One for each port, of the last run."""
    log = data / f"router-{port}.log"
    with suppress(OSError):
        log.unlink(missing_ok=True)
        os.close(private_files.create(log))
        return log
    descriptor, name = tempfile.mkstemp(prefix="pointsman-router-", suffix=".log")
    os.close(descriptor)
    return Path(name)


def _wait_until_it_serves(process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_TIMEOUT
    while SERVES not in log.read_bytes():
        if process.poll() is not None:
            raise RouterError(f"the router did not start (its log is {log}):\n{_last_lines(log)}")
        if time.monotonic() > until:
            raise RouterError(f"the router did not start within {START_TIMEOUT:.0f} s; its log is {log}")
        time.sleep(POLL)


def _last_lines(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-LAST_LINES:])


def stop(process: subprocess.Popen[bytes], patience: float = STOP_TIMEOUT) -> None:
    """Asks it to end, and kills it after so many seconds. It has ended when this returns."""
    process.terminate()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
