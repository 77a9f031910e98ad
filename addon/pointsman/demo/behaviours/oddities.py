"""Good answers in an odd form, all of them complete: a router should pass every one of them on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Literal, assert_never

from pointsman.demo.behaviours.streaming import TEXT, Delivery, Interruption, answering, in_streams, plain
from pointsman.demo.behaviours.wrappers import with_headers
from pointsman.demo.responder import Responder
from pointsman.demo.script import Behaviour
from pointsman.wire.dialects.demo_base import DemoEvent, EventRole, ReportsUsage

type Place = Literal["first", "finish", "every", "after-done"]

COMMENT = DemoEvent(EventRole.COMMENT, "ping")
HOP_BY_HOP = (
    ("Connection", "keep-alive, X-Demo-Hop"),
    ("Keep-Alive", "timeout=5, max=1000"),
    ("Proxy-Connection", "keep-alive"),
    ("X-Demo-Hop", "1"),
    ("Upgrade", "h2c"),
    ("TE", "trailers"),
)


def pings(seconds: float = 1.0, every: float = 0.1, text: str = TEXT, after_tokens: int = 0) -> Behaviour:
    """A stream that says its dialect's ping every so often for that many seconds, and then goes on."""

    async def action(responder: Responder) -> None:
        for _ in range(max(1, round(seconds / every))):
            await responder.chunk(responder.encode(responder.dialect.ping()))
            await responder.sleep(every)

    return answering("pings", plain(text), Delivery(interruptions=(Interruption(after_tokens, in_streams(action)),)))


def comments(text: str = TEXT) -> Behaviour:
    """A stream with a comment before every event."""
    return _arranged("comments", text, lambda events: [each for event in events for each in (COMMENT, event)])


def multiline(text: str = TEXT) -> Behaviour:
    """Events whose JSON is spread over several `data:` lines."""

    def spread(event: DemoEvent) -> DemoEvent:
        return (
            event if event.role is EventRole.END else replace(event, data=json.dumps(json.loads(event.data), indent=1))
        )

    return _arranged("multiline", text, lambda events: [spread(event) for event in events])


def line_ends(style: Literal["lf", "crlf", "cr"] = "crlf", space: bool = True, text: str = TEXT) -> Behaviour:
    """Events whose lines end in CRLF or a bare CR, and with no `space` after `data:` if so wished."""
    newline = {"lf": "\n", "crlf": "\r\n", "cr": "\r"}[style]
    return answering(f"line_ends:{style}", plain(text), Delivery(newline=newline, space=space))


def finish_twice(text: str = TEXT) -> Behaviour:
    """The finish reason comes in two events."""

    def arrange(events: list[DemoEvent]) -> list[DemoEvent]:
        return [each for event in events for each in [event] * (2 if event.role is EventRole.FINISH else 1)]

    return _arranged("finish_twice", text, arrange)


def usage_at(where: Place = "first", text: str = TEXT) -> Behaviour:
    """Usage that the request did not ask for: first, in the finish event, in every event, or after the end marker."""
    said = replace(plain(text), usage=ReportsUsage.ALWAYS)
    return answering(f"usage_at:{where}", said, Delivery(arrange=lambda events: _move_usage(events, where)))


def hop_by_hop(text: str = TEXT) -> Behaviour:
    """A head with the headers that HTTP/2 forbids, and others that concern one connection only."""
    return Behaviour("hop_by_hop", with_headers(answering("", plain(text)), HOP_BY_HOP).play)


def _arranged(name: str, text: str, arrange: Callable[[list[DemoEvent]], list[DemoEvent]]) -> Behaviour:
    return answering(name, plain(text), Delivery(arrange=arrange))


def _move_usage(events: list[DemoEvent], where: Place) -> list[DemoEvent]:
    usage = next((event for event in events if event.role is EventRole.USAGE), None)
    if usage is None:
        return events  # its dialect has no event for usage alone
    others = [event for event in events if event is not usage]
    match where:
        case "first":
            return [others[0], usage, *others[1:]]
        case "after-done":
            return [*others, usage]
        case "finish":
            return [_with_usage(event, usage) if event.role is EventRole.FINISH else event for event in others]
        case "every":
            return [event if event.role is EventRole.END else _with_usage(event, usage) for event in others]
        case _:
            assert_never(where)


def _with_usage(event: DemoEvent, usage: DemoEvent) -> DemoEvent:
    merged = {**json.loads(event.data), "usage": json.loads(usage.data)["usage"]}
    return replace(event, data=json.dumps(merged, separators=(",", ":")))
