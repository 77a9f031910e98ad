"""mitmweb's own HTTP API, as its page uses it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from support.http_requests import http_client
from support.ports import free_port
from support.process import Process, mitmweb
from support.time_limit import LONGEST

PASSWORD = "the-password-of-this-test"


class WebApi:
    """Of a running mitmweb, which routes at `base_url` and shows itself at `url`."""

    def __init__(self, process: Process, base_url: str, url: str, client: httpx.AsyncClient) -> None:
        self.process, self.base_url, self.url = process, base_url, url
        self._client = client

    async def get(self, path: str) -> Any:
        answer = await self._client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def do(self, method: str, path: str, **content: Any) -> None:
        answer = await self._client.request(method, path, **content)
        assert answer.status_code in (200, 204), answer.text

    async def flows(self, enough: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        """The flows, once there are enough."""
        async with asyncio.timeout(LONGEST):
            while not enough(flows := await self.get("/flows")):
                await asyncio.sleep(0.02)
        return flows

    async def shown(self, flow: dict[str, Any], message: str = "response", view: str = "LLM chat") -> str:
        """What the view shows."""
        return str((await self.get(f"/flows/{flow['id']}/{message}/content/{view}.json"))["text"])

    async def says(self, text: str) -> str:
        """The line of its log that has this text."""
        async with asyncio.timeout(LONGEST):
            while True:
                for event in await self.get("/events"):
                    if text in event["message"]:
                        return str(event["message"])
                await asyncio.sleep(0.02)


@asynccontextmanager
async def web(folder: Path, *arguments: str, **env: str) -> AsyncIterator[WebApi]:
    port, token = free_port(), "a" * 32
    own = ("--no-web-open-browser", "--web-port", str(port), "--set", f"web_password={PASSWORD}", "-p", "0")
    async with mitmweb(*own, *arguments, folder=folder, **env) as process:
        base_url = await process.base_url()
        async with http_client(
            base_url=f"http://127.0.0.1:{port}",
            headers={"Authorization": f"Bearer {PASSWORD}", "X-XSRFToken": token},
            cookies={"_mitmproxy_xsrf": token},
        ) as client:
            yield WebApi(process, base_url, f"http://127.0.0.1:{port}", client)
