"""How an answer is sent: whole or streamed as the request asks, at a pace, with interruptions at chosen tokens."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pointsman.demo.responder import JSON, Responder
from pointsman.demo.script import Action, Behaviour
from pointsman.wire.dialects.demo_base import DemoAnswer, DemoEvent, EventRole

TEXT = "one two three four five six seven eight"
"""The default text of an answer."""

type Compose = Callable[[Responder], DemoAnswer]


@dataclass(frozen=True, slots=True)
class Interruption:
    """Something done once that many tokens are out: before the next event, or in the middle of that event's bytes."""

    after: int
    action: Action
    in_event: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """Times are in seconds. A body that is not streamed is written in one piece, interrupted at the same share."""

    first_delay: float = 0.0
    """Before the first token; a body that is not streamed comes all of that time later."""
    pace: float = 0.0
    """Between tokens."""
    interruptions: tuple[Interruption, ...] = ()
    arrange: Callable[[list[DemoEvent]], list[DemoEvent]] = list
    """Reorders, adds or drops the events of a stream."""
    newline: str = "\n"
    space: bool = True
    streamed: bool | None = None
    """None: as the request asks."""


PLAIN = Delivery()


def answering(name: str, answer: DemoAnswer | Compose, delivery: Delivery = PLAIN) -> Behaviour:
    """The behaviour that gives this answer, or one made for the request, in this way."""

    async def play(responder: Responder) -> None:
        await send_answer(responder, answer if isinstance(answer, DemoAnswer) else answer(responder), delivery)

    return Behaviour(name, play)


async def send_answer(responder: Responder, answer: DemoAnswer, delivery: Delivery = PLAIN) -> None:
    is_streamed = responder.request.wants_stream if delivery.streamed is None else delivery.streamed
    await (_send_stream if is_streamed else _send_whole)(responder, answer, delivery)


def words(text: str) -> tuple[str, ...]:
    """A text as the tokens it is streamed in: its words, each with the space before it."""
    return tuple(re.findall(r"\s*\S+|\s+$", text))


def plain(text: str = TEXT, tokens: Sequence[str] | None = None) -> DemoAnswer:
    """An answer of that text, which ends well."""
    return DemoAnswer(tokens=words(text) if tokens is None else tuple(tokens))


def composed(responder: Responder, answer: DemoAnswer) -> bytes:
    """The whole body of an answer, streamed or not as the request asks."""
    if not responder.request.wants_stream:
        return responder.dialect.whole(answer, responder.request)
    return b"".join(map(responder.encode, responder.dialect.events(answer, responder.request)))


def in_streams(action: Action, otherwise: Action | None = None) -> Action:
    """An action that writes events, kept out of bodies that are not streamed: there `otherwise` is done, or nothing."""

    async def act_in_stream(responder: Responder) -> None:
        chosen = action if responder.request.wants_stream else otherwise
        if chosen is not None:
            await chosen(responder)

    return act_in_stream


async def _send_stream(responder: Responder, answer: DemoAnswer, delivery: Delivery) -> None:
    await responder.head(200, [responder.stream_kind, ("Cache-Control", "no-cache")])
    interruptions, out = list(delivery.interruptions), 0
    for event in delivery.arrange(responder.dialect.events(answer, responder.request)):
        if event.role is EventRole.CONTENT:
            await responder.sleep(delivery.pace if out else delivery.first_delay)
        due = (
            []
            if event.role is EventRole.OPENING
            else [interruption for interruption in interruptions if interruption.after <= out]
        )
        interruptions = [interruption for interruption in interruptions if interruption not in due]
        await _write_event(responder, responder.encode(event, delivery.newline, delivery.space), due)
        out += event.role is EventRole.CONTENT
    await _interrupt(responder, interruptions)
    await responder.end()


async def _write_event(responder: Responder, raw: bytes, due: Iterable[Interruption]) -> None:
    due = list(due)
    await _interrupt(responder, (interruption for interruption in due if not interruption.in_event))
    within = [interruption for interruption in due if interruption.in_event]
    half = len(raw) // 2 if within else 0
    await responder.chunk(raw[:half])
    await _interrupt(responder, within)
    await responder.chunk(raw[half:])


async def _send_whole(responder: Responder, answer: DemoAnswer, delivery: Delivery) -> None:
    body = responder.dialect.whole(answer, responder.request)
    await responder.sleep(delivery.first_delay + delivery.pace * len(answer.tokens))
    await responder.head(200, [JSON], length=len(body))
    written = 0
    for interruption in sorted(delivery.interruptions, key=lambda interruption: interruption.after):
        share = min(1.0, interruption.after / max(1, len(answer.tokens)))
        upto = max(written, int(share * (len(body) - 1)))
        await responder.chunk(body[written:upto])
        await interruption.action(responder)
        written = upto
    await responder.chunk(body[written:])
    await responder.end()


async def _interrupt(responder: Responder, interruptions: Iterable[Interruption]) -> None:
    for interruption in interruptions:
        await interruption.action(responder)
