"""What goes wrong within an answer: it pauses, stalls, is cut, reset, truncated, or turns into an error.

`after_tokens` is how many tokens are out when it happens; 0 is after the head (and a stream's first event), before any
content. `in_event` means in the middle of the next event's bytes. An answer that is not streamed breaks at the same
share of its body.
"""

from __future__ import annotations

from pointsman.demo.menu.errors import Shape, complaint, dumps, shaped
from pointsman.demo.menu.telling import TEXT, Cue, Telling, composed, in_streams, plain, told
from pointsman.demo.script import Act, Behaviour
from pointsman.demo.stage import Stage
from pointsman.demo.voices import Event, Part


def pause(text: str = TEXT, after_tokens: int = 2, seconds: float = 1.0, in_event: bool = False) -> Behaviour:
    """Stops for that long, then goes on to a good end."""
    return _broken("pause", text, after_tokens, lambda stage: stage.sleep(seconds), in_event)


def stall(text: str = TEXT, after_tokens: int = 2, in_event: bool = False) -> Behaviour:
    """Stops for good, with the connection left open."""
    return _broken("stall", text, after_tokens, Stage.hang, in_event)


def cut(text: str = TEXT, after_tokens: int = 2, in_event: bool = False) -> Behaviour:
    """The body ends in order as far as HTTP can tell, with neither finish reason nor end marker.

    A body that is not streamed has a length, so there it is a connection closed early.
    """

    return _broken("cut", text, after_tokens, in_streams(Stage.end_early, Stage.hang_up), in_event)


def reset_within(text: str = TEXT, after_tokens: int = 2, in_event: bool = False) -> Behaviour:
    """A TCP reset."""
    return _broken("reset_within", text, after_tokens, Stage.reset, in_event)


def truncated(text: str = TEXT, after_tokens: int = 2, in_event: bool = False) -> Behaviour:
    """The connection closes without the last chunk, or before the promised length."""
    return _broken("truncated", text, after_tokens, Stage.hang_up, in_event)


def bad_chunk(text: str = TEXT, after_tokens: int = 2) -> Behaviour:
    """A chunk of a stream whose size is no number. A body that is not streamed is truncated there."""

    async def act(stage: Stage) -> None:
        await stage.write(b"zz\r\n")
        await stage.hang_up()

    return _broken("bad_chunk", text, after_tokens, in_streams(act, Stage.hang_up))


def wrong_length(text: str = TEXT, off: int = 10) -> Behaviour:
    """A `Content-Length` that is `off` bytes too long, or too short if negative; then the connection closes."""

    async def play(stage: Stage) -> None:
        body = composed(stage, plain(text))
        await stage.head(200, [stage.kind], length=max(0, len(body) + off))
        await stage.chunk(body)
        await stage.hang_up()

    return Behaviour(f"wrong_length:off={off}", play)


def error_within(
    text: str = TEXT, after_tokens: int = 2, code: int = 503, shape: Shape | None = None, done: bool = False
) -> Behaviour:
    """A stream turns into an error event, in the dialect's form or in a `shape`; with `done` the end marker follows.

    A body that is not streamed is truncated there.
    """

    async def act(stage: Stage) -> None:
        foreign = Event(Part.ERROR, dumps(shaped(shape, complaint(code).message, code))) if shape else None
        await stage.chunk(stage.encode(foreign or stage.voice.error_event(complaint(code), stage.seen)))
        ends = stage.voice.events(plain(""), stage.seen) if done else []
        await stage.chunk(b"".join(stage.encode(event) for event in ends if event.part is Part.END))
        await stage.end_early()

    return _broken("error_within", text, after_tokens, in_streams(act, Stage.hang_up))


def garbled(text: str = TEXT, after_tokens: int = 2, times: int = 1) -> Behaviour:
    """A stream with that many events that cannot be parsed, then on to a good end."""
    noise = b'data: {"choices":[{"delta"\n\n' * times
    return _broken("garbled", text, after_tokens, in_streams(lambda stage: stage.chunk(noise)))


def _broken(name: str, text: str, after_tokens: int, act: Act, in_event: bool = False) -> Behaviour:
    return told(f"{name}:after_tokens={after_tokens}", plain(text), Telling(cues=(Cue(after_tokens, act, in_event),)))
