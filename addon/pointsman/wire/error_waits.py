"""When to come back, as the body of an error says it: in fields made for it, in headers quoted there, in its message.

A body is read before the clock of its provider is known. So a wait is found as seconds, and a moment as the text of it,
for `moment` to resolve. An error within an error counts too, also where it is JSON in a string.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

from pointsman.wire import jsontext
from pointsman.wire.limit_windows import decisive, limit_windows
from pointsman.wire.time_text import EPOCH, duration, moment, stated_moment, stated_wait

MAX_DEPTH = 6
MAX_VALUES, MAX_MEMBERS = 256, 64
"""What is looked at of one body, and of one object or list in it."""
MAX_SENTENCES = 8
MAX_NESTED_JSON = 1 << 16


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


SECONDS = _words(
    """retryafter retryafterseconds retryaftersec retryaftersecs retrydelay retrydelayseconds retryin retryinseconds
    resetsin resetin resetsinseconds resetinseconds resetsafter resetafter resetsafterseconds resetafterseconds
    quotaresetdelay waitseconds waittime waittimeseconds estimatedtime secondsuntilreset timeuntilreset
    cooldownseconds"""
)
MILLISECONDS = _words(
    """retryafterms retryaftermilliseconds retryaftermillis retrydelayms retryinms resetsinms resetinms resetafterms
    waitms waittimems"""
)
MOMENTS = _words(
    """resetsat resetat resettime resettimestamp quotaresettimestamp quotaresettime ratelimitresetat retryat nextretryat
    availableat nextavailableat"""
)
WAIT_MEMBERS = SECONDS | MILLISECONDS | MOMENTS
"""Members that say when to come back, in one spelling."""
SENTENCES = frozenset({"message", "msg", "detail", "details", "errordescription", "title", "description", "raw"})


class StatedWait(NamedTuple):
    """`seconds` from now, or else `moments`, the last of which counts; neither, where nothing is stated."""

    seconds: float | None = None
    moments: tuple[str, ...] = ()


def is_wait_member(name: str) -> bool:
    """A member of this name says when to come back."""
    return _squeeze(name) in WAIT_MEMBERS


def wait_in_error(error: Mapping[str, Any]) -> StatedWait:
    """What an error object says: the first field of seconds, else of a moment, else quoted headers, else words."""
    members = list(_members(error, MAX_DEPTH, [MAX_VALUES]))
    by_name = [(_squeeze(name), value) for owner in members for name, value in owner.items()]
    waits = [wait for name, value in by_name if (wait := _wait(name, value)) is not None]
    if waits:
        return waits[0]
    windows = (decisive(limit_windows(_texts(owner))) for owner in members)
    if resets := next((found for each in windows if (found := [window.reset for window in each])), None):
        return StatedWait(moments=tuple(resets))
    sentences = (value for name, value in by_name if name in SENTENCES and isinstance(value, str))
    return next(
        (wait for each in islice(sentences, MAX_SENTENCES) if (wait := wait_in_text(each)) != StatedWait()),
        StatedWait(),
    )


def wait_in_text(sentence: str) -> StatedWait:
    """The wait or the moments that a sentence states."""
    if (seconds := stated_wait(sentence)) is not None:
        return StatedWait(seconds)
    text = stated_moment(sentence)
    return StatedWait(moments=(text,)) if text else StatedWait()


def _wait(name: str, value: object) -> StatedWait | None:
    """What one member says; None for one of another name or without a meaning."""
    if name not in WAIT_MEMBERS:
        return None
    if isinstance(value, Mapping):
        value = value.get("seconds")  # a duration of protobuf, not in its JSON form
    text = str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    seconds = duration(text)
    if seconds is None or seconds >= EPOCH:
        return StatedWait(moments=(text,)) if text and moment(text, 0.0) is not None else None
    return StatedWait(seconds / 1000 if name in MILLISECONDS and _is_number(text) else seconds)


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[\d.\s]+", text) is not None


def _members(value: object, depth: int, left: list[int]) -> Iterator[Mapping[str, Any]]:
    """Every object in a value, the outer ones first; `left` is how many values may still be looked at."""
    left[0] -= 1
    if depth < 0 or left[0] < 0:
        return
    if isinstance(value, str):
        if value[:1] in ("{", "[") and len(value) <= MAX_NESTED_JSON:
            yield from _members(jsontext.parsed(value.encode("utf-8", "replace")), depth - 1, left)
        return
    if isinstance(value, Mapping):
        members = dict(islice(value.items(), MAX_MEMBERS))
        yield members
        value = list(members.values())
    for each in islice(value, MAX_MEMBERS) if isinstance(value, list) else ():
        yield from _members(each, depth - 1, left)


def _texts(owner: Mapping[str, Any]) -> dict[str, str]:
    """The members of an object as headers."""
    return {name.lower(): str(value) for name, value in owner.items() if isinstance(value, str | int | float)}


def _squeeze(name: str) -> str:
    """One spelling for `retry_after`, `Retry-After` and `retryAfter`, with a customary `X-` taken off."""
    return re.sub(r"[^a-z0-9]", "", name[:64].lower().removeprefix("x-"))
