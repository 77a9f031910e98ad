"""The pictures of README.md and docs/: mitmweb and the dashboard, of a router without configuration, whose demo
providers answer and fail.

`scripts/screenshots [FOLDER]` takes them, into docs/images unless it is told otherwise.
"""

import argparse
import asyncio
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support.browser import Page, browser, installed
from support.http_requests import http_client
from support.web_api import PASSWORD, web

IMAGES = Path(__file__).parents[2] / "docs" / "images"
ADMIN = "the-admin-key-of-the-pictures"
WIDTH = 1440
ABBREVIATE = """\
((home, nodes) => { while (nodes.nextNode()) nodes.currentNode.data = nodes.currentNode.data.replaceAll(home, "~") })
(%s, document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT))
"""
"""JavaScript that writes `~` for the home, which is a temporary folder."""
CONVERSATIONS: Mapping[str, tuple[str, ...]] = {
    "parser": ("Why does the parser fail on an empty file?", "Write a test for it.", "Now fix it.", "Run all tests."),
    "release": ("Summarise the changes since the last release.", "Shorter, please."),
    "colours": ("Which colours suit a dashboard?",),
}
"""The questions of each conversation, which is also its session id."""


async def take(images: Path) -> list[Path]:
    """Both pictures. Raises AssertionError if a page does not show what it should."""
    with tempfile.TemporaryDirectory(prefix="pointsman-pictures-") as home:
        folder = Path(home)
        async with (
            web(folder, POINTSMAN_SERVER__ADMIN_KEY=ADMIN) as api,
            browser(folder) as page,
        ):
            await _converse(api.base_url)
            taken = [images / "mitmweb.png", images / "dashboard.png"]
            await _resize(page, 760)
            await _show_mitmweb(page, api.url)
            await page.screenshot(taken[0])
            await _resize(page, 960)
            await _show_dashboard(page, api.base_url.removesuffix("/v1"))
            await page.run(ABBREVIATE % json.dumps(home))
            await page.screenshot(taken[1])
    return taken


async def _converse(base_url: str) -> None:
    async with http_client() as client:
        for session, questions in CONVERSATIONS.items():
            messages: list[dict[str, str]] = []
            for question in questions:
                messages.append({"role": "user", "content": question})
                request = {"model": "demo", "messages": messages, "stream": True}
                headers = {"X-Session-ID": f"{session}-session"}
                answer = await client.post(f"{base_url}/chat/completions", json=request, headers=headers)
                assert answer.status_code == 200, answer.text
                messages.append({"role": "assistant", "content": _text_of(answer.text)})
        refused = await client.post(f"{base_url}/chat/completions", json={"model": "no-such-model", "messages": []})
        assert refused.status_code in (400, 404), refused.text


def _text_of(stream: str) -> str:
    """What the chunks of a streamed chat completion say together."""
    chunks = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: {")]
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])


async def _resize(page: Page, height: int) -> None:
    size: dict[str, Any] = {"width": WIDTH, "height": height, "deviceScaleFactor": 1, "mobile": False}
    await page.tell("Emulation.setDeviceMetricsOverride", **size)


async def _show_mitmweb(page: Page, url: str) -> None:
    """The list of flows, with the chat of a conversation's last turn beside it."""
    await page.go(f"{url}/?token={PASSWORD}")
    await page.sees("attempt 1 · demo-flaky/demo")
    await page.click("tr", "2 attempts")
    await page.click("nav a", "Response")
    await page.sees("LLM chat")
    await page.sees("demo provider!")
    await page.run(
        "[...document.querySelectorAll('*')].findLast(each => each.innerText === 'LLM chat').scrollIntoView()"
    )


async def _show_dashboard(page: Page, url: str) -> None:
    """*Now*, with an exchange open that needed two attempts."""
    await page.go(f"{url}/#now")
    field = "document.querySelector('#admin-key')"
    await page.until(f"{field} && {field}.checkVisibility() && ({field}.focus(), true)")
    await page.tell("Input.insertText", text=ADMIN)
    for kind in ("keyDown", "keyUp"):
        await page.tell("Input.dispatchKeyEvent", type=kind, key="Enter", windowsVirtualKeyCode=13, text="\r")
    await page.until("document.querySelectorAll('.x-head').length >= 5")
    failover = "[...document.querySelectorAll('.x-head')].find(each => each.querySelectorAll('.stop').length > 1)"
    await page.until(f"(found => found && (found.click(), true))({failover})")
    await page.until("document.querySelectorAll('.lane').length >= 2")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="scripts/screenshots", description=__doc__.split("\n\n")[0] if __doc__ else None
    )
    parser.add_argument("folder", nargs="?", type=Path, default=IMAGES, metavar="FOLDER", help="instead of docs/images")
    folder = parser.parse_args().folder
    if not installed():
        parser.exit(1, "scripts/screenshots: there is no Chromium on PATH\n")
    for image in asyncio.run(take(folder)):
        print(json.dumps({"picture": str(image), "bytes": image.stat().st_size}))


if __name__ == "__main__":
    main()
