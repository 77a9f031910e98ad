"""When all faults have ended, every conversation is asked once more, and has to be served within a minute."""

import asyncio
from collections.abc import Iterator, Sequence
from time import monotonic
from typing import Any

from robustness.answer_check import AnswerCheck, ReceivedAnswer
from robustness.clients import FAILURES, ClientPool, RouterAddress, ask_alone
from robustness.deployment import Deployment
from robustness.promise import told
from robustness.requests import ChatRequest

PATIENCE = 60.0
"""Seconds within which a conversation is served."""
IMPATIENCE = 1.0
"""Seconds that a client waits if the answer names no time."""
MAX_CONVERSATIONS = 400
WORKERS = 6


class LastRound:
    """Clients that do as `Retry-After` says. `served` counts the conversations that got a whole answer."""

    def __init__(self, deployed: Deployment, max_attempts: int) -> None:
        self._deployed, self._max_attempts = deployed, max_attempts
        self.served = 0

    async def ask(self, requests: Sequence[ChatRequest]) -> list[str]:
        """Asks the first `MAX_CONVERSATIONS`. Returns what was wrong, for each that was not served."""
        waiting, began, unserved = iter(requests[:MAX_CONVERSATIONS]), monotonic(), list[str]()

        async def worker() -> None:
            for request in waiting:
                problem = await self._serve(request, began + PATIENCE)
                self.served += not problem
                unserved.extend(await self._explained(request, problem) if problem else ())

        async with asyncio.TaskGroup() as workers:
            for _ in range(WORKERS):
                workers.create_task(worker())
        return unserved

    async def _serve(self, request: ChatRequest, until: float) -> str:
        """Why it was not served; empty if it was."""
        while True:
            answer, problem = await self._once(request)
            if not problem:
                return ""
            wait = float(answer.headers.get("retry-after", IMPATIENCE)) if answer else IMPATIENCE
            if monotonic() + wait > until:
                return f"{problem}; retry after {wait:g} s"
            await asyncio.sleep(wait)

    async def _once(self, request: ChatRequest) -> tuple[ReceivedAnswer | None, str]:
        """One attempt: the answer, and what was wrong with it."""
        answers: list[ReceivedAnswer | None] = []

        async def on_answer(_: ChatRequest, answer: ReceivedAnswer | None) -> None:
            answers.append(answer)

        router = RouterAddress("127.0.0.1", self._deployed.port, self._deployed.ca)
        try:
            await ask_alone(ClientPool(router, request.seed, on_answer, iter(())), request)
        except FAILURES as error:
            return None, f"{type(error).__name__} {error!s:.300}"
        if (answer := answers[0]) is None:
            return None, "no answer"
        _, record = await self._deployed.page(f"/internal/exchanges/{request.id}")
        is_shared = self._deployed.engine is not None
        found = AnswerCheck(request, answer, record, self._max_attempts, shares_limits=is_shared).violations()
        if answer.status != 200:
            found.insert(0, f"status {answer.status}, {told(record)}")
        return answer, "; ".join(found)

    async def _explained(self, request: ChatRequest, problem: str) -> Iterator[str]:
        """With the session, its bans, and all cooldowns."""
        _, record = await self._deployed.page(f"/internal/exchanges/{request.id}")
        session = record.get("session")
        _, cooldowns = await self._deployed.page("/internal/status/cooldowns")
        _, bans = await self._deployed.page("/api/bans")
        own: list[Any] = [each for each in bans["bans"] if each.get("session") == session]
        return iter([f"{request.id}: session {session} is not served: {problem}; bans {own}; cooldowns {cooldowns}"])
