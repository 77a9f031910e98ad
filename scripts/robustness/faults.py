"""What each provider does with each request: drawn from these tables by the seed and the number of the request.

Clients and providers draw the same, so a client knows what each provider does with its request, and which bytes it
sends. Some faults are those of one key: with another one, the provider answers well.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from pointsman.demo import Behaviour, Responder, behaviours
from robustness.bills import Bill, bill, billed
from robustness.requests import ChatRequest

FAULTY = ("p1", "p2", "p3", "p4")
"""Providers that draw from all tables."""
STEADY = "steady"
"""The provider that always answers correctly, though not always in the simplest form."""
GUARDED = "p4"
"""The provider whose bans hold."""
KEYS: Mapping[str, tuple[int | None, ...]] = {**dict.fromkeys((*FAULTY, STEADY), (None,)), "p1": (0, 1), "p2": (0, 1)}
"""The keys of each provider; None: it needs none."""
RESERVE_KEY = 1
"""The only key that meets faults which last until the bill is paid."""


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
    DECLINES = "declines"
    """Another provider may take the request; where each one declines, the answer is the error of one of them."""
    REFUSES = "refuses"
    """An error of the client: the provider's error is the answer."""


class Scope(Enum):
    """What a fault may keep from being used, even when nothing else is left."""

    REQUEST = auto()
    """Nothing."""
    MODEL_OF_KEY = auto()
    KEY = auto()


LASTING = 3600.0
"""Seconds: until the bill is paid."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`make` gets the text of the answer. The scope may be left alone for `holds` seconds, and twice as long each time
    that the fault comes again if it `doubles`. `of_one_key`: other keys do not meet it.
    """

    weight: int
    streamed: Kind
    whole: Kind
    make: Callable[[str], Behaviour]
    scope: Scope = Scope.REQUEST
    holds: float = 0.0
    doubles: bool = False
    of_one_key: bool = False

    @property
    def lasts(self) -> bool:
        return self.holds == LASTING


def _good(make: Callable[[str], Behaviour], weight: int = 3) -> Fault:
    return Fault(weight, Kind.GOOD, Kind.GOOD, make)


def _fails(make: Callable[[], Behaviour], weight: int = 3) -> Fault:
    return Fault(weight, Kind.FAILS, Kind.FAILS, lambda _: make())


def _limits(make: Callable[[], Behaviour], holds: float, scope: Scope = Scope.MODEL_OF_KEY, weight: int = 1) -> Fault:
    return Fault(weight, Kind.FAILS, Kind.FAILS, lambda _: make(), scope, holds)


def _of_one_key(
    code: int, message: str, scope: Scope, holds: float, word: str | None = None, doubles: bool = False
) -> Fault:
    """An error of that status, type or code, and message, for one key."""
    body = {"error": {"message": message, "type": word or "invalid_request_error", "code": word}}
    return Fault(
        2, Kind.FAILS, Kind.FAILS, lambda _: behaviours.status(code, body), scope, holds, doubles, of_one_key=True
    )


def _declines(make: Callable[[], Behaviour]) -> Fault:
    return Fault(2, Kind.DECLINES, Kind.DECLINES, lambda _: make())


def _decommissioned() -> Behaviour:
    """The provider no longer has the model."""

    async def play(responder: Responder) -> None:
        model = ChatRequest.of_received(responder.request).model
        message = f"The model `{model}` has been decommissioned and is no longer supported."
        await behaviours.status(404, {"error": {"message": message, "type": "not_found_error"}}).play(responder)

    return Behaviour("decommissioned", play)


def _breaks(make: Callable[[str], Behaviour], weight: int = 3) -> Fault:
    return Fault(weight, Kind.BREAKS, Kind.FAILS, make)


LIMITED = INVALID = 0.1
"""Seconds that the router is configured to leave alone what is limited, without a stated time, or invalid."""

DRIP = 0.25
"""Seconds for each byte of an answer that is too slow for a patient router too, and never silent for long."""

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
    "truncation within": Fault(
        3, Kind.ERRS, Kind.FAILS, lambda text: behaviours.error_within(text, 2, message="The response was truncated.")
    ),
    "endless": Fault(1, Kind.ENDLESS, Kind.FAILS, lambda _: behaviours.endless(0.0005)),
    "too short a length": Fault(2, Kind.EITHER, Kind.FAILS, lambda text: behaviours.wrong_length(text, -10)),
    "too long a length": Fault(2, Kind.EITHER, Kind.FAILS, lambda text: behaviours.wrong_length(text, 10)),
}

