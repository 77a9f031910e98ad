"""`/api/exchanges` and `/internal/exchanges`: what was done to answer the last requests."""

from typing import Any
from urllib.parse import parse_qsl

from pointsman.domain.records import ExchangeRecord
from pointsman.recent_exchanges import MAX_RECORDS, RecentExchanges
from pointsman.web.api.parsing import int_param, path_param, query_params
from pointsman.web.http import PageReply, PageRequest, json_reply
from pointsman.web.openapi import MAX_EXCHANGES
from pointsman.wire.errors import Code, Problem

DEFAULT_LIMIT, MAX_SEQ = 50, 10**15


class ExchangePages:
    def __init__(self, recent_exchanges: RecentExchanges) -> None:
        self._recent_exchanges = recent_exchanges

    def newest(self, request: PageRequest, _: str) -> PageReply:
        """The newest records whole, at most `limit` of them. Raises Problem (invalid_request)."""
        limit = int_param(dict(parse_qsl(request.query)), "limit", DEFAULT_LIMIT, 1, MAX_EXCHANGES)
        return json_reply({"exchanges": [record.to_dict() for record in self._recent_exchanges.newest(limit)]})

    def page(self, request: PageRequest, _: str) -> PageReply:
        """At most `limit` records older than `before`, and where the next page begins.

        Raises Problem (invalid_request).
        """
        given = query_params(request, "limit", "before")
        limit = int_param(given, "limit", DEFAULT_LIMIT, 1, MAX_EXCHANGES)
        before = int_param(given, "before", 0, 0, MAX_SEQ) if "before" in given else None
        page = self._recent_exchanges.page(limit, before)
        has_more = bool(page) and page[-1][0] > self._recent_exchanges.oldest
        return json_reply(
            {"exchanges": [_to_dict(seq, record) for seq, record in page], "next": page[-1][0] if has_more else None}
        )

    def one(self, _: PageRequest, request_id: str) -> PageReply:
        """Raises Problem (not_found)."""
        record = self._recent_exchanges.find(path_param(request_id))
        if record is None:
            raise Problem(Code.NOT_FOUND, f"No exchange with that id among the last {MAX_RECORDS} that ended.")
        return json_reply(record.to_dict())


def _to_dict(seq: int, record: ExchangeRecord) -> dict[str, Any]:
    plain = record.to_dict()
    del plain["excluded"]
    return {"seq": seq, **plain, "excluded_count": len(record.excluded)}
