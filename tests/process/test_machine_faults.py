"""The real process on a machine that misbehaves: its clock is set, names are never resolved, nothing can be written."""

import asyncio
import os
import resource
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from pointsman.demo import Provider, behaviours
from support.admin import ADMIN, call
from support.h1client import chat, h1_to
from support.http_requests import ask, get
from support.process import Process, mitmdump
from support.settings import provider, write

TEXT = "one two three four"
DAY = 86_400
UGLY = ("Traceback", "Unhandled", "never retrieved", "was destroyed", "crashed")
ORDER = {"targets": [{"provider": "good", "model": "m"}]}
CLOCK = """
import time
from pathlib import Path
_real, _ahead = time.time, Path(__file__).with_name("ahead")
time.time = lambda: _real() + float(_ahead.read_text())
"""
"""Everything in the process that asks for the time gets that of a clock that can be set."""
NAMES = """
import socket, threading
_real = socket.getaddrinfo
def _look_up(host, *args, **options):
    if str(host).endswith("hangs.test"):
        threading.Event().wait()
    return _real(host, *args, **options)
socket.getaddrinfo = _look_up
"""
"""No server ever answers for `hangs.test`."""


class Machine:
    """A router in a process of its own, and the clock on its wall."""

    def __init__(self, folder: Path, process: Process, base_url: str) -> None:
        self.folder, self.process, self.base_url = folder, process, base_url

    @property
    def where(self) -> tuple[str, int]:
        parts = urlsplit(self.base_url)
        assert parts.hostname
        assert parts.port
        return parts.hostname, parts.port

    def set_clock(self, ahead: float) -> None:
        draft = self.folder / "ahead.new"
        draft.write_text(str(ahead))
        draft.replace(self.folder / "ahead")

    @property
    def url(self) -> str:
        return self.base_url.removesuffix("/v1")

    async def page(self, path: str) -> Any:
        return (await get(self.url + path)).json

    async def ends(self) -> None:
        self.process.tell(signal.SIGTERM)
        assert await self.process.ends() == 0, self.process.text
        for ugly in UGLY:
            assert ugly not in self.process.text, self.process.text


@asynccontextmanager
async def machine(
    folder: Path, providers: Mapping[str, Mapping[str, Any]], tampering: str = "", **sections: Any
) -> AsyncIterator[Machine]:
    """Its process imports `tampering` before anything else."""
    (folder / "sitecustomize.py").write_text(tampering)
    (folder / "ahead").write_text("0")
    write(folder, providers, history={"path": str(folder / "data" / "h.db")}, **sections)
    async with mitmdump("-p", "0", "--set", f"confdir={folder}", folder=folder) as process:
        yield Machine(folder, process, await process.base_url())


@pytest.mark.parametrize("jump", [DAY, -DAY], ids=["forward", "backward"])
class TestAClockThatIsSet:
    async def test_what_runs_cools_or_is_remembered_goes_on_and_records_follow_the_new_time(
        self, tmp_path: Path, jump: int
    ) -> None:
        gate, session = asyncio.Event(), {"X-Session-ID": "turn-after-turn"}
        paused = behaviours.answer(TEXT, gate_after={2: gate})
        async with AsyncExitStack() as stack:
            sick = await stack.enter_async_context(Provider([behaviours.status(503), behaviours.answer("well again")]))
            good = await stack.enter_async_context(Provider([behaviours.answer(TEXT), paused, behaviours.answer(TEXT)]))
            entries = {"sick": provider(sick.base_url), "good": provider(good.base_url)}
            cooldowns = {"transient": "50s"}
            router = await stack.enter_async_context(machine(tmp_path, entries, CLOCK, cooldowns=cooldowns))
            first = await ask(router.base_url, headers=session)
            assert first.headers["x-fallback-trail"] == "sick/m@503"
            client = await stack.enter_async_context(h1_to(*router.where))
            await client.ask(chat())
            await client.head()
            while b" two" not in await client.chunk():
                pass
            router.set_clock(jump)
            gate.set()
            rest = await client.chunks()
            assert b" four" in rest
            assert b"error" not in rest
            second = await ask(router.base_url, headers=session)
            assert (second.headers["x-routed-via"], second.headers["x-sticky-session"]) == ("good/m", "hit")
            assert len(sick.seen) == 1
            [cooldown] = (await router.page("/internal/status/cooldowns"))["targets"]
            assert 0 < cooldown["until"] - (time.time() + jump) < 60
            records = (await router.page("/internal/exchanges?limit=9"))["exchanges"]
            assert [abs(each["started"] - time.time()) > DAY / 2 for each in records] == [True, False, False]
            assert all(0 <= each["ended_ms"] < 60_000 for each in records)
            await router.ends()
        with closing(sqlite3.connect(tmp_path / "data" / "h.db")) as history:
            began = [at - time.time() for (at,) in history.execute("SELECT ended FROM log")]
        assert sorted({round(since / DAY) for since in began}) == sorted({0, jump // DAY})


class TestAnUnresolvableName:
    COUNT = min(32, (os.cpu_count() or 1) + 4) + 1
    """Names: one more than the loop has threads."""

    async def test_holds_up_neither_the_history_nor_the_end_of_the_process(self, tmp_path: Path) -> None:
        hanging = {f"h{n}": provider(f"http://{n}.hangs.test/v1", timeouts={"connect": 0.1}) for n in range(self.COUNT)}
        async with (
            Provider(behaviours.answer(TEXT)) as good,
            machine(
                tmp_path,
                {**hanging, "good": provider(good.base_url)},
                NAMES,
                server={"admin_key": ADMIN},
                routing={"max_attempts": self.COUNT + 1},
            ) as router,
        ):
            answer = await ask(router.base_url)
            assert (answer.status, answer.headers["x-routed-via"]) == (200, "good/m")
            assert answer.headers["x-fallback-attempts"] == str(self.COUNT)
            told = await call(router.url, "GET", "analytics")
            assert (told.status_code, told.json()["problem"]) == (200, None)
            await router.ends()


class TestFilesThatCannotBeWritten:
    async def test_a_file_that_cannot_grow_is_a_warning_and_all_requests_are_answered(self, tmp_path: Path) -> None:
        async with (
            Provider(behaviours.answer(TEXT)) as good,
            machine(tmp_path, {"good": provider(good.base_url)}, server={"admin_key": ADMIN}) as router,
        ):
            assert (await ask(router.base_url)).status == 200
            _, hard = resource.prlimit(router.process.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(router.process.pid, resource.RLIMIT_FSIZE, (1, hard))
            assert (await ask(router.base_url)).status == 200
            await router.process.prints("cannot write the history")
            refused = await call(router.url, "PUT", "fallback", json=ORDER)
            assert "could not be saved" in refused.json()["error"]["message"]
            assert (await ask(router.base_url)).status == 200
            resource.prlimit(router.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
            assert (await call(router.url, "PUT", "fallback", json=ORDER)).status_code == 200
            await router.ends()

    async def test_an_impossible_data_folder_is_a_warning_and_all_requests_are_answered(self, tmp_path: Path) -> None:
        (tmp_path / "data").write_text("in the way")
        async with (
            Provider(behaviours.answer(TEXT)) as good,
            machine(tmp_path, {"good": provider(good.base_url)}, server={"admin_key": ADMIN}) as router,
        ):
            assert (await ask(router.base_url)).status == 200
            await router.process.prints("cannot write the history")
            refused = await call(router.url, "PUT", "fallback", json=ORDER)
            assert "could not be saved" in refused.json()["error"]["message"]
            assert (await ask(router.base_url)).status == 200
            await router.ends()
