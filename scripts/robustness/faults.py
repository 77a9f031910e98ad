"""What each provider does with each request: drawn from these tables by the seed and the number of the request.

Clients and providers draw the same, so a client knows what each provider does with its request, and which bytes it
sends.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from pointsman.demo import Behaviour, behaviours
from robustness.requests import ChatRequest

FAULTY = ("p1", "p2", "p3", "p4")
"""Providers that draw from all tables."""
STEADY = "steady"
"""The provider that always answers correctly, though not always in the simplest form."""


class Kind(Enum):
    """The result of an attempt with a behaviour."""

    GOOD = "good"
    """A complete answer."""
    BREAKS = "breaks"
    """The client gets content, then the router has to end the answer with an error."""
    ERRS = "errs"
    """The client gets content, then an error of the provider."""
    ENDLESS = "endless"
    """The answer goes on until the client leaves."""
    FAILS = "fails"
    """The client gets nothing of it."""
    EITHER = "either"
    """Whether the client gets content depends on the dialect or on the other attempts."""
    REFUSES = "refuses"
    """An error of the client: the provider's error is the answer."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`make` gets the text of the answer."""

    weight: int
    streamed: Kind
    whole: Kind
    make: Callable[[str], Behaviour]


def _good(make: Callable[[str], Behaviour], weight: int = 3) -> Fault:
    return Fault(weight, Kind.GOOD, Kind.GOOD, make)


def _fails(make: Callable[[], Behaviour], weight: int = 3) -> Fault:
    return Fault(weight, Kind.FAILS, Kind.FAILS, lambda _: make())


def _breaks(make: Callable[[str], Behaviour], weight: int = 3) -> Fault:
    return Fault(weight, Kind.BREAKS, Kind.FAILS, make)


WELL: Mapping[str, Fault] = {
    "plain": _good(behaviours.answer, 12),
    "paced": Fault(3, Kind.GOOD, Kind.EITHER, lambda text: behaviours.answer(text, pace=0.002)),
    "in small pieces": _good(lambda text: behaviours.drip(behaviours.answer(text), 7)),
    "pause": _good(lambda text: behaviours.pause(text, 2, 0.7)),
    "pause in an event": _good(lambda text: behaviours.pause(text, 3, 0.7, in_event=True)),
    "late": _good(lambda text: behaviours.delayed(behaviours.answer(text), 0.5)),
    "late content": _good(lambda text: behaviours.answer(text, first_delay=0.8)),
    "slow head": _good(lambda text: behaviours.slow_headers(text)),
    "early hints": _good(lambda text: behaviours.early_hints(text)),
    "comments": _good(behaviours.comments),
    "pings": _good(lambda text: behaviours.pings(0.3, 0.1, text, 2)),
    "crlf": _good(lambda text: behaviours.line_ends("crlf", text=text)),
    "cr": _good(lambda text: behaviours.line_ends("cr", text=text)),
    "many lines": _good(behaviours.multiline),
    "compressed": _good(lambda text: behaviours.compressed(behaviours.answer(text))),
    "trailers": _good(lambda text: behaviours.with_trailers(behaviours.answer(text))),
    "hop by hop": _good(behaviours.hop_by_hop),
    "until close": _good(lambda text: behaviours.until_close(behaviours.answer(text))),
    "closing": _good(lambda text: behaviours.closing(behaviours.answer(text))),
    "closing unsaid": _good(lambda text: behaviours.closing(behaviours.answer(text), announced=False)),
    "flood after the end": _good(lambda text: behaviours.flood(text, 300_000)),
    "one large event": _good(lambda _: behaviours.big_event(300_000)),
}

