"""Child processes, the memory and CPU time they use, and free ports."""

import asyncio
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

START_TIMEOUT = 60.0
END_TIMEOUT = 3.0
PORTS = range(20_000, 32_000)
LINE_LIMIT = 64 * 1024 * 1024
PYTHON = (sys.executable, "-P")


class ProcessFailed(Exception):
    """A child process failed; the message names it and contains the end of its log."""


@asynccontextmanager
async def child(
    name: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    *,
    reads: bool = False,
    working_folder: Path | None = None,
    program: Sequence[str] = PYTHON,
) -> AsyncIterator[Process]:
    """A process of `program` with this command line, in `working_folder` or else in `folder`. Its output goes to a log
    file in `folder`, except stdout if `reads`. It ends with this context; if this process is killed, `parent_watch`
    ends it, if it is one of ours.
    """
    with (folder / f"{name}.log").open("wb") as journal:
        process = await asyncio.create_subprocess_exec(
            *(*program, *command),
            stdin=PIPE,
            stdout=PIPE if reads else journal,
            stderr=journal,
            limit=LINE_LIMIT,
            cwd=working_folder or folder,
            env=dict(environment),
            start_new_session=True,  # Ctrl-C reaches only this process, which then ends the others
        )
    try:
        yield process
    finally:
        await end(process)


async def end(process: Process) -> None:
    """Terminates the process, kills it if it does not end within END_TIMEOUT, and waits for its end."""
    assert process.stdin
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(END_TIMEOUT):
            await process.wait()
    except (TimeoutError, asyncio.CancelledError):
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # its workers, if it has left any
    process.stdin.close()


async def read_line(name: str, process: Process, folder: Path, timeout: float) -> str:
    """The next line that a process prints. Raises ProcessFailed if there is none within `timeout` seconds."""
    assert process.stdout
    try:
        async with asyncio.timeout(timeout):
            text = await process.stdout.readline()
    except TimeoutError:
        raise ProcessFailed(f"{name}: printed nothing for {timeout:g} s\n{log_tail(name, folder)}") from None
    if not text:
        raise ProcessFailed(f"{name}: ended\n{log_tail(name, folder)}")
    return text.decode()


async def wait_until_listening(name: str, process: Process, port: int, folder: Path) -> None:
    """Returns when `port` accepts connections. Raises ProcessFailed if the process ends or START_TIMEOUT is over."""
    for _ in range(int(START_TIMEOUT / 0.05)):
        if process.returncode is not None:
            raise ProcessFailed(f"{name}: ended with status {process.returncode}\n{log_tail(name, folder)}")
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return
    raise ProcessFailed(f"{name}: did not listen within {START_TIMEOUT:g} s\n{log_tail(name, folder)}")


def log_tail(name: str, folder: Path) -> str:
    """The end of a process's log."""
    return (folder / f"{name}.log").read_text(errors="replace")[-4000:]


def free_port() -> int:
    """A port of 127.0.0.1 that no server listens on. It is below those that systems choose for sockets which ask for
    none, so that no other program gets it while its own is not there.
    """
    while True:
        port = secrets.choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def family(pid: int) -> list[int]:
    """The process and all that it has started, as far as the system tells."""
    found = [pid]
    for each in found:
        for children in Path(f"/proc/{each}/task").glob("*/children"):
            try:
                found += map(int, children.read_text().split())
            except OSError:  # it has just ended
                continue
    return found


def cpu_seconds(pid: int) -> float | None:
    """CPU time used so far, in steps of 10 ms; None where it is not known."""
    try:
        return _from_proc(Path(f"/proc/{pid}/stat").read_text())
    except OSError:
        pass
    try:
        result = subprocess.run(["ps", "-o", "cputime=", "-p", str(pid)], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return from_ps(result.stdout)


def memory(pid: int) -> int:
    """Resident bytes; 0 where they are not known."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def peak_memory(pid: int) -> float | None:
    """Greatest resident size so far in MiB; None where it is not known."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) / 1024 if found else None


def _from_proc(stat: str) -> float:
    user, system = stat.rpartition(")")[2].split()[11:13]  # the name before it may contain anything
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def from_ps(cputime: str) -> float | None:
    """Seconds of `[[days-]hours:]minutes:seconds`, as `ps` writes them on macOS (with hundredths) and elsewhere."""
    match = re.fullmatch(r"(?:(?:(\d+)-)?(\d+):)?(\d+):(\d+(?:\.\d+)?)", cputime.strip())
    if match is None:
        return None
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
