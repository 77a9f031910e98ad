"""200 targets: searched, filtered, switched and tested; and the playground that asks them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from pointsman.demo import Provider, behaviours
from support.router import Router
from support.settings import provider
from web.dashboard.page_driver import SCREENSHOTS, Dashboard, opened

MODELS = 50
CLOUDS = 4
ROWS = "document.querySelectorAll('.target').length"


@pytest.fixture
async def many(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Router, Dashboard]]:
    async with AsyncExitStack() as stack:
        cloud = await stack.enter_async_context(Provider(behaviours.answer("The left track."), name="cloud"))
        ids = [f"model-{number}" for number in range(MODELS)]
        entries = {f"cloud-{number}": provider(cloud.base_url, *ids) for number in range(CLOUDS)}
        folder = tmp_path_factory.mktemp("many")
        yield await stack.enter_async_context(opened(folder, entries, room="models", server={"client_key": "c-key"}))


async def choose(dashboard: Dashboard, name: str, value: str) -> None:
    await dashboard.focus(f"select[aria-label={name}]")
    await dashboard.page.run(
        f"(s => {{ s.value = {value!r}; s.dispatchEvent(new Event('change', {{bubbles: true}})) }})"
        "(document.activeElement)"
    )


async def test_it_never_shows_more_than_sixty_and_finds_what_is_searched(many: tuple[Router, Dashboard]) -> None:
    router, dashboard = many
    await dashboard.until("document.querySelectorAll('.pool').length === 4")
    assert await dashboard.texts(".target") == [], "many are collapsed"
    for name in ("cloud-1", "cloud-2"):
        await dashboard.act(f"[data-group='provider {name}'] .pool-head")
        await dashboard.until(f"{ROWS} === 50")
    await dashboard.page.screenshot(SCREENSHOTS / "models-many.png")
    await choose(dashboard, "'Grouped by'", "pool")
    await dashboard.until(f"{ROWS} === 60")
    await dashboard.sees("1 to 60 of 200")
    await dashboard.act(".pages button:last-child")
    await dashboard.sees("61 to 120 of 200")
    assert await dashboard.page.run(ROWS) == 60
    await dashboard.type(".filters .search", "cloud-3 model-1")
    await dashboard.until(f"{ROWS} === 11")
    await dashboard.act(".pool .sheet-head .buttons button:not([hidden])")
    await dashboard.sees("11 models switched off.")
    await dashboard.until("document.activeElement.innerText.startsWith('Switch all on')")
    off = [target.label for target in router.gateway.router.inventory.targets if not target.enabled]
    assert len(off) == 11
    assert set(off) >= {"cloud-3/model-1", "cloud-3/model-19"}
    await dashboard.type(".filters .search", "")
    await choose(dashboard, "Status", "disabled")
    await dashboard.until(f"{ROWS} === 11")
    await dashboard.type(".filters .search", "model-19")
    await dashboard.act("[data-id='cloud-3/model-19'] .target-acts .buttons button:last-child")
    await dashboard.sees("cloud-3/model-19 answers: first content after")


async def test_a_prompt_is_asked_of_two_and_the_decision_is_shown(many: tuple[Router, Dashboard]) -> None:
    """With the session alone: a client key is set, and the page does not have it."""
    _, dashboard = many
    await dashboard.enter("playground")
    await dashboard.type(".playground textarea", "Which track?")
    await dashboard.act(".playground .check input", " ")
    await dashboard.type(".playground label:nth-of-type(2) input", "cloud-2/model-7")
    await dashboard.act(".playground .main")
    await dashboard.until(
        "[...document.querySelectorAll('.answer')].every(each => each.innerText === 'The left track.')"
    )
    await dashboard.until("document.querySelectorAll('.answer-attempts li').length === 2")
    first, second = await dashboard.texts(".answers section")
    assert "cloud-0/model-0" in first
    assert "cloud-2/model-7" in second
    assert all("score" in each or "rank" in each for each in (first, second))
    links = await dashboard.page.run("[...document.querySelectorAll('.answers a')].map(each => each.hash)")
    assert len({each for each in links if each.startswith("#/requests/")}) == 2
    await dashboard.looks(390, "light")
    assert await dashboard.page.run("document.documentElement.scrollWidth") <= 390
