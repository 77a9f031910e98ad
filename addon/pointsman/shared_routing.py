"""What this router shares with its peers: the parts, the hub between them, and the task that talks to the engine."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from secrets import token_hex
from typing import Any, Protocol

from pointsman.admission import ChatRequest
from pointsman.clients.clients import Clients
from pointsman.config import SharedSettings
from pointsman.domain.engine_address import parse_address
from pointsman.overrides.shared_secret import SharedSecretFile
from pointsman.request_reader import ParsedRequest
from pointsman.routing.router import Router
from pointsman.shared.cooldowns import Entry, SharedCooldowns
from pointsman.shared.health import SharedHealth
from pointsman.shared.hub import Hub
from pointsman.shared.part import Call, Part, SharedState
from pointsman.shared.statistics import SharedStatistics
from pointsman.shared_questions import Peers
from pointsman.shared_sessions import SharedSessions

logger = logging.getLogger(__name__)

LONGEST_START = 1.0
"""Seconds for which the start waits for the engine, and for the secret that is kept there."""

type Wishes = Callable[[ChatRequest, ParsedRequest], Iterable[Call]]
"""The calls that a request has to wait for: of what is known here already there are none."""


class Task(Protocol):
    """Of `shared.task`, which is imported when it starts: it needs the extra `shared`."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class SharedRouting:
    """`wishes` are asked for each request before its exchange begins."""

    def __init__(
        self, router: Router, clients: Clients, settings: SharedSettings, secret_file: SharedSecretFile
    ) -> None:
        assert settings.url
        self._settings, self._address = settings, parse_address(settings.url.get_secret_value())
        instance = token_hex(8)
        self.hub = Hub(settings.prefix, instance, lambda: token_hex(8), _parts(router, clients, instance))
        self.peers = Peers(self.hub, router.sessions.digests)
        self._sessions = SharedSessions(router, self.hub, self._address, secret_file, self.peers.announce)
        self.wishes: list[Wishes] = [self._session_wishes]
        self._task: Task | None = None
        self._starting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns when all instances make the same digests, or after a second."""
        from pointsman.shared.link import Link
        from pointsman.shared.task import SharedTask

        links = Link(self._address), Link(self._address)
        self._task = SharedTask(self.hub, *links, self._settings.tick, self._settings.timeout)
        self._starting = asyncio.get_running_loop().create_task(self._task.start(), name="shared state begins")
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_START):
                await self._sessions.agreed.wait()

    async def stop(self) -> None:
        if self._task and self._starting:
            await self._starting
            await self._task.stop()

    def _session_wishes(self, chat: ChatRequest, read: ParsedRequest) -> Iterator[Call]:
        return self._sessions.wishes(chat, read, time.monotonic())


def _parts(router: Router, clients: Clients, instance: str) -> Iterable[Part]:
    """Everything that is shared."""
    state = router.state

    def is_known(entry: Entry) -> bool:
        scope, name, *key = entry
        provider, label = str(name).partition("/")[0], str(name)
        return (scope == "k" or label in state.inventory.by_label) and (
            scope == "t" or (provider, *key) in state.inventory.key_labels
        )

    def on_provider_lost(provider: str) -> None:
        pins = state.sessions.remove_pins({provider})[provider]
        logger.info(f"Pointsman: another instance found provider {provider} to be unhealthy; pins removed: {pins}.")

    yield SharedCooldowns(state.cooldowns, instance, is_known, state.waiting.wake_all)
    yield SharedHealth(state.health, lambda name: name in state.settings.providers, on_provider_lost)
    statistics = SharedStatistics(
        state.statistics,
        state.recent_outcomes,
        instance,
        lambda label: state.ranking.invalidate(state.inventory.by_label[label]),
    )
    state.on_observation = statistics.observe
    yield statistics


def shared_to_dict(shared: SharedRouting | None) -> dict[str, Any]:
    """In plain JSON types; `reason` says why it is degraded."""
    if shared is None:
        return {"state": SharedState.OFF.value, "instances": 1, "reason": None}
    hub = shared.hub
    return {"state": hub.state.value, "instances": hub.instances, "reason": hub.reason or None}
