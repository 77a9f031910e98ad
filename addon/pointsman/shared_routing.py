"""What this router shares with its peers: the parts, the hub between them, and the task that talks to the engine."""

from collections.abc import Callable, Iterable
from secrets import token_hex
from typing import Any, Protocol

from pointsman.admission import ChatRequest
from pointsman.clients.clients import Clients
from pointsman.config import SharedSettings
from pointsman.domain.engine_address import parse_address
from pointsman.request_reader import ParsedRequest
from pointsman.routing.router import Router
from pointsman.shared.hub import Hub
from pointsman.shared.part import Call, Part, SharedState

type Wishes = Callable[[ChatRequest, ParsedRequest], Iterable[Call]]
"""The calls that a request has to wait for: of what is known here already there are none."""


class Task(Protocol):
    """Of `shared.task`, which is imported when it starts: it needs the extra `shared`."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class SharedRouting:
    """`wishes` are asked for each request before its exchange begins."""

    def __init__(self, router: Router, clients: Clients, settings: SharedSettings) -> None:
        assert settings.url
        self._settings, self._address = settings, parse_address(settings.url.get_secret_value())
        self.hub = Hub(settings.prefix, token_hex(8), lambda: token_hex(8), _parts(router, clients))
        self.wishes: list[Wishes] = []
        self._task: Task | None = None

    async def start(self) -> None:
        """Returns when it is known whether the engine answers, within two seconds."""
        from pointsman.shared.link import Link
        from pointsman.shared.task import SharedTask

        links = Link(self._address), Link(self._address)
        self._task = SharedTask(self.hub, *links, self._settings.tick, self._settings.timeout)
        await self._task.start()

    async def stop(self) -> None:
        if self._task:
            await self._task.stop()


def _parts(router: Router, clients: Clients) -> Iterable[Part]:
    """Everything that is shared."""
    return ()


def shared_to_dict(shared: SharedRouting | None) -> dict[str, Any]:
    """In plain JSON types; `reason` says why it is degraded."""
    if shared is None:
        return {"state": SharedState.OFF.value, "instances": 1, "reason": None}
    hub = shared.hub
    return {"state": hub.state.value, "instances": hub.instances, "reason": hub.reason or None}
