"""The page while the built-in demo providers serve: where added keys are kept, and when the demo leaves."""

from pathlib import Path

from support.browser import browser
from support.process import mitmdump
from web.dashboard.page_driver import ADMIN, Dashboard


async def test_it_says_where_keys_are_kept_and_when_the_demo_leaves(tmp_path: Path) -> None:
    async with (
        mitmdump("-p", "0", folder=tmp_path, POINTSMAN_SERVER__ADMIN_KEY=ADMIN) as router,
        browser(tmp_path) as page,
    ):
        await Dashboard(page, (await router.base_url()).removesuffix("/v1")).log_in()
        await page.sees("three built-in demo providers answer")
        told = await page.run("document.querySelector('.demo').textContent")
        assert f"kept in {tmp_path}/.pointsman/overrides.json, and is there after a restart" in told
        assert "The demo providers are removed when a provider of your own answers." in told
        await page.tell("Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=1, mobile=True)
        assert await page.run("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out of a phone"
