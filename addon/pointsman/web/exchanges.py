"""`/internal/exchanges`: the newest exchanges, and one by its request id."""

from collections.abc import Callable
from urllib.parse import parse_qs, unquote

from pointsman.recent_exchanges import MAX_RECORDS, RecentExchanges
from pointsman.web.http import PageReply, PageRequest, json_reply
from pointsman.wire.errors import Code, Problem

DEFAULT_LIMIT = 50


def exchanges_page(recent_exchanges: RecentExchanges) -> Callable[[PageRequest, str], PageReply]:
    """The newest exchanges, at most `limit` of them."""

    def answer(request: PageRequest, _: str) -> PageReply:
        return json_reply(
            {"exchanges": [record.to_dict() for record in recent_exchanges.newest(_parse_limit(request.query))]}
        )

    return answer


def exchange_page(recent_exchanges: RecentExchanges) -> Callable[[PageRequest, str], PageReply]:
    """One exchange by its request id. Raises Problem (not_found)."""

    def answer(_: PageRequest, request_id: str) -> PageReply:
        record = recent_exchanges.find(unquote(request_id))
        if record is None:
            raise Problem(Code.NOT_FOUND, f"No exchange with that id among the last {MAX_RECORDS} that ended.")
        return json_reply(record.to_dict())

    return answer


def _parse_limit(query: str) -> int:
    given = parse_qs(query).get("limit", [str(DEFAULT_LIMIT)])[-1]
    limit = int(given) if given.isdecimal() and len(given) < 10 else 0
    if not 1 <= limit <= MAX_RECORDS:
        raise Problem(
            Code.INVALID_REQUEST, f"limit must be a number from 1 to {MAX_RECORDS}, got {given[:20]!r}.", param="limit"
        )
    return limit
