"""`/healthz` and `/internal`: JSON for operators."""

from collections.abc import Callable
from urllib.parse import parse_qs, unquote

from pointsman.recent_exchanges import KEEP, Ledger
from pointsman.web.http import Reply, Request, reply_json
from pointsman.wire.errors import Code, Problem

DEFAULT_LIMIT = 50


def healthz(_: Request, __: str) -> Reply:
    return reply_json({"status": "ok"})


def exchanges_page(ledger: Ledger) -> Callable[[Request, str], Reply]:
    """The newest exchanges, at most `limit` of them."""

    def answer(request: Request, _: str) -> Reply:
        return reply_json({"exchanges": [record.plain() for record in ledger.newest(_limit(request.query))]})

    return answer


def exchange_page(ledger: Ledger) -> Callable[[Request, str], Reply]:
    """One exchange by its request id. Raises Problem (not_found)."""

    def answer(_: Request, request_id: str) -> Reply:
        record = ledger.find(unquote(request_id))
        if record is None:
            raise Problem(Code.NOT_FOUND, f"No exchange of that id among the last {KEEP} that ended.")
        return reply_json(record.plain())

    return answer


def _limit(query: str) -> int:
    given = parse_qs(query).get("limit", [str(DEFAULT_LIMIT)])[-1]
    limit = int(given) if given.isdecimal() and len(given) < 10 else 0
    if not 1 <= limit <= KEEP:
        raise Problem(
            Code.INVALID_REQUEST, f"limit must be a number from 1 to {KEEP}, got {given[:20]!r}.", param="limit"
        )
    return limit
