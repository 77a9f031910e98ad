"""What pages show of all instances that act as one. Each keeps its own history; they are added up when asked.

With `instances=all` a page says whose figures it shows, and which instances did not answer within a second.
"""

import base64
from collections.abc import Callable, Mapping
from heapq import merge
from itertools import islice
from typing import Any, Protocol

import orjson

from pointsman.history.analytics import GroupBy, TimeWindow
from pointsman.history.history import History, RecordedSums
from pointsman.history.requests import TOP, Place, RequestFilter, RequestsPage
from pointsman.prices import Rates
from pointsman.shared.questions import PeerAnswers
from pointsman.wire.errors import Code, Problem

ALL = "all"
MAX_GROUPS = 2_000
"""Groups in the answer of one instance, those with most attempts."""
MAX_WAITS = 40_000
"""Waits in the answer of one instance, in all groups together."""
MAX_ROWS = 200
"""Requests in one page of all instances."""
MALFORMED = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


class Peers(Protocol):
    """The other instances."""

    @property
    def title(self) -> str:
        """What people call this instance."""

    async def ask(self, kind: str, asked: Any) -> PeerAnswers:
        """Within a second."""


class Alone:
    """There are no other instances."""

    title = "this instance"

    async def ask(self, kind: str, asked: Any) -> PeerAnswers:
        return PeerAnswers()


def wants_all(wanted: str) -> bool:
    """What the parameter `instances` asks for. Raises Problem (invalid_request)."""
    if wanted not in ("", "this", ALL):
        raise Problem(Code.INVALID_REQUEST, f"instances must be this or all, got {wanted[:20]!r}.", param="instances")
    return wanted == ALL


# Analytics.


async def analytics_of_all(
    history: History,
    peers: Peers,
    window: TimeWindow,
    by: GroupBy,
    reference: str,
    rates: Rates | None,
    client: str = "",
) -> dict[str, Any]:
    """As `History.analytics`, of all instances. `reference` names the model that `rates` are of."""
    told = await peers.ask("analytics", [window.value, by.value, reference, client])
    own = await history.window_sums(window, by, rates, client)
    read = added(told, lambda said: _merge_sums(own, said))
    return {**own.to_dict(window, by, rates is not None), "instances": read.to_dict(peers.title)}


def _merge_sums(own: RecordedSums, said: Any) -> None:
    own.sums.merge(said["groups"], said["total"])
    own.dropped += int(said["dropped"])
    own.problem = own.problem or said["problem"]


async def sums_for_peer(
    history: History, window: TimeWindow, by: GroupBy, rates: Rates | None, client: str = ""
) -> dict[str, Any]:
    own = await history.window_sums(window, by, rates, client)
    sums = own.sums
    largest = sorted(sums.groups.items(), key=lambda group: -group[1].raw["attempts"])[:MAX_GROUPS]
    waits = max(20, MAX_WAITS // max(1, len(largest)))
    groups = [[list(group), tally.to_state(waits)] for group, tally in largest]
    total = sums.total.to_state(MAX_WAITS)
    return {"groups": groups, "total": total, "dropped": own.dropped, "problem": own.problem}


# Requests.


class Cursor:
    """The places up to which the requests of each instance were shown, and the time of the last one of them."""

    def __init__(self, places: Mapping[str, Place], ended: float) -> None:
        self.places, self.ended = dict(places), ended

    def after(self, instance: str) -> Place:
        """One that joins later goes on from the same time."""
        return self.places.get(instance, Place(self.ended, TOP.id))

    def __str__(self) -> str:
        written = [self.ended, {name: str(place) for name, place in self.places.items()}]
        return base64.urlsafe_b64encode(orjson.dumps(written)).decode()

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Raises Problem (invalid_request)."""
        try:
            ended, places = orjson.loads(base64.urlsafe_b64decode(text))
            return cls({str(name): Place.parse(place) for name, place in places.items()}, float(ended))
        except MALFORMED:
            message = "cursor must be the `next` of an earlier page of all instances."
            raise Problem(Code.INVALID_REQUEST, message, param="cursor") from None


async def requests_of_all(
    history: History, peers: Peers, given: Mapping[str, str], wanted: RequestFilter, limit: int
) -> tuple[RequestsPage, dict[str, Any]]:
    """A page of the requests of all instances, newest first, and whose they are. Each row names its `instance`. Raises
    Problem (invalid_request).
    """
    limit = min(limit, MAX_ROWS)
    cursor = Cursor.parse(given["cursor"]) if given.get("cursor") else Cursor({}, TOP.ended)
    filters = {name: value for name, value in given.items() if name not in ("cursor", "limit", "instances")}
    after = {name: str(place) for name, place in cursor.places.items()}
    told = await peers.ask("requests", [filters, after, _finite(cursor.ended), limit])
    own = await history.requests(wanted, cursor.after(peers.title), limit)
    pages: dict[str, Any] = {peers.title: {"rows": own.rows, "has_more": own.next is not None}}
    read = added(told, lambda said: [row["time"] + row["id"] for row in said["rows"]])
    pages |= read.answers
    rows = [[{**row, "instance": name} for row in page["rows"]] for name, page in sorted(pages.items())]
    newest = list(islice(merge(*rows, key=lambda row: row["time"], reverse=True), limit))
    has_more = any(page["has_more"] for page in pages.values()) or sum(map(len, rows)) > len(newest)
    following = str(_moved(cursor, newest)) if has_more and newest else None
    return RequestsPage(newest, following, own.problem), read.to_dict(peers.title)


def _moved(cursor: Cursor, rows: list[dict[str, Any]]) -> Cursor:
    places = cursor.places | {row["instance"]: Place(row["time"], row["id"]) for row in rows}
    return Cursor(places, rows[-1]["time"])


def _finite(ended: float) -> float | None:
    return None if ended == TOP.ended else ended


async def requests_for_peer(
    history: History, title: str, wanted: RequestFilter, after: Mapping[str, str], ended: float | None, limit: int
) -> dict[str, Any]:
    places = {title: Place.parse(after[title])} if title in after else {}
    start = Cursor(places, TOP.ended if ended is None else ended).after(title)
    page = await history.requests(wanted, start, min(limit, MAX_ROWS))
    return {"rows": page.rows, "has_more": page.next is not None}


# Clients.


def add_clients(clients: list[dict[str, Any]], said: Mapping[str, Mapping[str, Any]]) -> None:
    """What runs at a peer is added to what runs here. What clients have used is known of all instances already."""
    for client in clients:
        if other := said.get(client["name"]):
            client["running"] += int(other["running"])


def added(told: PeerAnswers, add: Callable[[Any], object]) -> PeerAnswers:
    """Adds the answers up; those that cannot be read count as missing."""
    answers, missing = {}, list(told.missing)
    for name, said in told.answers.items():
        try:
            add(said)
            answers[name] = said
        except MALFORMED:
            missing.append(name)
    return PeerAnswers(answers, tuple(missing))
