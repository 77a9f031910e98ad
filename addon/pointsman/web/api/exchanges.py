"""`/api/exchanges`: what was done to answer the last requests."""

from typing import Any

from pointsman.domain.records import ExchangeRecord
from pointsman.recent_exchanges import KEEP, Ledger
from pointsman.web.api.parsing import name_in, query, whole
from pointsman.web.http import Reply, Request, reply_json
from pointsman.web.openapi import MOST_EXCHANGES
from pointsman.wire.errors import Code, Problem

USUAL, HIGHEST = 50, 10**15


class Exchanges:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def last(self, request: Request, _: str) -> Reply:
        """Raises Problem (invalid_request)."""
        given = query(request, "limit", "before")
        limit = whole(given, "limit", USUAL, 1, MOST_EXCHANGES)
        before = whole(given, "before", 0, 0, HIGHEST) if "before" in given else None
        page = self._ledger.page(limit, before)
        has_more = bool(page) and page[-1][0] > self._ledger.oldest
        return reply_json(
            {"exchanges": [_row(seq, record) for seq, record in page], "next": page[-1][0] if has_more else None}
        )

    def one(self, _: Request, request_id: str) -> Reply:
        """Raises Problem (not_found)."""
        record = self._ledger.find(name_in(request_id))
        if record is None:
            raise Problem(Code.NOT_FOUND, f"No exchange of that id among the last {KEEP} that ended.")
        return reply_json(record.plain())


def _row(seq: int, record: ExchangeRecord) -> dict[str, Any]:
    plain = record.plain()
    del plain["excluded"]
    return {"seq": seq, **plain, "excluded_count": len(record.excluded)}
