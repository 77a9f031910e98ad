"""`/api/overview`: the current state in one answer, for clients that poll it."""

from collections.abc import Sequence
from typing import Any

from pointsman.domain.records import AttemptRecord, ExchangeRecord, Outcome
from pointsman.history.analytics import percentile
from pointsman.recent_exchanges import WINDOW_SECONDS, recoveries
from pointsman.web.api.quotas import EndingQuotas
from pointsman.web.api.state import StatePages
from pointsman.web.context import PageContext
from pointsman.web.http import PageReply, PageRequest, json_reply

MINUTES = 30
MAX_RUNNING_SHOWN = 50
"""Running exchanges that are listed, the oldest first."""
CLIENT_OUTCOMES = frozenset({Outcome.CLIENT_ABORT, Outcome.CLIENT_ERROR_NON_RETRYABLE})
"""They are the client's doing and do not count for or against providers."""


class OverviewPages:
    def __init__(self, context: PageContext, state: StatePages) -> None:
        self._context, self._state = context, state
        self._quotas = EndingQuotas(context.router, context.clock, context.wall)

    async def now(self, _: PageRequest, __: str) -> PageReply:
        quotas = await self._quotas.to_list()
        recent_exchanges, wall = self._context.recent_exchanges, self._context.wall()
        recent = recent_exchanges.recent(wall)
        per_minute = recent_exchanges.per_minute(MINUTES, wall)
        return json_reply(
            {
                "window_seconds": WINDOW_SECONDS,
                "exchanges": len(recent),
                "requests_per_minute": per_minute[-1],
                "per_minute": per_minute,
                **rates(recent),
                "recoveries": recoveries(recent),
                **self._running(),
                **self._state.problems(),
                "quotas": quotas,
                "sessions": self._context.router.sessions.count,
                "faults": [fault.to_dict() for fault in self._context.router.settings.faults],
                "shared": self._context.shared(),
                "history_problem": self._context.history.write_problem,
                "demo": self._context.is_demo(),
                "kept": str(store.path) if (store := self._context.configuration.store) else None,
            }
        )

    def _running(self) -> dict[str, Any]:
        running = self._context.running
        shown = [exchange for exchange, _ in zip(running, range(MAX_RUNNING_SHOWN), strict=False)]
        told = [
            {
                "request_id": exchange.client_request.request_id,
                "model": exchange.client_request.facts.model,
                "started": exchange.client_request.started,
                "stream": exchange.client_request.facts.stream,
                "attempts": len(exchange.attempt_log.settled()) + len(exchange.running_candidates),
            }
            for exchange in shown
        ]
        return {"running": len(running), "running_exchanges": told}


def rates(records: Sequence[ExchangeRecord]) -> dict[str, Any]:
    """Success before and after failover, and how long clients of streams waited for the first content."""
    told = [record for record in records if not record.attempts or record.attempts[-1].outcome not in CLIENT_OUTCOMES]
    winners = [(record, last) for record in told if (last := _winner(record))]
    first = sum(1 for record, winner in winners if winner.n == 1)
    waits = sorted(
        (winner.started - record.started) * 1000 + winner.first_content_ms
        for record, winner in winners
        if record.streamed and winner.first_content_ms is not None and winner.continuation is None
    )
    return {
        "success_rate": len(winners) / len(told) if told else None,
        "first_attempt_success_rate": first / len(told) if told else None,
        "first_content_ms": {f"p{share}": percentile(waits, share) for share in (50, 95)},
    }


def _winner(record: ExchangeRecord) -> AttemptRecord | None:
    return next((attempt for attempt in record.attempts if attempt.outcome.is_success), None)
