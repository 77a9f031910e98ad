"""Models: pools open and close, targets are switched, moved and explained, and the next request follows."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from pointsman.demo import Provider, behaviours
from support.http_requests import ask
from support.router import Router
from support.settings import provider
from web.dashboard.page_driver import API, Dashboard, opened

HEAD = ".pool-head"


@pytest.fixture
async def yard(tmp_path: Path) -> AsyncIterator[tuple[Router, Dashboard]]:
    """Two providers that have the same model; the first one in order answers."""
    async with AsyncExitStack() as stack:
        providers = {}
        for name in ("a", "b"):
            started = await stack.enter_async_context(Provider(behaviours.answer("The left track."), name=name))
            providers[name] = provider(started.base_url)
        yield await stack.enter_async_context(opened(tmp_path, providers, room="models", sticky={"enabled": False}))


async def asked(router: Router) -> str:
    return (await ask(router.base_url)).headers["x-routed-via"]


async def test_pools_are_open_at_first_and_empty_ones_hidden(yard: tuple[Router, Dashboard]) -> None:
    _, dashboard = yard
    await dashboard.until("document.querySelectorAll('.target').length === 2")
    assert await dashboard.texts(HEAD) == ["Balanced"]
    assert await dashboard.attribute("[data-pool=balanced] .pool-head", "aria-expanded") == "true"


@pytest.mark.parametrize("key", ["Enter", " "])
async def test_a_pool_collapses_and_opens_by_keyboard(yard: tuple[Router, Dashboard], key: str) -> None:
    _, dashboard = yard
    await dashboard.until("document.querySelectorAll('.target').length === 2")
    head = "[data-pool=balanced] .pool-head"
    await dashboard.act(head, key)
    assert await dashboard.attribute(head, "aria-expanded") == "false"
    assert await dashboard.texts(".target") == []
    controlled = await dashboard.attribute(head, "aria-controls")
    assert await dashboard.page.run(f"document.getElementById('{controlled}').hidden")
    await dashboard.press(key)
    assert await dashboard.attribute(head, "aria-expanded") == "true"
    assert len(await dashboard.texts(".target")) == 2


async def test_a_collapsed_pool_stays_so_when_something_changes(yard: tuple[Router, Dashboard]) -> None:
    _, dashboard = yard
    await dashboard.act("[data-pool=balanced] .pool-head")
    before = await dashboard.page.run("document.querySelector('.room-head .soft').innerText")
    await dashboard.page.run(
        f"{API}.then(api => api.send('PUT', '/api/fallback',"
        " {targets: [{provider: 'b', model: 'm', enabled: false}]}))"
    )
    await dashboard.until(f"document.querySelector('.room-head .soft').innerText !== {before!r}")
    assert await dashboard.texts(".target") == []


async def test_a_target_switched_off_is_avoided_by_the_next_request(yard: tuple[Router, Dashboard]) -> None:
    router, dashboard = yard
    assert await asked(router) == "a/m"
    await dashboard.act("[data-id='a/m'] .switch", " ")
    await dashboard.becomes("[data-id='a/m'] .switch", "aria-checked", "false")
    assert await asked(router) == "b/m"
    await dashboard.press(" ")
    await dashboard.becomes("[data-id='a/m'] .switch", "aria-checked", "true")
    assert await asked(router) == "a/m"


async def test_a_target_is_moved_by_its_buttons_and_keeps_the_focus(yard: tuple[Router, Dashboard]) -> None:
    router, dashboard = yard
    await dashboard.act("[data-id='b/m'] [aria-label$=earlier]")
    await dashboard.becomes(".target:first-child", "data-id", "b/m")
    assert await dashboard.page.run("document.activeElement.closest('.target').dataset.id") == "b/m"
    assert [target.provider.name for target in router.gateway.router.inventory.targets] == ["b", "a"]


async def test_a_target_is_dragged_to_another_place(yard: tuple[Router, Dashboard]) -> None:
    router, dashboard = yard
    await dashboard.until("document.querySelectorAll('.target').length === 2")
    await dashboard.drag("[data-id='b/m'] .handle", "[data-id='a/m']")
    await dashboard.becomes(".target:first-child", "data-id", "b/m")
    await dashboard.sees("Revert changes")
    assert [target.provider.name for target in router.gateway.router.inventory.targets] == ["b", "a"]


async def test_a_score_is_taken_apart_for_each_mode(yard: tuple[Router, Dashboard]) -> None:
    _, dashboard = yard
    await dashboard.act("[data-id='a/m'] .target-acts [aria-expanded]")
    await dashboard.until("document.querySelector('[data-id=\"a/m\"] .term-columns').checkVisibility()")
    columns = await dashboard.texts("[data-id='a/m'] .term-columns section")
    assert [column.split("\n")[0].lower() for column in columns] == ["fast", "balanced", "smart"]
    for term in ("reliability", "speed", "latency", "intelligence", "headroom", "penalty", "score"):
        assert all(term in column for column in columns)
    assert await dashboard.page.run(
        "[...document.querySelectorAll('[data-id=\"a/m\"] .term-columns [data-term=reliability] .term-fill')]"
        ".every(fill => fill.offsetWidth > 0)"
    )


async def test_a_target_changes_its_pool_and_what_was_changed_is_taken_back(yard: tuple[Router, Dashboard]) -> None:
    _, dashboard = yard
    await dashboard.act("[data-id='a/m'] .target-acts [aria-expanded]")
    await dashboard.focus("[data-id='a/m'] .pool-choice select")
    await dashboard.page.run(
        "(s => { s.value = 'smart'; s.dispatchEvent(new Event('change', {bubbles: true})) })(document.activeElement)"
    )
    await dashboard.until("document.querySelector('[data-pool=smart] .target')")
    assert await dashboard.texts(HEAD) == ["Balanced", "Smart"]
    await dashboard.act(".room-head .button")
    await dashboard.sees("Order, state and pools will be reset to")
    await dashboard.act("dialog .main")
    await dashboard.until("document.querySelectorAll('[data-pool=balanced] .target').length === 2")
    assert await dashboard.texts(HEAD) == ["Balanced"]
