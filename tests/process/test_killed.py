"""A process that is killed while it works: its statistics are there when it starts again."""

import asyncio
import json
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx

from pointsman.demo import Provider, behaviours, rotation
from pointsman.routing.target_stats import TargetStats
from support.http_requests import http_client
from support.leak_checks import soon
from support.process import Process, mitmdump
from support.settings import provider, write

PROBE = """
import asyncio, json, signal, time
from mitmproxy import ctx

class Probe:
    told = 0

    def running(self):
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self.tell)

    def tell(self):
        self.told += 1
        statistics, now = ctx.master.addons.get("pointsman").gateway.router.statistics, time.time()
        figures = {label: statistics.stats_for(label, now) for label in statistics.labels}
        print(f"figures {self.told} {json.dumps(figures)}", flush=True)

addons = [Probe()]
"""
ENOUGH = 300
"""Answers before it is killed."""


class Load:
    """Clients that ask without a pause, `answered` times so far; one of them asks for what fails every other time."""

    def __init__(self, base_url: str) -> None:
        self.answered = 0
        self.enough = asyncio.Event()
        self._url = f"{base_url}/chat/completions"
        self._clients = [asyncio.create_task(self._ask(model)) for model in ("wavering/m", *["steady/m"] * 3)]

    async def _ask(self, model: str) -> None:
        request = {"model": model, "stream": True, "messages": [{"role": "user", "content": "Which track?"}]}
        async with http_client() as client:
            while True:
                await client.post(self._url, json=request)
                self.answered += 1
                if self.answered >= ENOUGH:
                    self.enough.set()

    async def end(self) -> None:
        """Of a router that is gone."""
        for ended in await asyncio.gather(*self._clients, return_exceptions=True):
            assert isinstance(ended, httpx.TransportError), ended


async def figures(router: Process, number: int) -> dict[str, TargetStats]:
    """What it has learnt, which it tells for the so-manieth time."""
    router.tell(signal.SIGUSR1)
    told = await router.prints(rf"figures {number} (\{{.*\}})\n")
    return {label: TargetStats(*each) for label, each in json.loads(told[1]).items()}


def on_record(file: Path) -> int:
    """Requests that a crash no longer loses."""
    with closing(sqlite3.connect(file)) as db:
        count: int = db.execute("SELECT count(*) FROM requests").fetchone()[0]
        return count


def mean(each: TargetStats) -> float:
    """Of the reliability that choosing draws."""
    return (each.successes + 2) / (each.successes + each.failures + 4)


async def test_a_router_that_is_killed_under_load_keeps_its_statistics(tmp_path: Path) -> None:
    (tmp_path / "probe.py").write_text(PROBE)
    arguments = ("-p", "0", "-s", "probe.py")
    every_other = rotation(behaviours.status(503), behaviours.answer("hello"))
    async with Provider(every_other) as wavering, Provider(behaviours.answer("hello")) as steady:
        providers = {"wavering": provider(wavering.base_url), "steady": provider(steady.base_url)}
        sections = {"sticky": {"enabled": False}, "cooldowns": {"transient": "off"}}
        write(tmp_path, providers, history={"path": str(tmp_path / "history.db")}, **sections)
        async with mitmdump(*arguments, folder=tmp_path) as router:
            load = Load(await router.base_url())
            await load.enough.wait()
            answered = load.answered
            earlier = await figures(router, 1)
            await soon(lambda: on_record(tmp_path / "history.db") >= answered)
            last = await figures(router, 2)
            router.tell(signal.SIGKILL)
            assert await router.ends() == -signal.SIGKILL
            await load.end()
        async with mitmdump(*arguments, folder=tmp_path) as router:
            await router.base_url()
            again = await figures(router, 1)
            assert "damaged" not in router.text
    for label in ("wavering/m", "steady/m"):
        assert earlier[label].attempts > 10
        assert earlier[label].attempts <= again[label].attempts <= load.answered + 4
        assert abs(mean(again[label]) - mean(last[label])) < 1 / (last[label].successes + last[label].failures)
    assert 0.4 < mean(again["wavering/m"]) < 0.6
    assert mean(again["steady/m"]) > 0.9
    with closing(sqlite3.connect(tmp_path / "history.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert answered <= on_record(tmp_path / "history.db") <= load.answered + 4
