"""Clients: one is added by hand, its key works and is shown once; it gets a new key, is disabled and deleted."""

from pathlib import Path

from pointsman.demo import Provider, behaviours
from support.http_requests import ask
from support.router import Router
from support.settings import provider
from web.dashboard.page_driver import Dashboard, opened

ROW = "tbody tr[data-name=anna]"


async def shown_key(dashboard: Dashboard, before: str = "") -> str:
    await dashboard.until(
        f"document.querySelector('.new-key code') && document.querySelector('.new-key code').innerText !== '{before}'"
    )
    [key] = await dashboard.texts(".new-key code")
    return key


async def status(router: Router, key: str) -> int:
    return (await ask(router.base_url, headers={"x-api-key": key})).status


async def test_a_client_is_added_and_managed(tmp_path: Path) -> None:
    prices = {"m": {"input": 1, "output": 2}}
    async with Provider(behaviours.answer("The left track."), name="p") as started:
        providers = {"p": provider(started.base_url, prices=prices)}
        async with opened(tmp_path, providers, room="clients") as (router, dashboard):
            await dashboard.sees("every request needs a key")
            await dashboard.type(".add-client input[pattern]", "anna")
            await dashboard.type(".client-limits input", "30")
            await dashboard.act(".budget-list > .button")
            await dashboard.type(".budget-row input[type=number]", "0.5")
            await dashboard.act(".add-client .main")
            first = await shown_key(dashboard)
            assert await status(router, first) == 200
            await dashboard.until(f"document.querySelector('{ROW}').innerText.includes('of $0.50 a day')")
            await dashboard.until(f"document.querySelector('{ROW}').innerText.includes('30 requests a minute')")
            await dashboard.page.click(f"{ROW} button", "New key")
            await dashboard.act("dialog .main")
            second = await shown_key(dashboard, first)
            assert [await status(router, first), await status(router, second)] == [401, 200]
            await dashboard.page.click(".new-key button", "Done")
            assert second not in await dashboard.page.run("document.documentElement.outerHTML")
            await dashboard.act(f"{ROW} .switch", " ")
            await dashboard.becomes(f"{ROW} .switch", "aria-checked", "false")
            assert await status(router, second) == 403
            await dashboard.page.click(f"{ROW} button", "Delete")
            await dashboard.act("dialog .main")
            await dashboard.sees("No clients yet.")
