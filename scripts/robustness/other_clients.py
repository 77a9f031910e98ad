"""Clients that ask for something besides chats, or wait in line, with the checks of what they get."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from robustness.answer_check import events, is_error
from robustness.clients import CLIENT_KINDS, PATIENCE, ClientKind, ClientPool, ProtocolViolation
from robustness.expected_answer import recorded
from robustness.other_requests import NARROW, OTHERS, Ask, OtherRequest
from robustness.promise import Span
from robustness.requests import CLIENTS, ChatRequest, key_of
from robustness.sockets import over_websocket
from support.h1client import h1_to, head

CLIENT = CLIENTS[0]
"""The client that sends these requests: one without budgets."""
QUEUE = 5
"""Requests at once for the provider for waiting."""
MAX_WAIT = 20.0
"""Seconds that they may wait."""
RECOVERY = 4.0
"""Seconds after an outage for which the router may still not use the providers."""
LATE = 5.0


@dataclass(slots=True)
class OtherClients:
    """Their share of a run. `page` reads one of the router's own pages, `on_outcome` is awaited after each request."""

    page: Callable[[str], Awaitable[tuple[int, Any]]]
    outages: Sequence[Span]
    waited: list[float] = field(default_factory=list)
    """Milliseconds for which requests waited in line. Bounded by the requests of a run."""

    @property
    def kinds(self) -> dict[ClientKind, int]:
        """All kinds of clients with their weights."""
        return {**CLIENT_KINDS, over_websocket: 3, self.for_endpoints: 3, self.in_line: 1}

    async def for_endpoints(self, pool: ClientPool, first: ChatRequest, chance: random.Random) -> None:
        for each in pool.more(first, 4, chance):
            await self._ask(pool, OtherRequest.of(each.seed, each.n))

    async def in_line(self, pool: ClientPool, first: ChatRequest, chance: random.Random) -> None:
        """More requests at once than their provider takes."""
        async with asyncio.TaskGroup() as line:
            for each in pool.more(first, QUEUE, chance):
                request = OtherRequest.of(each.seed, each.n, in_line=True)
                line.create_task(pool.record_failures(request.id, self._ask(pool, request)))

    async def _ask(self, pool: ClientPool, request: OtherRequest) -> None:
        began = time.time()
        fields = [("Host", "localhost"), ("x-request-id", request.id), ("Authorization", f"Bearer {key_of(CLIENT)}")]
        if request.ask is Ask.IN_LINE:
            fields.append(("X-Pointsman-Max-Wait", f"{MAX_WAIT:g}s"))
        async with h1_to(pool.router.host, pool.router.port) as client, asyncio.timeout(PATIENCE):
            client.send(head(request.path, len(request.body), fields) + request.body)
            status, headers, body = await client.answer()
        if fault := self._wrong(request, status, headers, body, began):
            raise ProtocolViolation(f"{request.id} ({request.ask.name}): {fault}")
        if request.ask is Ask.IN_LINE and (fault := await self._wrong_wait(request)):
            raise ProtocolViolation(f"{request.id}: {fault}")
        if pool.others:
            await pool.others(f"{status} of {'a line' if request.ask is Ask.IN_LINE else 'endpoints'}")

    def _wrong(self, request: OtherRequest, status: int, headers: Any, body: bytes, began: float) -> str:
        if headers.get("x-request-id") != request.id:
            return f"the answer to another request: {headers.get('x-request-id')}"
        if status != 200 or _is_failed_stream(request, body):
            during = Span(began - RECOVERY, time.time())
            return "" if any(each.meets(during) for each in self.outages) else f"status {status}: {body[:400]!r}"
        providers = (NARROW,) if request.ask is Ask.IN_LINE else OTHERS
        due = [recorded(request.received(), request.good(name)) for name in providers]
        is_right = events(body) in [events(each) for each in due] if request.stream else body in due
        return "" if is_right else f"{len(body)} bytes that no provider sends: {body[:300]!r}"

    async def _wrong_wait(self, request: OtherRequest) -> str:
        _, record = await self.page(f"/internal/exchanges/{request.id}")
        if (waited := record.get("waited_ms", 0.0)) > 0:
            self.waited.append(waited)
        return f"it waited for {waited:.0f} ms" if waited > (MAX_WAIT + LATE) * 1000 else ""


def _is_failed_stream(request: OtherRequest, body: bytes) -> bool:
    """An error after early headers, and nothing else."""
    return request.stream and (found := events(body)) != [] and is_error(found[0])
