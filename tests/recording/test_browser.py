"""mitmweb's page in a real browser. The screenshot goes to `build/screenshots/`, which is not committed."""

from pathlib import Path

from pointsman.demo import Provider, behaviours
from support.browser import browser
from support.http_requests import ask
from support.settings import provider, write
from support.web_api import PASSWORD, web

SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"


async def test_a_turn_is_seen_with_its_line_its_attempts_and_its_chat(tmp_path: Path) -> None:
    async with Provider(behaviours.status(503)) as bad, Provider(behaviours.answer("The left track.")) as good:
        write(tmp_path, {"bad": provider(bad.base_url), "good": provider(good.base_url)})
        async with web(tmp_path) as api, browser(tmp_path) as page:
            assert (await ask(api.base_url)).status == 200
            await page.go(f"{api.url}/?token={PASSWORD}")
            await page.sees(" s · 2 attempts · miss · bad@503 · sticky ")
            await page.sees("attempt 1 · bad/m · retry_failed · 503")
            await page.sees("attempt 2 · good/m · retry_success")
            await page.click("tr", " s · 2 attempts")
            await page.click("nav a", "Response")
            await page.sees("LLM chat")
            await page.sees("The left track.")
            await page.sees("bad/m")
            await page.screenshot(SCREENSHOTS / "mitmweb.png")
            await page.go(f"{api.url}/")
            await page.sees(" s · 2 attempts · miss · bad@503 · sticky ")
            width = await page.run("document.querySelector('td.col-comment').offsetWidth")
            share = await page.run("document.querySelector('.flow-table').clientWidth")
            assert 0.4 * share < width < 0.5 * share, "wide enough to be read"
            assert await page.run("document.querySelector('td.col-path .marker').textContent"), "the mark is seen"
            await page.screenshot(SCREENSHOTS / "mitmweb-list.png")
    assert (SCREENSHOTS / "mitmweb.png").read_bytes().startswith(b"\x89PNG")
