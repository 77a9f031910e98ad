"""A session as it stands at the engine: fields, each with the stamp of its version in front.

    p        where it is pinned, its former home, and the detour
    c        its course: names, turns, failures, what was refused, what is cached
    b:SCOPE  a ban, or that it was lifted

Of two versions of a field the one with the larger stamp counts, wherever they meet, so that all instances end with the
same ones. What clients say, their names and the models that they ask for are not in it.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from pointsman.config.enums import KeySource
from pointsman.sessions.penalties import Ban, FailureStreak, SessionPenalties
from pointsman.sessions.prompt_caches import PromptCaches
from pointsman.sessions.shared_mark import KnownBan, PinState
from pointsman.sessions.store import Pin, Session
from pointsman.shared.part import SharedTime

PINS, COURSE, BAN = "p", "c", "b:"
TIME_DIGITS, TAG_DIGITS = 12, 8
STAMP_BYTES = TIME_DIGITS + TAG_DIGITS
LATEST = (1 << 4 * TIME_DIGITS) - 1
MALFORMED = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What reading another instance's words may raise."""

type Fields = dict[str, bytes]


def stamp(server: float, tag: str, *seen: bytes) -> bytes:
    """The stamp of a version that is made now: newer than those seen, and different from any of another instance. `tag`
    has eight characters.
    """
    after = max((int(each[:TIME_DIGITS], 16) for each in seen if each), default=0) + 1
    return f"{min(max(int(server * 1000), after), LATEST):0{TIME_DIGITS}x}{tag}".encode()


def stamp_of(value: bytes) -> bytes:
    """Raises ValueError."""
    found = value[:STAMP_BYTES]
    int(found, 16)
    if len(found) < STAMP_BYTES:
        raise ValueError("no stamp")
    return found


def encoded(digest: bytes) -> str:
    return urlsafe_b64encode(digest).decode()


def decoded(text: str | bytes) -> bytes:
    return urlsafe_b64decode(text)


# Pins.


def pins_of(session: Session) -> PinState:
    return PinState(session.pin, session.home, session.home_left, session.detour)


def write_pins(pins: PinState, time: SharedTime) -> bytes:
    home_left = _moment(time.to_server(pins.home_left)) if pins.home else 0
    return orjson.dumps([_pin_list(pins.pin), _pin_list(pins.home), home_left, _pin_list(pins.detour)])


def read_pins(value: bytes, time: SharedTime) -> PinState:
    pin, home, home_left, detour = orjson.loads(value[STAMP_BYTES:])
    return PinState(_pin(pin), _pin(home), time.to_local(home_left) if home else 0.0, _pin(detour))


def _pin_list(pin: Pin | None) -> list[str | None] | None:
    return [pin.provider, pin.model, pin.key] if pin else None


def _pin(written: Any) -> Pin | None:
    if written is None:
        return None
    provider, model, key = written
    if not (isinstance(provider, str) and isinstance(model, str) and (key is None or isinstance(key, str))):
        raise TypeError("no pin")
    return Pin(provider, model, key)


# Bans.


def write_ban(ban: Ban | None, until: float, time: SharedTime) -> bytes:
    """`until`: when a lifted one would have ended, on the routing clock."""
    if ban is None:
        return orjson.dumps([None, _moment(time.to_server(until))])
    moments = (_moment(time.to_server(each)) for each in (ban.since, ban.until))
    return orjson.dumps([ban.reason, *moments, ban.gives_way])


def read_ban(value: bytes, time: SharedTime) -> KnownBan:
    match orjson.loads(value[STAMP_BYTES:]):
        case [None, until]:
            return KnownBan(stamp_of(value), None, time.to_local(time.validated(until)))
        case [str(reason), since, until, bool(gives_way)]:
            began, ends = (time.to_local(time.validated(each)) for each in (since, until))
            ban = Ban(reason, began, ends, gives_way)
            return KnownBan(stamp_of(value), ban, ban.until)
        case _:
            raise ValueError("no ban")


# The course.


class Course(NamedTuple):
    """What is read of one; times are on the routing clock."""

    source: KeySource
    used: float
    written: Mapping[str, Any]
    time: SharedTime

    @classmethod
    def read(cls, value: bytes, time: SharedTime) -> "Course":
        written = orjson.loads(value[STAMP_BYTES:])
        return cls(KeySource(written["s"]), min(time.now, time.to_local(written["u"])), written, time)

    @property
    def names(self) -> tuple[tuple[bytes, ...], tuple[bytes, ...], tuple[bytes, ...], bytes | None]:
        """As `SessionStore.set_names` takes them."""
        line, off_line, further = (tuple(map(decoded, self.written[each])) for each in "laf")
        exchange = self.written["x"]
        return line, off_line, further, None if exchange is None else decoded(exchange)

    def apply(self, session: Session) -> None:
        """Everything but names and bans. What was refused at either place stays refused."""
        written, time = self.written, self.time
        session.used = max(session.used, self.used)
        session.pin_used = max(session.pin_used, min(time.now, time.to_local(written["pu"])))
        session.turns = max(session.turns, int(written["t"]))
        if caches := written["pc"]:
            session.caches = PromptCaches.from_list(caches, time.to_local)
        if past := written["q"]:
            session.penalties = session.penalties or SessionPenalties()
            _apply_penalties(session.penalties, past, time)
        elif session.penalties:
            session.penalties.failures = {}


def write_course(session: Session, time: SharedTime) -> bytes:
    past, caches = session.penalties, session.caches
    return orjson.dumps(
        {
            "s": session.source.value,
            "u": _moment(time.to_server(session.used)),
            "pu": _moment(time.to_server(session.pin_used)) if session.pin_used else 0,
            "l": [encoded(name) for name in session.boundaries],
            "a": [encoded(name) for name in session.abandoned],
            "f": [encoded(name) for name in session.further_names],
            "x": encoded(session.exchange) if session.exchange else None,
            "t": session.turns,
            "pc": caches.to_list(time.to_server) if caches else None,
            "q": _penalties(past, time) if past else None,
        }
    )


def _penalties(past: SessionPenalties, time: SharedTime) -> dict[str, Any]:
    failures = {
        label: [row.length, encoded(row.fingerprint), time.to_server(row.at)] for label, row in past.failures.items()
    }
    parts = {provider: encoded(ids) for provider, ids in past.refused_parts.items()}
    broken = encoded(past.broken_stream) if past.broken_stream else None
    return {"fl": failures, "k": past.used_keys, "z": past.refused_sizes, "rp": parts, "bs": broken}


def _apply_penalties(past: SessionPenalties, written: Mapping[str, Any], time: SharedTime) -> None:
    past.failures = {
        label: FailureStreak(int(length), decoded(digest), time.to_local(at))
        for label, (length, digest, at) in written["fl"].items()
    }
    past.broken_stream = decoded(written["bs"]) if written["bs"] else None
    past.refused_parts |= {provider: decoded(ids) for provider, ids in written["rp"].items()}
    for label, tokens in written["z"].items():
        past.refused_sizes[label] = min(int(tokens), past.refused_sizes.get(label, int(tokens)))
    for scope, key in written["k"].items():
        past.used_keys[scope] = min(key, past.used_keys.get(scope, key), key=lambda each: each or "")


def _moment(seconds: float) -> float:
    return round(seconds, 3)
