"""Many clients, keys and providers: no more than 60 rows at once, and what is wrong or nearly used up comes first."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from pointsman.demo import Provider, behaviours
from support.http_requests import ask
from support.router import Router
from support.settings import provider
from web.dashboard.page_driver import Dashboard, opened

CLIENTS, PROVIDERS = 70, 16
KEY = "key-of-client-{:02}-0123456789"
ROWS = "document.querySelectorAll('tbody tr').length"
LIMITED = {"id": "m", "limits": {"rpd": 10}}


@pytest.fixture
async def many(tmp_path: Path) -> AsyncIterator[tuple[Router, Dashboard]]:
    async with AsyncExitStack() as stack:
        good = await stack.enter_async_context(Provider(behaviours.answer("The left track."), name="good"))
        bad = await stack.enter_async_context(Provider(behaviours.status(503), name="bad"))
        entries = {f"p{number:02}": provider(good.base_url) for number in range(PROVIDERS - 2)}
        entries["limited"] = provider(good.base_url, keys=["sk-limited-1234"]) | {"models": [LIMITED]}
        entries["bad"] = provider(bad.base_url)
        clients = {f"client-{number:02}": {"key": KEY.format(number)} for number in range(CLIENTS)}
        free = provider(good.base_url, keys=["sk-free-1234"])
        entries = {"free": free, **entries}
        yield await stack.enter_async_context(opened(tmp_path, entries, room="clients", clients=clients))


async def test_lists_are_short_searched_and_in_a_useful_order(many: tuple[Router, Dashboard]) -> None:
    router, dashboard = many
    await dashboard.until(f"{ROWS} === 60")
    await dashboard.type(".search", "client-69")
    await dashboard.until(f"{ROWS} === 1")
    await dashboard.type(".search", "zzz")
    await dashboard.sees("clients matches.")
    assert await dashboard.page.run(ROWS) == 0
    headers = {"x-api-key": KEY.format(3)}
    assert (await ask(router.base_url, model="limited/m", headers=headers)).status == 200
    assert (await ask(router.base_url, model="bad/m", headers=headers)).status == 502
    await dashboard.type(".search", "client-03")
    await dashboard.sees("unknown: no price for 1 attempt")
    await dashboard.enter("keys")
    await dashboard.until(f"{ROWS} === 2")
    assert (await dashboard.texts("tbody .lead"))[0] == "free"
    await dashboard.page.click(".filters-of-keys button", "Least left first")
    await dashboard.until("document.querySelector('tbody .lead').innerText === 'limited'")
    await dashboard.sees("9 of 10 requests a day")
    await dashboard.enter("now")
    await dashboard.sees(f"and {PROVIDERS + 1 - 12} more")
    names = await dashboard.texts("#room section:last-child .side-list b")
    assert (len(names), names[0]) == (12, "bad")
