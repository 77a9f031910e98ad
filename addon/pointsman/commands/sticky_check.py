"""`pointsman check --sticky`: sends a conversation of three turns through a running router, and says whether it stays
on one provider, how it is recognised, and why not if it does not.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import ProxyHandler, Request, build_opener

from pointsman.commands.admin_client import NOT_POINTSMAN, AdminApiError, AdminClient, connect, describe_error
from pointsman.commands.client_args import KEY_VARIABLE, load_settings, router_key
from pointsman.config.enums import KeySource
from pointsman.enum_tables import require_total
from pointsman.sessions.binding import Stickiness

QUESTIONS = (
    "This is a test of three short turns. Reply with the single word one.",
    "Now reply with the single word two.",
    "Now reply with the single word three.",
)
TURN_TIMEOUT = 180.0
"""Seconds."""
RECOGNISED_BY = {
    KeySource.SESSION_HEADER: "a session id in its headers",
    KeySource.SESSION_BODY: "an id in the body",
    KeySource.PREFIX_HASH: "its own words, as chat clients without a session id are",
    KeySource.AUTH_HEADER: "the client's credential, which all conversations of that client share",
    KeySource.IP: "the client's address, which all conversations from there share",
}
require_total(RECOGNISED_BY, KeySource, "RECOGNISED_BY")


@dataclass(frozen=True, slots=True)
class Turn:
    """One request and what became of it. `sticky`, `source` and `target` are the answer's headers; empty if absent."""

    number: int
    status: int
    target: str
    sticky: str
    source: str
    request_id: str
    seconds: float
    error: str
    message: Mapping[str, Any] = field(repr=False)
    """The assistant's message."""

    @property
    def line(self) -> str:
        parts = (self.target or "no target", self.sticky or "no session", self.source, f"{self.seconds:.1f} s")
        return f"turn {self.number}  {self.status}  " + " · ".join(part for part in parts if part)


def add_arguments(parser: argparse._ActionsContainer) -> None:
    parser.add_argument("--model", default="auto", metavar="MODEL", help="model to ask for (default: auto)")
    parser.add_argument(
        "--session", metavar="ID", help="send this as X-Session-ID (default: no id, as most chat clients)"
    )
    parser.add_argument("--key", help=f"client key of the router (default: {KEY_VARIABLE}, else the configuration's)")


def main(given: argparse.Namespace) -> int:
    """Returns 0 if the conversation stays where it began, else 1."""
    found = load_settings(given.config)
    known = router_key(given.key, found[1] if found else None)
    if known.is_missing:
        print(f"pointsman check: {known.note}", file=sys.stderr)
        return 1
    key = known.used
    turns: list[Turn] = []
    try:
        for turn in _conversation(given, key):
            turns.append(turn)
            print(turn.line, flush=True)
    except AdminApiError as error:
        print(f"pointsman check: {error}", file=sys.stderr)
        return 1
    reason = _why_not(turns, connect(given))
    print(f"It does not stick: {reason}" if reason else _verdict(turns))
    return 1 if reason else 0


def _verdict(turns: Sequence[Turn]) -> str:
    last = turns[-1]
    by = RECOGNISED_BY[KeySource(last.source)]
    return f"It sticks to {last.target}. The conversation is recognised by {by} ({last.source})."


def _conversation(given: argparse.Namespace, key: str) -> Iterator[Turn]:
    """The turns, up to the first one that fails. Raises AdminApiError."""
    messages: list[Mapping[str, Any]] = []
    for number, question in enumerate(QUESTIONS, start=1):
        messages.append({"role": "user", "content": question})
        turn = _ask(given, key, messages, number)
        yield turn
        if turn.error:
            return
        messages.append(turn.message)


def _ask(given: argparse.Namespace, key: str, messages: Sequence[Mapping[str, Any]], number: int) -> Turn:
    """Raises AdminApiError if there is no router."""
    body = json.dumps({"model": given.model, "messages": messages}).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    if given.session:
        headers["X-Session-ID"] = given.session
    request = Request(f"{given.router}/v1/chat/completions", body, headers)
    began = time.monotonic()
    try:
        status, answer_headers, answer = _send(request)
        return _turn(number, status, answer_headers, answer, time.monotonic() - began)
    except OSError as error:
        raise AdminApiError(describe_error(error, given.router)) from None
    except (ValueError, KeyError, IndexError, TypeError):
        raise AdminApiError(NOT_POINTSMAN.format(given.router)) from None


