"""What an answer must be, whatever has happened: one well-formed ending, and every byte where it belongs.

The judge knows what each provider does with a request, hears what the client got and reads the router's own record of
it. It asks nothing of the router's code.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from robustness.expected_answer import body as said_by
from robustness.faults import SICK, STEADY, Kind, Part, part
from robustness.requests import Question, Tongue

BLANK = re.compile(rb"(?>\r\n|\n|\r){2,}")
"""Between two events, and as a sign of life where comments are not understood."""
COMMIT = re.compile(rb": routed-via (\S+?)/\S+ attempts=")
LOST = ("retry_failed", "hedge_loser_cancelled", "hedge_triggered", "client_error_non_retryable")
"""Outcomes of attempts that the client has seen nothing of."""
STATUSES = frozenset({200, 400, 422, 429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer as its client got it. `ended`: its framing said so; else the client left."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    ended: bool


class Case:
    """One request, what came of it, and the router's record of it. `faults` says what must not be."""

    def __init__(
        self,
        question: Question,
        heard: Heard,
        record: Mapping[str, Any] | None,
        max_attempts: int,
        may_be_forgotten: bool = False,
    ) -> None:
        self.question, self.heard, self.record, self.max_attempts = question, heard, record, max_attempts
        self.may_be_forgotten = may_be_forgotten
        names = SICK + ((STEADY,) if question.is_safe else ())
        self.parts: Mapping[str, Part] = {name: part(question, name) for name in names}

    def faults(self) -> list[str]:
        found = [*self._of_head(), *self._of_record()]
        if self.heard.status != 200:
            found += self._of_refusal()
        elif self.question.stream:
            found += self._of_stream()
        else:
            found += self._of_whole()
        return found

    @cached_property
    def winner(self) -> str | None:
        """The provider that answered, as the client was told or else as the record has it."""
        if via := self.heard.headers.get("x-routed-via"):
            return via.partition("/")[0]
        if comment := COMMIT.search(self.heard.body):
            return comment[1].decode()
        shown = [each["provider"] for each in self._attempts if each["outcome"] not in LOST]
        return shown[-1] if shown and self.heard.ended else None

    @property
    def _attempts(self) -> Sequence[Mapping[str, Any]]:
        return self.record["attempts"] if self.record else ()

    @property
    def _launched(self) -> int:
        return len({each["n"] for each in self._attempts})

    def _of_head(self) -> list[str]:
        found = []
        if self.heard.headers.get("x-request-id") != self.question.id:
            found.append(f"the answer to another request: {self.heard.headers.get('x-request-id')}")
        if self.heard.status not in STATUSES:
            found.append(f"status {self.heard.status}")
        return found

    def _of_record(self) -> list[str]:
        if self.record is None:
            is_due = self.heard.ended and not self.may_be_forgotten
            return ["the router has no record of it"] if is_due else []
        found = []
        if self.heard.ended and self.record["status"] != self.heard.status:
            found.append(f"status {self.heard.status}, but the record says {self.record['status']}")
        if self._launched > self.max_attempts:
            found.append(f"{self._launched} attempts")
        for each in self._attempts:
            kind = self.parts[each["provider"]].kind if each["provider"] in self.parts else Kind.FAILS
            if kind is Kind.GOOD and each["outcome"] in ("retry_failed", "stream_broken", "stream_stalled"):
                found.append(f"a good answer of {each['provider']} counts as {each['outcome']} {each['error']}")
        return found

    def _of_refusal(self) -> list[str]:
        """Nobody answered: rightly so?"""
        if not self.heard.ended:
            return []
        found = []
        try:
            told = json.loads(self.heard.body)
            if "error" not in told:
                found.append(f"no error in {self.heard.body[:200]!r}")
        except ValueError:
            found.append(f"no JSON: {self.heard.body[:200]!r}")
        if self.winner is not None:
            if self.parts[self.winner].kind is not Kind.REFUSES:
                found.append(f"status {self.heard.status} of {self.winner}, which does not refuse")
            return found
        return found + self._passed_over()

    def _passed_over(self) -> list[str]:
        """The providers that would have answered well and were not asked, with nothing to excuse it."""
        if self.record is None or self._launched >= self.max_attempts or self._is_refused:
            return []
        left_out = {each["provider"] for each in self.record["excluded"]}
        asked = {each["provider"] for each in self._attempts}
        good = [name for name, one in self.parts.items() if one.kind is Kind.GOOD]
        passed_over = [name for name in good if name not in left_out | asked or name == STEADY]
        return [f"{name} could have answered: {self._told()}" for name in passed_over]

    @property
    def _is_refused(self) -> bool:
        """A provider has called the request itself bad, which settles it. Behind an early head, an event says so."""
        refusing = (each for each in self._attempts if each["outcome"] == "client_error_non_retryable")
        return any(self.parts[each["provider"]].kind is Kind.REFUSES for each in refusing)

    def _told(self) -> str:
        """The record, in one line."""
        tried = [f"{each['provider']} {each['outcome']} {each['error']}" for each in self._attempts]
        left_out = [f"{each['provider']} {each['reason']}" for each in (self.record or {}).get("excluded", ())]
        return f"asked: {', '.join(tried) or 'nobody'}; left out: {', '.join(left_out) or 'nobody'}"

    def _of_whole(self) -> list[str]:
        if not self.heard.ended:
            return []
        if self.winner is None:
            return ["answered by nobody knows whom"]
        if self.winner not in self.parts or self.parts[self.winner].kind not in (Kind.GOOD, Kind.EITHER):
            return [f"an answer of {self.winner}, which gives none"]
        return differing(self.heard.body, said_by(self.question, self.winner))

    def _of_stream(self) -> list[str]:
        heard = events(self.heard.body)
        if not self.heard.ended:
            return self._of_beginning(heard[:-1])
        found = [] if BLANK.search(self.heard.body[-4:]) else ["the last event is cut"]
        if self.winner is None:
            return found + self._of_silence(heard)
        if self.winner not in self.parts:
            return [*found, f"an answer of {self.winner}, which gives none"]
        return found + self._of_events(heard, self.parts[self.winner])

    def _of_beginning(self, heard: Sequence[bytes]) -> list[str]:
        """Its client left; the last event may be half a one."""
        if self.winner is None:
            return []
        rest = heard[common(heard, events(said_by(self.question, self.winner))) :]
        return [] if not rest or is_error(rest[0]) else [f"foreign bytes: {rest!r:.400}"]

    def _of_silence(self, heard: Sequence[bytes]) -> list[str]:
        """The headers had gone out, and then nobody answered."""
        own = heard[1:] if self.question.tongue is Tongue.RESPONSES else heard
        return self._passed_over() + ([] if self._is_routers_end(own) else [f"no proper end: {heard!r}"])

    def _of_events(self, heard: Sequence[bytes], one: Part) -> list[str]:
        meant = events(said_by(self.question, one.provider))
        if one.name == "flood after the end":
            meant = [each for each in meant if not set(each) <= set(b": x\n")]
        same = common(heard, meant)
        is_whole, rest = same == len(meant), heard[same:]
        match one.kind:
            case Kind.GOOD:
                right = is_whole and not rest
            case Kind.BREAKS:
                right = self._is_routers_end(rest)
            case Kind.ERRS:  # what a provider says after its error is not passed on
                is_told = same > 0 and is_error(meant[same - 1])
                right = (is_told or is_whole) and rest in ([], [b"data: [DONE]"])
            case Kind.EITHER:
                right = not rest or self._is_routers_end(rest)
            case _:
                return [f"an answer of {one.provider}, whose part is {one.name}"]
        if right:
            return []
        return [
            f"{one.provider} ({one.name}): after {same} of {len(meant)} events came {rest!r:.400}"
            f" instead of {meant[same : same + 1]!r:.200}"
        ]

    def _is_routers_end(self, rest: Sequence[bytes]) -> bool:
        """One error frame, and the end marker where the dialect has one."""
        if self.question.tongue is Tongue.CHAT:
            return len(rest) == 2 and is_error(rest[0]) and rest[1] == b"data: [DONE]"
        return len(rest) == 1 and is_error(rest[0])


def events(stream: bytes) -> list[bytes]:
    """Those that say something: pings and comments may come and go."""
    return [each for each in BLANK.split(stream.lstrip(b"\r\n")) if each and not is_ping(each)]


def is_ping(event: bytes) -> bool:
    return event.startswith((b"event: ping", b"event:ping")) or all(
        line.startswith(b":") for line in event.splitlines()
    )


def is_error(event: bytes) -> bool:
    data = b"".join(line[5:] for line in event.splitlines() if line.startswith(b"data:"))
    try:
        told = json.loads(data)
    except ValueError:
        return False
    return isinstance(told, dict) and ("error" in told or told.get("type") == "response.failed")


def common(one: Sequence[object], other: Sequence[object]) -> int:
    """So many, from the first on, are the same."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((n for n, (left, right) in pairs if left != right), min(len(one), len(other)))


def differing(heard: bytes, meant: bytes) -> list[str]:
    if heard == meant:
        return []
    at = common(heard, meant)
    return [f"{len(heard)} bytes instead of {len(meant)}, different from byte {at} on: {heard[at : at + 100]!r}"]
