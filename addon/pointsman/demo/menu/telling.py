"""How an answer is told: whole or streamed as the request asks, at a pace, with interruptions at chosen tokens."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pointsman.demo.script import Act, Behaviour
from pointsman.demo.stage import JSON, Stage
from pointsman.demo.voices import Answer, Event, Part

TEXT = "one two three four five six seven eight"
"""What is said when nothing else is given."""

type Compose = Callable[[Stage], Answer]


@dataclass(frozen=True, slots=True)
class Cue:
    """Something done once that many tokens are out: before the next event, or in the middle of that event's bytes."""

    after: int
    act: Act
    in_event: bool = False


@dataclass(frozen=True, slots=True)
class Telling:
    """Times are in seconds. A body that is not streamed is written in one piece, broken at the cues' share of it."""

    first_delay: float = 0.0
    """Before the first token; a body that is not streamed comes all of that time later."""
    pace: float = 0.0
    """Between tokens."""
    cues: tuple[Cue, ...] = ()
    arrange: Callable[[list[Event]], list[Event]] = list
    """Reorders, adds or drops the events of a stream."""
    newline: str = "\n"
    space: bool = True
    streamed: bool | None = None
    """None: as the request asks."""


PLAIN = Telling()


def told(name: str, answer: Answer | Compose, telling: Telling = PLAIN) -> Behaviour:
    """The behaviour that gives this answer, or one made for the request, in this way."""

    async def play(stage: Stage) -> None:
        await tell(stage, answer if isinstance(answer, Answer) else answer(stage), telling)

    return Behaviour(name, play)


async def tell(stage: Stage, answer: Answer, telling: Telling = PLAIN) -> None:
    is_streamed = stage.seen.wants_stream if telling.streamed is None else telling.streamed
    await (_tell_stream if is_streamed else _tell_whole)(stage, answer, telling)


def words(text: str) -> tuple[str, ...]:
    """A text as the tokens it is streamed in: its words, each with the space before it."""
    return tuple(re.findall(r"\s*\S+|\s+$", text))


def plain(text: str = TEXT, tokens: Sequence[str] | None = None) -> Answer:
    """An answer of that text, which ends well."""
    return Answer(tokens=words(text) if tokens is None else tuple(tokens))


def composed(stage: Stage, answer: Answer) -> bytes:
    """The whole body of an answer, streamed or not as the request asks."""
    if not stage.seen.wants_stream:
        return stage.voice.whole(answer, stage.seen)
    return b"".join(map(stage.encode, stage.voice.events(answer, stage.seen)))


def in_streams(act: Act, otherwise: Act | None = None) -> Act:
    """An act that writes events, kept out of bodies that are not streamed: there `otherwise` is done, or nothing."""

    async def act_in_stream(stage: Stage) -> None:
        chosen = act if stage.seen.wants_stream else otherwise
        if chosen is not None:
            await chosen(stage)

    return act_in_stream


async def _tell_stream(stage: Stage, answer: Answer, telling: Telling) -> None:
    await stage.head(200, [stage.stream_kind, ("Cache-Control", "no-cache")])
    cues, out = list(telling.cues), 0
    for event in telling.arrange(stage.voice.events(answer, stage.seen)):
        if event.part is Part.CONTENT:
            await stage.sleep(telling.pace if out else telling.first_delay)
        due = [] if event.part is Part.OPENING else [cue for cue in cues if cue.after <= out]
        cues = [cue for cue in cues if cue not in due]
        await _write_event(stage, stage.encode(event, telling.newline, telling.space), due)
        out += event.part is Part.CONTENT
    await _act(stage, cues)
    await stage.end()


async def _write_event(stage: Stage, raw: bytes, due: Iterable[Cue]) -> None:
    due = list(due)
    await _act(stage, (cue for cue in due if not cue.in_event))
    within = [cue for cue in due if cue.in_event]
    half = len(raw) // 2 if within else 0
    await stage.chunk(raw[:half])
    await _act(stage, within)
    await stage.chunk(raw[half:])


async def _tell_whole(stage: Stage, answer: Answer, telling: Telling) -> None:
    body = stage.voice.whole(answer, stage.seen)
    await stage.sleep(telling.first_delay + telling.pace * len(answer.tokens))
    await stage.head(200, [JSON], length=len(body))
    written = 0
    for cue in sorted(telling.cues, key=lambda cue: cue.after):
        share = min(1.0, cue.after / max(1, len(answer.tokens)))
        upto = max(written, int(share * (len(body) - 1)))
        await stage.chunk(body[written:upto])
        await cue.act(stage)
        written = upto
    await stage.chunk(body[written:])
    await stage.end()


async def _act(stage: Stage, cues: Iterable[Cue]) -> None:
    for cue in cues:
        await cue.act(stage)
