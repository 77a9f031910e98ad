"""What this router shares with its peers: the parts, the hub between them, and the task that talks to the engine."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Iterable, Sequence
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
from pointsman.shared.client_names import client_digest
from pointsman.shared.cooldowns import Entry, SharedCooldowns
from pointsman.shared.health import SharedHealth
from pointsman.shared.hub import Hub
from pointsman.shared.leases.lease_requests import LeaseRequests
from pointsman.shared.leases.part import Leases
from pointsman.shared.leases.totals import SharedTotals
from pointsman.shared.part import Call, Part, SharedState, SharedTime
from pointsman.shared.statistics import SharedStatistics
from pointsman.shared_questions import Peers
from pointsman.shared_sessions import SharedSessions
from pointsman.wire.dialects.base import Purpose

logger = logging.getLogger(__name__)

LONGEST_START = 1.0
"""Seconds for which the start waits for the engine, and for the secret that is kept there."""
MAX_ROUNDS = 4
"""Times that one request asks for leases: others may take what it has asked for."""
LONGEST_ROUND = 0.01
LONGEST_WAIT = 0.01
"""Seconds after which one request asks no more; with its last question it waits for twice as long at most, and for one
more round where others have taken what it got before it began.
"""
WITHOUT_LEASES = (Purpose.COUNT, Purpose.STORED)


class Task(Protocol):
    """Of `shared.task`, which is imported when it starts: it needs the extra `shared`."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class SharedRouting:
    """`ledger` is the name of the ledger that is written here; without one, what is spent here is known to the peers
    alone.
    """

    def __init__(
        self,
        router: Router,
        clients: Clients,
        settings: SharedSettings,
        secret_file: SharedSecretFile,
        ledger: str | None = None,
    ) -> None:
        assert settings.url
        self._settings, self._address = settings, parse_address(settings.url.get_secret_value())
        instance = token_hex(8)
        self.hub = Hub(settings.prefix, instance, lambda: token_hex(8), _parts(router, clients, instance))
        self.peers = Peers(self.hub, router.sessions.digests)
        self._sessions = SharedSessions(router, self.hub, self._address, secret_file, self.peers.announce)
        digest = client_digest(self._address.password or "", settings.prefix)
        self.leases = Leases(self.hub, router, clients, ledger or instance, digest)
        self.hub.register(self.leases)
        self.hub.register(SharedTotals(clients.ledger, ledger or instance, digest))
        self._lease_requests = LeaseRequests(self.leases, router, clients)
        self._task: Task | None = None
        self._starting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns when all instances make the same digests, or after a second."""
        from pointsman.shared.link import Link
        from pointsman.shared.task import SharedTask

        ticks, questions, watch = (Link(self._address) for _ in range(3))
        self._task = SharedTask(self.hub, ticks, questions, watch, self._settings.tick, self._settings.timeout)
        self._starting = asyncio.get_running_loop().create_task(self._task.start(), name="shared state begins")
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_START):
                await self._sessions.agreed.wait()

    async def stop(self) -> None:
        self.leases.sharing.give_back()
        if self._task and self._starting:
            await self._starting
            await self._task.stop()

    def update_settings(self) -> None:
        """The router has new settings."""
        self.leases.update_settings()

    def prepare(self, chat: ChatRequest, read: ParsedRequest, is_again: bool = False) -> Awaitable[object] | None:
        """What the request has to wait for; mostly None: nothing. `is_again`: it has waited, and what others have taken
        meanwhile is requested once more.
        """
        if not self.hub.is_connected:
            return None
        calls = [] if is_again else list(self._sessions.lookups(chat, read, time.monotonic()))
        if not calls and not (calls := self._lease_calls(chat, read)):
            return None
        return self._prepare(calls, chat, read, LONGEST_WAIT if is_again else 0.0)

    async def _prepare(self, calls: Sequence[Call], chat: ChatRequest, read: ParsedRequest, waited: float) -> None:
        for _ in range(MAX_ROUNDS):
            began = time.monotonic()
            is_answered = await self.hub.prepare(calls)
            waited += min(time.monotonic() - began, LONGEST_ROUND)  # what is longer was this process, not the engine
            if not is_answered or waited > LONGEST_WAIT:
                break
            if not (calls := self._lease_calls(chat, read)):
                return
        if chat.purpose not in WITHOUT_LEASES:
            self._lease_requests.give_up(read.facts, chat.dialect, read.caller, self._now())

    def _lease_calls(self, chat: ChatRequest, read: ParsedRequest) -> list[Call]:
        if chat.purpose in WITHOUT_LEASES:
            return []
        return self._lease_requests.calls(read.facts, chat.dialect, read.caller, self._now())

    def _now(self) -> SharedTime:
        return self.hub.time(time.monotonic(), time.time())


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
