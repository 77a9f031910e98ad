"""`/api/overview`: how everything is now, in one answer, for whoever looks every second."""

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

from pointsman.domain.records import AttemptRecord, ExchangeRecord, Outcome
from pointsman.gateway import Dispatcher
from pointsman.history.analytics import percentile
from pointsman.recent_exchanges import KEEP
from pointsman.web.api.state import State
from pointsman.web.http import Reply, Request, reply_json

WINDOW = 900.0
"""Seconds that rates and waits are told of."""
MINUTES = 30
SHOWN = 50
"""Running exchanges that are told of one by one, the oldest first."""
NOBODYS = frozenset({Outcome.CLIENT_ABORT, Outcome.CLIENT_ERROR_NON_RETRYABLE})
"""They say nothing of providers."""


class Overview:
    def __init__(self, dispatcher: Dispatcher, state: State, is_demo: bool) -> None:
        self._dispatcher, self._state, self._is_demo = dispatcher, state, is_demo

    def now(self, _: Request, __: str) -> Reply:
        ledger, wall = self._dispatcher.ledger, self._state.wall()
        recent = list(takewhile(lambda record: record.ended > wall - WINDOW, ledger.newest(KEEP)))
        per_minute = ledger.per_minute(MINUTES, wall)
        return reply_json(
            {
                "window_seconds": WINDOW,
                "exchanges": len(recent),
                "requests_per_minute": per_minute[-1],
                "per_minute": per_minute,
                **rates(recent),
                **self._running(),
                **self._state.troubles(),
                "sessions": self._dispatcher.router.sessions.count,
                "demo": self._is_demo,
            }
        )

    def _running(self) -> dict[str, Any]:
        running = self._dispatcher.running
        shown = [exchange for exchange, _ in zip(running, range(SHOWN), strict=False)]
        told = [
            {
                "request_id": exchange.call.request_id,
                "model": exchange.call.facts.model,
                "started": exchange.call.started,
                "stream": exchange.call.facts.stream,
                "attempts": len(exchange.journal.attempts()) + len(exchange.running),
            }
            for exchange in shown
        ]
        return {"running": len(running), "running_exchanges": told}


def rates(records: Sequence[ExchangeRecord]) -> dict[str, Any]:
    """Success before and after failover, and how long clients of streams waited for the first content."""
    told = [record for record in records if not record.attempts or record.attempts[-1].outcome not in NOBODYS]
    winners = [(record, last) for record in told if (last := _winner(record))]
    first = sum(1 for record, winner in winners if winner.n == 1)
    waits = sorted(
        (winner.started - record.started) * 1000 + winner.first_content_ms
        for record, winner in winners
        if record.streamed and winner.first_content_ms is not None
    )
    return {
        "success_rate": len(winners) / len(told) if told else None,
        "first_attempt_success_rate": first / len(told) if told else None,
        "first_content_ms": {f"p{share}": percentile(waits, share) for share in (50, 95)},
    }


def _winner(record: ExchangeRecord) -> AttemptRecord | None:
    return next((attempt for attempt in record.attempts if attempt.outcome.is_success), None)
