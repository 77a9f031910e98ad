"""The filters of requests on the command line, as `/api/requests` takes them."""

import argparse
import re
import time
from typing import Any
from urllib.parse import urlencode

FILTERS = {
    "status": "such as 404, 5xx or 429,503; none: the client left",
    "provider": "the provider that answered, or was asked last",
    "model": "the model asked for, the target's, or provider/model",
    "client": "the client's name",
    "session": "the session's id",
    "outcome": "such as refused, retry_failed or client_abort",
    "dialect": "openai-chat, openai-responses, anthropic or gemini",
    "q": "text: the beginning of a request id, or a part of a name",
}
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def add_filters(parser: argparse.ArgumentParser) -> None:
    filters = parser.add_argument_group("filters")
    for name, about in FILTERS.items():
        filters.add_argument(f"--{name}", metavar=name.upper(), help=about)


def add_times(parser: argparse.ArgumentParser) -> None:
    for name in ("since", "until"):
        parser.add_argument(
            f"--{name}", type=moment, metavar="TIME", help="how long ago, such as 1h or 7d, or a time as in RFC 3339"
        )


def moment(text: str) -> str:
    """A time as the API takes it."""
    if found := re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)([smhdw])", text):
        return f"{max(0.0, time.time() - float(found[1]) * UNITS[found[2]]):.3f}"
    if not re.match(r"[0-9]{4}-|[0-9.]+$", text):
        said = f"must be how long ago, such as 30m, 1h or 7d, or a time such as 2026-11-27T14:05:00Z, got {text!r}"
        raise argparse.ArgumentTypeError(said)
    return text


def query(given: argparse.Namespace, **more: Any) -> str:
    """The query of the filters that were given."""
    chosen = {name: getattr(given, name, None) for name in (*FILTERS, "since", "until")} | more
    return urlencode({name: value for name, value in chosen.items() if value is not None})
