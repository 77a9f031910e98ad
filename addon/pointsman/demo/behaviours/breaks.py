"""What goes wrong within an answer: it pauses, stalls, is cut, reset, truncated, or turns into an error.

`after_tokens` is how many tokens are out when it happens; 0 is after the head (and a stream's first event), before any
content. `in_event` means in the middle of the next event's bytes. An answer that is not streamed breaks at the same
share of its body.
"""

from __future__ import annotations

from dataclasses import replace

from pointsman.demo.behaviours.errors import Shape, demo_error, dumps, shaped
from pointsman.demo.behaviours.streaming import TEXT, Delivery, Interruption, answering, composed, in_streams, plain
from pointsman.demo.responder import Responder
from pointsman.demo.script import Action, Behaviour
from pointsman.wire.dialects.demo_base import DemoEvent, EventRole


def pause(text: str = TEXT, after_tokens: int = 2, seconds: float = 1.0, in_event: bool = False) -> Behaviour:
    """Stops for that long, then goes on to a good end."""
    return _broken("pause", text, after_tokens, lambda responder: responder.sleep(seconds), in_event)


def stall(text: str = TEXT, after_tokens: int = 2, in_event: bool = False) -> Behaviour:
    """Stops for good, with the connection left open."""
    return _broken("stall", text, after_tokens, Responder.hang, in_event)


def cut(text: str = TEXT, after_tokens: int = 2, in_event: bool = False) -> Behaviour:
    """The body ends in order as far as HTTP can tell, with neither finish reason nor end marker.

    A body that is not streamed has a length, so there it is a connection closed early.
    """

    return _broken("cut", text, after_tokens, in_streams(Responder.end_early, Responder.hang_up), in_event)


def reset_within(text: str = TEXT, after_tokens: int = 2, in_event: bool = False) -> Behaviour:
    """A TCP reset."""
    return _broken("reset_within", text, after_tokens, Responder.reset, in_event)


def truncated(text: str = TEXT, after_tokens: int = 2, in_event: bool = False) -> Behaviour:
    """The connection closes without the last chunk, or before the promised length."""
    return _broken("truncated", text, after_tokens, Responder.hang_up, in_event)


def bad_chunk(text: str = TEXT, after_tokens: int = 2) -> Behaviour:
    """A chunk of a stream whose size is no number. A body that is not streamed is truncated there."""

    async def action(responder: Responder) -> None:
        await responder.write(b"zz\r\n")
        await responder.hang_up()

    return _broken("bad_chunk", text, after_tokens, in_streams(action, Responder.hang_up))


def wrong_length(text: str = TEXT, off: int = 10) -> Behaviour:
    """A `Content-Length` that is `off` bytes too long, or too short if negative; then the connection closes."""

    async def play(responder: Responder) -> None:
        body = composed(responder, plain(text))
        await responder.head(200, [responder.kind], length=max(0, len(body) + off))
        await responder.chunk(body)
        await responder.hang_up()

    return Behaviour(f"wrong_length:off={off}", play)


def error_within(
    text: str = TEXT,
    after_tokens: int = 2,
    code: int = 503,
    shape: Shape | None = None,
    done: bool = False,
    message: str | None = None,
) -> Behaviour:
    """A stream turns into an error event, in the dialect's form or in a `shape`; with `done` the end marker follows.
    `message` replaces the usual one of that status.

    A body that is not streamed is truncated there.
    """

    async def action(responder: Responder) -> None:
        usual = demo_error(code)
        error = replace(usual, message=message or usual.message)
        foreign = DemoEvent(EventRole.ERROR, dumps(shaped(shape, error.message, code))) if shape else None
        await responder.chunk(responder.encode(foreign or responder.dialect.error_event(error, responder.request)))
        ends = responder.dialect.events(plain(""), responder.request) if done else []
        await responder.chunk(b"".join(responder.encode(event) for event in ends if event.role is EventRole.END))
        await responder.end_early()

    return _broken("error_within", text, after_tokens, in_streams(action, Responder.hang_up))


def garbled(text: str = TEXT, after_tokens: int = 2, times: int = 1) -> Behaviour:
    """A stream with that many events that cannot be parsed, then on to a good end."""
    noise = b'data: {"choices":[{"delta"\n\n' * times
    return _broken("garbled", text, after_tokens, in_streams(lambda responder: responder.chunk(noise)))


def _broken(name: str, text: str, after_tokens: int, action: Action, in_event: bool = False) -> Behaviour:
    delivery = Delivery(interruptions=(Interruption(after_tokens, action, in_event),))
    return answering(f"{name}:after_tokens={after_tokens}", plain(text), delivery)