def _send(request: Request) -> tuple[int, Mapping[str, str], bytes]:
    """Status, headers (names in lower case) and body. Raises OSError."""
    try:
        response = build_opener(ProxyHandler({})).open(request, timeout=TURN_TIMEOUT)
    except HTTPError as error:
        response = error
    with response:
        return response.status, {name.lower(): value for name, value in response.headers.items()}, response.read()


def _turn(number: int, status: int, headers: Mapping[str, str], body: bytes, seconds: float) -> Turn:
    """Raises ValueError, KeyError, IndexError or TypeError if the answer is not a router's. The names of sticky headers
    have a prefix of any kind.
    """
    document = json.loads(body)
    error = str(document["error"]["message"]) if status >= HTTPStatus.BAD_REQUEST else ""

    def sticky_header(name: str) -> str:
        return next((value for each, value in headers.items() if each.endswith(name)), "")

    return Turn(
        number,
        status,
        headers.get("x-routed-via", ""),
        sticky_header("sticky-session"),
        sticky_header("sticky-key-source"),
        headers["x-request-id"],
        seconds,
        error,
        {} if error else _said(document["choices"][0]["message"]),
    )


def _said(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """The message as a client sends it back."""
    return {"role": "assistant", "content": "", **{name: value for name, value in message.items() if value is not None}}


def _why_not(turns: Sequence[Turn], admin: AdminClient) -> str:
    """Why the conversation does not stick, with the remedy; empty if it does."""
    first, last = turns[0], turns[-1]
    if last.error:
        remedy = f" Give the router's client key with --key or in {KEY_VARIABLE}." if last.status == 401 else ""
        return f"turn {last.number} was refused with {last.status}: {last.error}{remedy}"
    for turn in turns:
        if turn.sticky == Stickiness.DISABLED:
            return _why_disabled(turn, admin)
    for turn in turns[1:]:
        if turn.sticky == Stickiness.MISS:
            return (
                f"turn {turn.number} was not recognised as the same conversation (by {turn.source}). Its session was"
                " dropped (sticky.idle_ttl, sticky.max_sessions) or its target failed; send a session id (--session)"
                " to rule out changed words."
            )
        if turn.sticky == Stickiness.REPIN or turn.target != first.target:
            reason = _why_moved(turn, first.target, admin)
            return f"turn {turn.number} went to {turn.target}, not to {first.target}: {reason}."
    return ""


def _why_disabled(turn: Turn, admin: AdminClient) -> str:
    try:
        is_off = admin.get("/internal/stats/sticky").get("enabled") is False
    except AdminApiError:
        is_off = False
    if is_off:
        return "sessions are off; set sticky.enabled: true."
    if turn.source:
        return "the mode of this model is not in sticky.modes; add it there."
    return (
        "nothing in the request identifies it; add prefix_hash to sticky.key_sources, or send a session id (--session)."
    )


def _why_moved(turn: Turn, target: str, admin: AdminClient) -> str:
    """From the audit of the request; without it, where to look."""
    try:
        record = admin.get(f"/internal/exchanges/{quote(turn.request_id, safe='')}")
    except AdminApiError:
        return f"see /internal/exchanges/{turn.request_id}"
    for each in record["attempts"]:
        if f"{each['provider']}/{each['model']}" == target and each["failure"]:
            return f"it failed there ({each['error'] or each['status']} {each['message']}".rstrip() + ")"
    for each in record["excluded"]:
        if f"{each['provider']}/{each['model']}" == target:
            return f"it was excluded ({each['reason']}{f': {each["detail"]}' if each['detail'] else ''})"
    why = next((each["why"] for each in record["attempts"] if each["why"]), "")
    return f"chosen for {why}" if why else f"see /internal/exchanges/{turn.request_id}"
