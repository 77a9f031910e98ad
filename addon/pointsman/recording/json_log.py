"""The log as JSON: each line is one object.

A record may have fields besides its message, as `extra=extra_fields(fields)`; `fields` is called for a JSON line alone.
"""

import json
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from mitmproxy.utils import human

from pointsman.domain.records import ExchangeRecord
from pointsman.history import RefusedRequest
from pointsman.masking import Masker
from pointsman.prices.rates import dollars

FIELDS = "pointsman_fields"
"""The attribute of a log record that has the function."""
type Fields = Callable[[], Mapping[str, object]]


def extra_fields(fields: Fields) -> dict[str, Any]:
    """The `extra` of a logging call, with a function that returns further fields."""
    return {FIELDS: fields}


class JsonFormatter(logging.Formatter):
    """`time` (RFC 3339, UTC), `level`, `logger` and `message`; the `address` of a client, an `exception`, and the
    record's own fields.
    """

    def __init__(self, masker: Callable[[], Masker]) -> None:
        super().__init__()
        self._masker = masker

    def format(self, record: logging.LogRecord) -> str:
        level, message = record.levelname.lower(), record.getMessage()
        return self._masker().text(json_line(level, record.name, message, record.created, _more(self, record)))


def json_line(level: str, logger: str, message: str, created: float, more: Mapping[str, object]) -> str:
    """`created` is in seconds since 1970."""
    time = datetime.fromtimestamp(created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    said = {"time": time, "level": level, "logger": logger, "message": message, **more}
    try:
        return orjson.dumps(said, default=str).decode()
    except orjson.JSONEncodeError:  # a lone surrogate, or an integer beyond 64 bits
        return json.dumps(said, default=str)


def _more(formatter: logging.Formatter, record: logging.LogRecord) -> dict[str, object]:
    more: dict[str, object] = {}
    if address := getattr(record, "client", None):
        more["address"] = human.format_address(address)
    if record.exc_info:
        more["exception"] = formatter.formatException(record.exc_info)
    if fields := getattr(record, FIELDS, None):
        more |= fields()
    return more


def exchange_fields(record: ExchangeRecord) -> dict[str, object]:
    """One exchange, ended. `provider` is the one that answered, or that was asked last."""
    attempts = [attempt for attempt in record.attempts if not attempt.is_informational]
    last = next((each for each in attempts if each.outcome.is_success), attempts[-1] if attempts else None)
    return {
        "request_id": record.request_id,
        "client": record.client,
        "dialect": record.dialect,
        "session": record.session,
        "sticky": record.sticky,
        "mode": record.mode,
        "model": record.model,
        "provider": last and last.provider,
        "target": last and f"{last.provider}/{last.model}",
        "status": record.status,
        "reason": record.error,
        "outcome": last.outcome.value if last else None,
        "attempts": len(attempts),
        "trail": [attempt.trail_entry for attempt in attempts],
        "usage": record.usage and record.usage.to_dict(),
        "cost_usd": dollars(record.cost),
        "duration_ms": record.ended_ms,
        "waited_ms": record.waited_ms,
    }


def refusal_fields(refused: RefusedRequest) -> dict[str, object]:
    """A request that was refused before an exchange began."""
    return {
        "request_id": refused.request_id,
        "client": refused.client,
        "dialect": refused.dialect,
        "session": None,
        "sticky": None,
        "mode": None,
        "model": refused.model,
        "path": refused.path or None,
        "provider": None,
        "target": None,
        "status": refused.status,
        "reason": refused.reason,
        "outcome": refused.outcome,
        "attempts": 0,
        "trail": [],
        "usage": None,
        "cost_usd": None,
        "duration_ms": round((refused.ended - refused.started) * 1000, 1),
        "waited_ms": 0.0,
    }
