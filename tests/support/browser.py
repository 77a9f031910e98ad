"""A headless Chromium, driven by its own DevTools protocol: no driver and no further package is needed."""

import asyncio
import base64
import itertools
import json
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from support.time_limit import LONGEST

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
    "--disable-component-update", "--disable-default-apps", "--disable-extensions", "--disable-sync", "--no-first-run",
    "--no-proxy-server", "--remote-debugging-port=0", "--window-size=1500,1000",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)  # fmt: skip


def installed() -> str | None:
    """The browser there is, None on machines without one."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Page:
    """One page. `run` is JavaScript, whose value is plain data."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)

    async def tell(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        async with asyncio.timeout(LONGEST):
            while (told := json.loads(await self._socket.receive_str())).get("id") != number:
                pass
        assert "error" not in told, told
        result: dict[str, Any] = told["result"]
        return result

    async def go(self, url: str) -> None:
        await self.tell("Page.navigate", url=url)

    async def run(self, script: str) -> Any:
        told = await self.tell("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    async def until(self, script: str) -> Any:
        """The value of an expression, once there is one that is true."""
        async with asyncio.timeout(LONGEST):
            while not (value := await self.run(script)):
                await asyncio.sleep(0.05)
        return value

    async def sees(self, text: str) -> None:
        """Waits until the page shows this text."""
        try:
            await self.until(f"document.body && document.body.innerText.includes({json.dumps(text)})")
        except TimeoutError:
            raise AssertionError(f"no {text!r} on:\n{await self.run('document.body.innerText')}") from None

    async def click(self, selector: str, text: str) -> None:
        """The first such element that has this text, once there is one."""
        elements, shows = f"[...document.querySelectorAll({json.dumps(selector)})]", json.dumps(text)
        found = f"{elements}.find(each => each.innerText.includes({shows}))"
        await self.until(f"(found => found && (found.click(), true))({found})")

    async def screenshot(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode((await self.tell("Page.captureScreenshot"))["data"]))


@asynccontextmanager
async def browser(folder: Path) -> AsyncIterator[Page]:
    """An empty page of a browser whose profile is in `folder`."""
    command = installed()
    assert command, "no Chromium is installed"
    process = await asyncio.create_subprocess_exec(
        command,
        *ARGUMENTS,
        f"--user-data-dir={folder / 'browser'}",
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        address = await _address(process)
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://{address}/json/list") as answer:
                [page, *_] = [each for each in await answer.json() if each["type"] == "page"]
            async with session.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                yield Page(socket)
    finally:
        process.terminate()
        assert process.stderr
        await process.stderr.read()
        await process.wait()


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stderr
    said = b""
    async with asyncio.timeout(LONGEST):
        while line := await process.stderr.readline():
            said += line
            if found := re.search(rb"DevTools listening on ws://([^/]+)/", line):
                return found[1].decode()
    raise AssertionError(f"the browser has ended: {said.decode('utf-8', 'replace')}")