BREAKING: Mapping[str, Fault] = {
    "cut": _breaks(behaviours.cut),
    "cut in an event": _breaks(lambda text: behaviours.cut(text, 3, in_event=True)),
    "reset within": _breaks(behaviours.reset_within),
    "reset in an event": _breaks(lambda text: behaviours.reset_within(text, 3, in_event=True)),
    "truncated": _breaks(behaviours.truncated),
    "truncated in an event": _breaks(lambda text: behaviours.truncated(text, 1, in_event=True)),
    "bad chunk": _breaks(behaviours.bad_chunk),
    "stall": _breaks(behaviours.stall, 1),
    "stall in an event": _breaks(lambda text: behaviours.stall(text, 2, in_event=True), 1),
    "error within": Fault(3, Kind.ERRS, Kind.FAILS, behaviours.error_within),
    "error and end": Fault(3, Kind.ERRS, Kind.FAILS, lambda text: behaviours.error_within(text, 3, done=True)),
    "endless": Fault(1, Kind.ENDLESS, Kind.FAILS, lambda _: behaviours.endless(0.0005)),
    "too short a length": Fault(2, Kind.EITHER, Kind.FAILS, lambda text: behaviours.wrong_length(text, -10)),
    "too long a length": Fault(2, Kind.EITHER, Kind.FAILS, lambda text: behaviours.wrong_length(text, 10)),
}

FAILING: Mapping[str, Fault] = {
    **{str(code): _fails(lambda code=code: behaviours.status(code), 2) for code in (401, 408, 500, 502, 503, 504, 529)},
    "429": _fails(lambda: behaviours.rate_limited(None), 1),
    "429 with a time": _fails(lambda: behaviours.rate_limited(1.0), 1),
    "wrapped": _fails(behaviours.wrapped),
    "wrapped as json": _fails(behaviours.wrapped_json),
    "html": _fails(behaviours.html),
    "garbage": _fails(behaviours.garbage),
    "redirect": _fails(behaviours.redirect),
    "no content": _fails(behaviours.no_content),
    "empty": Fault(2, Kind.EITHER, Kind.EITHER, lambda _: behaviours.empty("stop")),
    "nothing": _fails(lambda: behaviours.empty("nothing")),
    "reset": _fails(behaviours.reset),
    "reset after the head": _fails(lambda: behaviours.reset("headers")),
    "hang up": _fails(behaviours.hang_up),
    "cut before content": _fails(lambda: behaviours.cut(after_tokens=0)),
    "truncated before content": _fails(lambda: behaviours.truncated(after_tokens=0)),
    "no HTTP": _fails(behaviours.no_http),
    "long head": _fails(lambda: behaviours.long_head(200_000)),
    "unread": _fails(lambda: behaviours.unread(behaviours.status(503))),
    "huge event": Fault(1, Kind.EITHER, Kind.EITHER, lambda _: behaviours.big_event(3_000_000)),
    "huge error": _fails(lambda: behaviours.huge_error(500, 2_000_000), 1),
    "silent": _fails(behaviours.hang, 1),
    "silent after the head": _fails(lambda: behaviours.hang("after-headers"), 1),
    "a byte at a time": _fails(lambda: behaviours.drip(behaviours.answer(), 1, 0.05), 1),
    "endless line": _fails(lambda: behaviours.endless_line(0.01), 1),
}

REFUSING: Mapping[str, Fault] = {
    str(code): Fault(2, Kind.REFUSES, Kind.REFUSES, lambda _, code=code: behaviours.status(code)) for code in (400, 422)
}

SAFE_MENU = {**WELL, **BREAKING, **FAILING}
FAULTS = {**SAFE_MENU, **REFUSING}


@dataclass(frozen=True, slots=True)
class Assignment:
    """What one provider does with one request."""

    provider: str
    name: str
    kind: Kind
    behaviour: Behaviour


def assignment(request: ChatRequest, provider: str) -> Assignment:
    chance = random.Random(f"{request.seed}/{request.n}/{provider}")
    table = WELL if provider == STEADY else SAFE_MENU if request.is_safe else FAULTS
    name = chance.choices(list(table), [fault.weight for fault in table.values()])[0]
    fault = table[name]
    text = "".join(_word(f"{provider}-{request.id}-{k}", chance) for k in range(request.words))
    return Assignment(provider, name, fault.streamed if request.stream else fault.whole, fault.make(text))


def _word(name: str, chance: random.Random) -> str:
    """Every word of every answer is unique, so a lost, doubled or misplaced one is noticed."""
    return f"{name}:{chance.randbytes(chance.randrange(12)).hex()} "
