"""Answers that end well."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pointsman.demo.behaviours.streaming import TEXT, Delivery, Interruption, answering, words
from pointsman.demo.behaviours.wrappers import Gate
from pointsman.demo.responder import Headers, Responder
from pointsman.demo.script import Action, Behaviour
from pointsman.wire.dialects.demo_base import DemoAnswer, ReportsUsage, ToolCall


def answer(
    text: str = TEXT,
    tokens: Sequence[str] | None = None,
    *,
    first_delay: float = 0.0,
    pace: float = 0.0,
    finish: str | None = None,
    usage: bool = True,
    done: bool = True,
    newline: str = "\n",
    space: bool = True,
    model: str | None = None,
    tool_call: tuple[str, Mapping[str, Any]] | None = None,
    tool_calls: Sequence[tuple[str, Mapping[str, Any]]] = (),
    reasoning: str | None = None,
    gate_after: Mapping[int, Gate] | None = None,
) -> Behaviour:
    """Answers with that text, streamed or not as the request asks.

    `tokens` are the pieces it is streamed in, by default the words of `text`; when given they are the text.
    `first_delay` and `pace` are seconds, before the first token and between tokens. `finish` is by default `tool_calls`
    with a tool call, else `stop`; "" leaves it out. With `usage` the answer reports it, in a stream if the request
    asked. `tool_call` is a name and its arguments, `tool_calls` are several. `gate_after` maps a number of tokens to
    the gate that is waited for once so many are out; tokens of reasoning and of a tool call count too.
    """
    calls = (*([tool_call] if tool_call else []), *tool_calls)
    said = DemoAnswer(
        tokens=words(text) if tokens is None else tuple(tokens),
        finish=("tool_calls" if calls else "stop") if finish is None else finish,
        usage=ReportsUsage.ASKED if usage else ReportsUsage.NEVER,
        done=done,
        model=model,
        tool_calls=tuple(ToolCall(name, json.dumps(arguments)) for name, arguments in calls),
        reasoning=words(reasoning or ""),
    )
    interruptions = tuple(Interruption(after, _waits_for(gate)) for after, gate in (gate_after or {}).items())
    delivery = Delivery(first_delay=first_delay, pace=pace, interruptions=interruptions, newline=newline, space=space)
    return answering("answer", said, delivery)


def echo(
    before: str = 'You said: "', after: str = '"', *, limit: int = 200, first_delay: float = 0.0, pace: float = 0.0
) -> Behaviour:
    """Answers with the question, cut to `limit` characters, between `before` and `after`."""

    def compose(responder: Responder) -> DemoAnswer:
        request = responder.request.question
        shown = request if len(request) <= limit else request[:limit].rstrip() + "…"
        return DemoAnswer(words(f"{before}{shown}{after}"))

    return answering("echo", compose, Delivery(first_delay=first_delay, pace=pace))


def counted(tokens: int = 64, *, first_delay: float = 0.0, pace: float = 0.0) -> Behaviour:
    """Answers with that many tokens: `1 2 3 …`."""
    said = DemoAnswer(tuple(f"{n} " for n in range(1, tokens + 1)))
    return answering(f"counted:{tokens}", said, Delivery(first_delay=first_delay, pace=pace))


def exact(
    chunks: Iterable[bytes],
    content_type: str | None = "text/event-stream",
    status: int = 200,
    headers: Headers = (),
    pace: float = 0.0,
) -> Behaviour:
    """Gives a body of exactly these bytes, chunk by chunk, `pace` seconds apart."""
    parts = tuple(chunks)
    fields = [*([("Content-Type", content_type)] if content_type else []), *headers]

    async def play(responder: Responder) -> None:
        await responder.head(status, fields)
        for nth, part in enumerate(parts):
            await responder.sleep(pace if nth else 0)
            await responder.chunk(part)
        await responder.end()

    return Behaviour("exact", play)


def _waits_for(gate: Gate) -> Action:
    async def wait(_: Responder) -> None:
        await gate.wait()

    return wait
