"""Logging in, staying, and being shut out."""

from pathlib import Path

from support.settings import provider
from web.dashboard.page_driver import ADMIN, opened

PROVIDERS = {"p": provider()}


async def test_the_admin_key_opens_the_dashboard_and_a_wrong_one_is_an_error(tmp_path: Path) -> None:
    async with opened(tmp_path, PROVIDERS, logged_in=False) as (_, dashboard):
        await dashboard.log_in("not-the-key")
        await dashboard.until("document.querySelector('#gate-trouble').textContent")
        assert await dashboard.texts("#house") == []
        await dashboard.type("#admin-key", ADMIN)
        await dashboard.press("Enter")
        await dashboard.sees("No requests yet.")
        assert await dashboard.page.run("document.cookie") == "", "the cookie is out of reach of scripts"
        assert await dashboard.page.run("document.querySelector('#admin-key').value") == ""


async def test_a_reload_keeps_the_session_and_logging_out_ends_it(tmp_path: Path) -> None:
    async with opened(tmp_path, PROVIDERS) as (_, dashboard):
        await dashboard.enter("keys")
        await dashboard.page.tell("Page.reload")
        await dashboard.sees("Add key")
        await dashboard.act("#logout")
        await dashboard.sees("You are logged out.")
        await dashboard.page.tell("Page.reload")
        await dashboard.sees("Log in with the admin key.")
        assert await dashboard.texts("#house") == []


async def test_when_the_session_ends_the_page_says_so_and_goes_on_where_it_was(tmp_path: Path) -> None:
    async with opened(tmp_path, PROVIDERS, room="models") as (_, dashboard):
        await dashboard.act(".target-acts [aria-expanded]")
        await dashboard.page.tell("Network.clearBrowserCookies")
        await dashboard.sees("Your session ended.")
        await dashboard.type("#admin-key", ADMIN)
        await dashboard.press("Enter")
        await dashboard.sees("score = reliability")
        assert await dashboard.attribute(".target-acts [aria-expanded]", "aria-expanded") == "true"


async def test_a_router_that_does_not_answer_is_reported_and_found_again(tmp_path: Path) -> None:
    async with opened(tmp_path, PROVIDERS) as (_, dashboard):
        await dashboard.sees("live")
        await dashboard.page.tell("Network.enable")
        gone = {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        await dashboard.page.tell("Network.emulateNetworkConditions", **gone)
        await dashboard.sees("The router is not responding.")
        await dashboard.page.tell("Network.emulateNetworkConditions", **gone | {"offline": False})
        await dashboard.becomes("#pulse", "data-tone", "good")
        assert "The router is not responding." not in " ".join(await dashboard.texts("#room"))
