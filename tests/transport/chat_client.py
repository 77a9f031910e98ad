"""Chat clients before a router, and what answers say of their sessions."""

import json
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

from pointsman.demo import Provider, behaviours
from support.http_requests import Asked, ask, get
from support.router import Router, running
from support.settings import provider, write

ANSWER = "labore et dolore mag"


class SessionInfo(NamedTuple):
    """What an answer says of its session."""

    outcome: str | None
    source: str | None = None
    endpoint: str | None = None
    echo: str | None = None


def session_info(headers: Mapping[str, str], prefix: str = "X-") -> SessionInfo:
    names = ("Sticky-Session", "Sticky-Key-Source", "Endpoint", "Session-ID")
    return SessionInfo(*(headers.get(f"{prefix}{name}") for name in names))


def text_of(answer: Asked, stream: bool) -> str:
    if not stream:
        return str(answer.json["choices"][0]["message"]["content"] or "")
    *events, done = (event.removeprefix(b"data: ") for event in answer.events)
    assert done == b"[DONE]"
    return "".join(choice["delta"].get("content") or "" for event in events for choice in json.loads(event)["choices"])


class RouterFixture:
    """A router over providers a, b and c, each with the models m and n."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self.folder, self._stack = folder, stack
        self.router: Router
        self.a: Provider
        self.b: Provider
        self.c: Provider

    async def open(
        self, *names: str, keys: Mapping[str, list[str]] | None = None, port: int = 0, **sections: Any
    ) -> None:
        """`port` is that of provider a, needed if it goes and comes again."""
        self.a, self.b, self.c = [
            await self._stack.enter_async_context(Provider(behaviours.answer(ANSWER), name=f"p{n}", port=given))
            for n, given in enumerate((port, 0, 0))
        ]
        self._keys, self._sections = keys or {}, sections
        entries = self.entries(*(names or "abc"))
        self.router = await self._stack.enter_async_context(running(self.folder, entries, **sections))

    def entries(self, *names: str, **more: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """`more` holds members of single providers."""
        return {
            name: provider(getattr(self, name).base_url, "m", "n", keys=self._keys.get(name, [])) | more.get(name, {})
            for name in names
        }

    async def reload(self, *names: str, sticky: Mapping[str, Any] | None = None, **more: dict[str, Any]) -> None:
        sections = {**self._sections, **({} if sticky is None else {"sticky": sticky})}
        write(self.folder, self.entries(*names, **more), **sections)
        assert self.router.addon._watcher
        assert await self.router.addon._watcher.reload() == []

    async def ask(self, *, prefix: str = "X-", **asked: Any) -> SessionInfo:
        return session_info((await ask(self.router.base_url, **asked)).headers, prefix)

    async def page(self, path: str) -> Any:
        answer = await get(f"{self.router.url}/internal/{path}")
        assert answer.status == 200
        return answer.json

    async def stats(self) -> Any:
        return await self.page("stats/sticky")

    async def sessions(self, count: int) -> list[str]:
        """The short ids of the sessions of the last exchanges, oldest first."""
        found = await self.page(f"exchanges?limit={count}")
        return [record["session"] for record in reversed(found["exchanges"])]

    @property
    def expired(self) -> bool:
        active: int = self.router.gateway.router.sessions.stats(time.monotonic())["active_sessions"]
        return active == 0


def session(name: str) -> dict[str, str]:
    return {"X-Session-ID": name}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


class Chat:
    """A client without any id: it sends back all that was said."""

    def __init__(self, yard: RouterFixture, *before: Mapping[str, Any], stream: bool = True, **members: Any) -> None:
        self.yard, self.stream, self.members = yard, stream, members
        self.messages: list[Mapping[str, Any]] = list(before)

    async def say(self, text: str) -> SessionInfo:
        self.messages.append(user(text))
        return await self.repeat()

    async def repeat(self) -> SessionInfo:
        """Sends all there is once more, and keeps the answer."""
        members = {**self.members, "messages": self.messages}
        answer = await ask(self.yard.router.base_url, stream=self.stream, **members)
        if answer.status == 200:
            self.messages.append(assistant(text_of(answer, self.stream)))
        return session_info(answer.headers)

    def drop(self, count: int) -> None:
        """The last so many messages are to be made again."""
        del self.messages[-count:]