FAILING: Mapping[str, Fault] = {
    **{str(code): _fails(lambda code=code: behaviours.status(code), 2) for code in (408, 500, 502, 503, 504, 529)},
    "401": _limits(lambda: behaviours.status(401), INVALID, Scope.KEY, 2),
    "429": _limits(lambda: behaviours.rate_limited(None), 2.0),
    "429 with a time": _limits(lambda: behaviours.rate_limited(1.0), 2.0),
    "gone": _fails(_decommissioned, 2),
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
    "a byte at a time": _fails(lambda: behaviours.drip(behaviours.answer(), 1, DRIP), 1),
    "endless line": _fails(lambda: behaviours.endless_line(0.01), 1),
}

REFUSING: Mapping[str, Fault] = {
    str(code): Fault(2, Kind.REFUSES, Kind.REFUSES, lambda _, code=code: behaviours.status(code)) for code in (400, 422)
}

OF_ONE_KEY: Mapping[str, Fault] = {
    "429 of a model": _of_one_key(
        429, "Rate limit reached for this model.", Scope.MODEL_OF_KEY, LIMITED, "rate_limit_exceeded", doubles=True
    ),
    "concurrency": _of_one_key(429, "Too many concurrent requests.", Scope.MODEL_OF_KEY, 2.0, "rate_limit_error"),
    "401 of a key": _of_one_key(401, "Incorrect API key provided.", Scope.KEY, INVALID, "invalid_api_key"),
    "no access": _of_one_key(
        403, "Your API key does not have access to this model.", Scope.MODEL_OF_KEY, LASTING, "permission_error"
    ),
    "no such model": _of_one_key(
        404,
        "The model does not exist or you do not have access to it.",
        Scope.MODEL_OF_KEY,
        LASTING,
        "model_not_found",
    ),
    "no credit": _of_one_key(400, "Your credit balance is too low to access the API.", Scope.KEY, LASTING),
    "quota": _of_one_key(429, "You exceeded your current quota.", Scope.KEY, LASTING, "insufficient_quota"),
}

DECLINING: Mapping[str, Fault] = {
    "404 page": _declines(lambda: behaviours.html(404)),
    "413 page": _declines(lambda: behaviours.html(413)),
}

OTHER_TEXTS = frozenset({"one large event", "huge event", "endless", "a byte at a time"})
"""Faults with a text of their own."""

SAFE_MENU = {**WELL, **BREAKING, **FAILING, **OF_ONE_KEY, **DECLINING}
FAULTS = {**SAFE_MENU, **REFUSING}


@dataclass(frozen=True, slots=True)
class Assignment:
    """What one provider does with one request, and bills for it if that is an answer. `faulty_key` is the one that
    meets the fault; None: every one does.
    """

    provider: str
    name: str
    fault: Fault
    stream: bool
    text: str
    bill: Bill
    faulty_key: int | None = None

    @property
    def kind(self) -> Kind:
        """The best that the provider does, with whichever key."""
        return Kind.GOOD if self.faulty_key is not None else self._kind_of_fault

    @property
    def behaviour(self) -> Behaviour:
        return self.behaviour_for(None)

    def meets_fault(self, key: int | None) -> bool:
        return self.faulty_key is None or key == self.faulty_key

    def kind_for(self, key: int | None) -> Kind:
        return self._kind_of_fault if self.meets_fault(key) else Kind.GOOD

    def behaviour_for(self, key: int | None) -> Behaviour:
        return billed((self.fault if self.meets_fault(key) else WELL["plain"]).make(self.text), self.bill)

    @property
    def _kind_of_fault(self) -> Kind:
        return self.fault.streamed if self.stream else self.fault.whole


def assignment(request: ChatRequest, provider: str) -> Assignment:
    chance = random.Random(f"{request.seed}/{request.n}/{provider}")
    table = _table(request, provider)
    name = chance.choices(list(table), [fault.weight for fault in table.values()])[0]
    fault, keys = table[name], KEYS[provider]
    text = "".join(_word(f"{provider}-{request.id}-{k}", chance) for k in range(request.words))
    faulty = None
    if fault.of_one_key and len(keys) > 1:
        faulty = RESERVE_KEY if fault.lasts else chance.choice(keys)
    return Assignment(provider, name, fault, request.stream, text, bill(request, provider), faulty)


def _table(request: ChatRequest, provider: str) -> Mapping[str, Fault]:
    """What a provider draws from. One with a single key never meets what lasts: nothing else might be left."""
    if request.is_last:
        return {"plain": WELL["plain"]}
    if provider == STEADY:
        return WELL
    table = SAFE_MENU if request.is_safe else FAULTS
    return table if len(KEYS[provider]) > 1 else {name: fault for name, fault in table.items() if not fault.lasts}


def _word(name: str, chance: random.Random) -> str:
    """Every word of every answer is unique, so a lost, doubled or misplaced one is noticed."""
    return f"{name}:{chance.randbytes(chance.randrange(12)).hex()} "
