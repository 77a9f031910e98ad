"""Keys: one that is added is used, one that is switched off is not, and none is ever shown."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pointsman.demo import Provider, behaviours
from support.http_requests import ask
from support.router import Router
from support.settings import provider
from web.dashboard.page_driver import Dashboard, opened

OLD, NEW = "sk-from-the-file-1234", "sk-added-by-hand-5678"


@pytest.fixture
async def yard(tmp_path: Path) -> AsyncIterator[tuple[Provider, Router, Dashboard]]:
    async with Provider(behaviours.answer("The left track."), name="p") as started:
        providers = {"p": provider(started.base_url) | {"keys": [{"value": OLD, "label": "old"}]}}
        async with opened(tmp_path, providers, room="keys", sticky={"enabled": False}) as (router, dashboard):
            yield started, router, dashboard


async def used(provider: Provider, router: Router) -> str | None:
    assert (await ask(router.base_url)).status == 200
    return provider.seen[-1].header("authorization")


async def test_an_added_key_is_used_by_the_next_request_and_shown_masked(
    yard: tuple[Provider, Router, Dashboard],
) -> None:
    provider, router, dashboard = yard
    assert await used(provider, router) == f"Bearer {OLD}"
    await dashboard.until("document.querySelectorAll('tbody tr').length === 1")
    await dashboard.type(".add-key input[type=password]", NEW)
    await dashboard.type(".add-key input[type=text]", "new")
    await dashboard.press("Enter")
    await dashboard.until("document.querySelectorAll('tbody tr').length === 2")
    await dashboard.act("tbody tr:has(td) .switch[aria-label$='key old']", " ")
    await dashboard.becomes(".switch[aria-label$='key old']", "aria-checked", "false")
    assert await used(provider, router) == f"Bearer {NEW}"
    works = "works (100 % of 1 in the last hour)"
    await dashboard.until(f"document.querySelector('tbody tr:last-child').innerText.includes('{works}')")
    await dashboard.page.click("tbody tr:last-child button", "Details")
    [details] = await dashboard.texts("dialog")
    assert {"succeeded since the start", "tokens in", "cost", "last used", "last error"} <= set(details.splitlines())
    assert "m ✓ works" in " ".join(details.split())
    await dashboard.act("dialog .main")
    page = await dashboard.page.run("document.documentElement.outerHTML")
    assert "5678" in page
    assert NEW not in page
    assert OLD not in page
    assert await dashboard.page.run("document.querySelector('.add-key input').value") == ""


async def test_a_key_is_tested_labelled_and_taken_back(yard: tuple[Provider, Router, Dashboard]) -> None:
    _, _, dashboard = yard
    await dashboard.type(".add-key input[type=password]", NEW)
    await dashboard.press("Enter")
    await dashboard.until("document.querySelectorAll('tbody tr').length === 2")
    await dashboard.page.click("tbody tr:last-child button", "Test")
    await dashboard.sees("Key accepted: p ")
    await dashboard.page.click("tbody tr:last-child button", "Label")
    await dashboard.type("dialog input", "mine")
    await dashboard.press("Enter")
    await dashboard.sees("mine")
    await dashboard.page.click("tbody tr:last-child button", "Delete")
    await dashboard.act("dialog .main")
    await dashboard.until("document.querySelectorAll('tbody tr').length === 1")


async def test_what_is_wrong_with_a_key_is_reported_and_what_was_written_stays(
    yard: tuple[Provider, Router, Dashboard],
) -> None:
    _, _, dashboard = yard
    await dashboard.type(".add-key input[type=password]", NEW)
    await dashboard.type(".add-key input[type=text]", "old")
    await dashboard.press("Enter")
    await dashboard.until("document.querySelector('.notice[data-tone=bad]')")
    assert await dashboard.page.run("document.querySelector('.add-key input[type=password]').value") == NEW
