"""Instances that share sessions, in virtual time, over an engine and messages that may get lost.

The engine runs the scripts of sessions as Lua does; `test_session_scripts` compares both.
"""

from collections.abc import Sequence
from typing import Any

from pointsman.config.enums import Mode
from pointsman.sessions.binding import SessionBinding
from pointsman.sessions.digests import Digests
from pointsman.sessions.key_sources import Caller
from pointsman.sessions.registry import SessionRegistry
from pointsman.shared.part import Call, Delta, Script, SharedTime
from pointsman.shared.session_fields import STAMP_BYTES, TIME_DIGITS
from pointsman.shared.session_part import SessionsPart
from pointsman.shared.session_scripts import FIND, FORGET, WRITE
from support.clients_in_core import SECRET
from support.settings import provider, settings

CLOCK_STEP = 1_000.0
"""Seconds by which the routing clocks of instances differ."""


class ScriptedEngine:
    """What Lua does, without expiry. Texts are bytes, as on the wire."""

    def __init__(self) -> None:
        self.hashes: dict[str, dict[str, bytes]] = {}
        self.texts: dict[str, str] = {}

    def run(self, call: Call) -> Any:
        runners: dict[Script, Any] = {WRITE: self._write, FIND: self._find, FORGET: self._forget}
        return runners[call.script](list(call.keys), list(call.args))

    def _write(self, keys: list[str], args: list[Any]) -> list[bytes]:
        newer: list[bytes] = []
        given = iter(args[1:])
        names = iter(keys)
        for id in given:
            fields, plain, exchanges = (next(given) for _ in range(3))
            session = self.hashes.setdefault(next(names), {})
            for _ in range(fields):
                field, value = next(given), next(given)
                kept = session.get(field)
                if kept and kept[:STAMP_BYTES] > value[:STAMP_BYTES]:
                    newer += (id.encode(), field.encode(), kept)
                    continue
                session[field] = value
                if kept and field == "p" and kept[TIME_DIGITS:STAMP_BYTES] != value[TIME_DIGITS:STAMP_BYTES]:
                    newer += (id.encode(), field.encode(), b"")
            for _ in range(plain):
                self.texts[next(names)] = id
            for _ in range(exchanges):
                name = next(names)
                self.texts[name] = id if self.texts.get(name, id) == id else "*"
        return newer

    def _find(self, keys: list[str], args: list[Any]) -> list[Any] | None:
        for key, name in zip(keys, args[1:], strict=True):
            found = self.hashes.get(args[0] + self.texts.get(key, ""))
            if found and name.encode() in found.get("c", b""):
                return [
                    self.texts[key].encode(),
                    [each for pair in found.items() for each in (pair[0].encode(), pair[1])],
                ]
        return None

    def _forget(self, keys: list[str], _: list[Any]) -> int:
        return int(self.hashes.pop(keys[0], None) is not None)


class Instance:
    """One router's sessions; its routing clock is its own."""

    def __init__(self, number: int, engine: ScriptedEngine) -> None:
        self.engine = engine
        self.offset = CLOCK_STEP * number
        config = settings({"a": provider()}, sticky={"show_words": True})
        self.registry = SessionRegistry(config, Digests(SECRET))
        self.hastened = 0
        self.part = SessionsPart(self.registry, _key, f"instance {number}", self._hasten)
        self.inbox: list[Delta] = []

    def _hasten(self) -> None:
        self.hastened += 1

    def time(self, server: float) -> SharedTime:
        return SharedTime(server + self.offset, server, server)

    def ask(self, caller: Caller, server: float, answers: bool = True) -> SessionBinding:
        """A request arrives; the engine answers in time, or does not."""
        now = self.time(server)
        key = self.registry.key_to_look_up(caller, now.now)
        if key and answers:
            self.run([self.part.look_up(key)], server)
        return self.registry.bind(caller, Mode.BALANCED, now.now)

    def run(self, calls: Sequence[Call], server: float) -> None:
        for call in calls:
            call.on_reply(self.engine.run(call), self.time(server))

    def tick(self, server: float, is_lost: bool = False, is_applied: bool = True) -> list[Delta]:
        """`is_lost`: the replies are, and the deltas with them; `is_applied`: the engine has run the calls all the
        same.
        """
        now = self.time(server)
        sent, calls = list(self.part.deltas(now)), list(self.part.calls(now))
        if not is_lost:
            self.run(calls, server)
            return sent
        for call in calls if is_applied else ():
            self.engine.run(call)
        self.part.on_disconnected(now)
        self.part.on_connected(now, False)
        return []

    def receive(self, delta: Delta, server: float) -> None:
        self.part.on_delta(Delta(delta.part, delta.body), self.time(server))


def _key(*names: str) -> str:
    return "{" + ":".join(names) + "}"


def settle(instances: Sequence[Instance], server: float, rounds: int = 4) -> None:
    """Everything works, and all instances publish once more."""
    for each in instances:
        each.part.publish_all(each.time(server))
    for turn in range(rounds):
        for sender in instances:
            for delta in sender.tick(server + turn):
                for receiver in instances:
                    if receiver is not sender:
                        receiver.receive(delta, server + turn)
