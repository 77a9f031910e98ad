"""Left open, the dashboard does not grow: its own time is let run, while the router's exchanges go on ending."""

from pathlib import Path

import pytest

from pointsman.demo import Provider, behaviours
from support.http_requests import ask
from support.settings import provider
from web.dashboard.page_driver import Dashboard, opened

MINUTES = 2
ROUNDS = 3
SHOWN = 50
"""Exchanges that the list holds."""
SLACK = 300_000
"""Bytes of heap that compiled code and caches may come to."""

ASKED = "performance.getEntriesByType('resource').filter(each => each.name.includes('/api/overview')).length"
HIDDEN = """
Object.defineProperty(document, "hidden", {{ get: () => {}, configurable: true }});
document.dispatchEvent(new Event("visibilitychange"));
"""


async def counted(dashboard: Dashboard) -> tuple[int, int, int]:
    """Bytes of heap in use, nodes of the document, listeners, when the garbage is out."""
    await dashboard.page.tell("HeapProfiler.collectGarbage")
    heap = await dashboard.page.tell("Runtime.getHeapUsage")
    document = await dashboard.page.tell("Memory.getDOMCounters")
    return heap["usedSize"], document["nodes"], document["jsEventListeners"]


@pytest.mark.parametrize("room", ["now", "models", "analytics"])
async def test_nothing_grows_while_it_is_left_open(tmp_path: Path, room: str) -> None:
    async with Provider(behaviours.status(503)) as bad, Provider(behaviours.answer("The left track.")) as good:
        providers = {"bad": provider(bad.base_url), "good": provider(good.base_url)}
        history = {"path": str(tmp_path / "history.db")}
        async with opened(tmp_path, providers, history=history) as (router, dashboard):
            for _ in range(SHOWN + 5):
                await ask(router.base_url)
            await dashboard.enter(room)
            await dashboard.let_run(MINUTES)
            before = await counted(dashboard)
            for _ in range(ROUNDS):
                for _ in range(5):
                    await ask(router.base_url)
                await dashboard.let_run(MINUTES)
            heap, nodes, listeners = await counted(dashboard)
            assert heap < before[0] + SLACK
            assert nodes < before[1] * 1.2
            assert listeners <= before[2] + 10


async def test_a_hidden_tab_asks_nothing_and_one_that_is_seen_again_asks_at_once(tmp_path: Path) -> None:
    async with opened(tmp_path, {"p": provider()}) as (_, dashboard):
        await dashboard.until(f"{ASKED} > 2")
        await dashboard.page.run(HIDDEN.format("true"))
        assert await dashboard.texts("#pulse") == ["paused"]
        await dashboard.let_run(1)  # what was under way comes in
        before = await dashboard.page.run(ASKED)
        await dashboard.let_run(MINUTES)
        assert await dashboard.page.run(ASKED) == before
        await dashboard.page.run(HIDDEN.format("false"))
        await dashboard.let_run(1)
        assert await dashboard.page.run(ASKED) > before
        assert await dashboard.texts("#pulse") == ["live"]
