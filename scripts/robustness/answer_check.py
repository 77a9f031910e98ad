"""Checks an answer: exactly one well-formed ending, and every byte in its place, whatever faults were injected.

The check knows what each provider did with the request, what the client received, and the router's record of the
exchange. It uses none of the router's code.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

from pointsman.config import enums
from robustness.continuation import follower_of, whole_texts
from robustness.expected_answer import expected_body
from robustness.faults import FAULTY, OTHER_TEXTS, STEADY, Assignment, Kind, assignment
from robustness.options import options_of
from robustness.promise import Span, key_number
from robustness.requests import ChatRequest, Dialect
from support.client_streams import Seen, read_stream

BLANK = re.compile(rb"(?>\r\n|\n|\r){2,}")
"""Between two events, and as a keep-alive for dialects that do not allow comments."""
CONTINUED = re.compile(rb"(?m)^: continued-on ")
COMMIT = re.compile(rb": routed-via (\S+?)/\S+ attempts=")
LOST = ("retry_failed", "hedge_loser_cancelled", "hedge_triggered", "client_error_non_retryable")
"""Outcomes of attempts of which the client got nothing."""
BROKEN = frozenset({Kind.BREAKS, Kind.ERRS})
STATUSES = frozenset({200, 400, 404, 413, 422, 429, 502, 503, 504})
STREAMS = {
    Dialect.CHAT: enums.Dialect.OPENAI_CHAT,
    Dialect.MESSAGES: enums.Dialect.ANTHROPIC,
    Dialect.RESPONSES: enums.Dialect.OPENAI_RESPONSES,
    Dialect.GEMINI: enums.Dialect.GEMINI,
}
LONGEST_WAIT = 61.0
"""Seconds that `Retry-After` may say: no provider states more, and limits of a minute count in steps of a second."""
LONGEST_PERIOD = 32 * 86_400.0
"""Seconds until a budget has room again, at most."""


@dataclass(frozen=True, slots=True)
class ReceivedAnswer:
    """An answer as its client received it. `ended`: complete according to its framing; otherwise the client left."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    ended: bool


class AnswerCheck:
    """One request, what came of it, and the router's record of it. `violations` says what must not be. During `outages`
    no provider could be reached. `may_be_limited`: its client has budgets, or limits of its own. `shares_limits`:
    several routers share the limits of providers.
    """

    def __init__(
        self,
        request: ChatRequest,
        answer: ReceivedAnswer,
        record: Mapping[str, Any] | None,
        max_attempts: int,
        may_be_forgotten: bool = False,
        outages: Sequence[Span] = (),
        may_be_limited: bool = False,
        shares_limits: bool = False,
    ) -> None:
        self.request, self.answer, self.record, self.max_attempts = request, answer, record, max_attempts
        self.may_be_forgotten, self.outages, self.may_be_limited = may_be_forgotten, outages, may_be_limited
        self.shares_limits = shares_limits
        self.options = options_of(request)
        names = FAULTY + ((STEADY,) if request.is_safe else ())
        self.assignments: Mapping[str, Assignment] = {name: assignment(request, name) for name in names}

    def violations(self) -> list[str]:
        found = [*self._check_head(), *self._check_record()]
        if self.answer.status != 200:
            found += self._check_error()
        elif self.request.stream:
            found += self._check_stream()
        else:
            found += self._check_whole()
        return found

    @cached_property
    def winner(self) -> str | None:
        """The provider that answered, according to the answer or else to the record."""
        if via := self.answer.headers.get("x-routed-via"):
            return via.partition("/")[0]
        if comment := COMMIT.search(self.answer.body):
            return comment[1].decode()
        own = (each for each in self._attempts if "continues" not in each)
        shown = [each["provider"] for each in own if each["outcome"] not in LOST]
        return shown[-1] if shown and self.answer.ended else None

    @cached_property
    def follower(self) -> Mapping[str, Any] | None:
        """The attempt that was to go on with the answer."""
        return follower_of(self._attempts)

    @property
    def went_on(self) -> bool:
        return self.follower is not None and self.follower["outcome"] == "stream_continued"

    @property
    def _is_not_admitted(self) -> bool:
        """A limit of its client refused the request before an exchange began."""
        return self.may_be_limited and self.answer.status == 429 and b"has reached its limit" in self.answer.body

    @property
    def _is_unpaid(self) -> bool:
        """A budget kept the request from a provider."""
        return self.may_be_limited and any(
            each["reason"] == "budget" for each in (self.record or {}).get("excluded", ())
        )

    @property
    def has_no_answer(self) -> bool:
        """No provider answered, although none refused the request itself and not all attempts were used up."""
        if self.record is None or not self.answer.ended or self._launched >= self.max_attempts or self._is_refused:
            return False
        timeout = self.options.timeout
        if not self.options.fallback or (timeout and self.record["ended_ms"] >= timeout * 1000):
            return False
        if self.answer.status != 200:
            return self.winner is None or Kind.DECLINES in self._kinds(self.winner)
        return self.request.stream and self.winner is None

    @property
    def _attempts(self) -> Sequence[Mapping[str, Any]]:
        return self.record["attempts"] if self.record else ()

    @property
    def _launched(self) -> int:
        """Without attempts that were to go on with an answer: those do not count against the limit."""
        return len({each["n"] for each in self._attempts if "continues" not in each})

    def _check_head(self) -> list[str]:
        found = []
        if self.answer.headers.get("x-request-id") != self.request.id:
            found.append(f"the answer to another request: {self.answer.headers.get('x-request-id')}")
        if self.answer.status not in STATUSES and self.options.fallback:
            found.append(f"status {self.answer.status}")
        longest = LONGEST_PERIOD if self._is_unpaid else LONGEST_WAIT
        if float(self.answer.headers.get("retry-after", 0)) > longest:
            found.append(f"status {self.answer.status}, to be retried after {self.answer.headers['retry-after']} s")
        return found

    def _check_record(self) -> list[str]:
        if self.record is None:
            is_due = self.answer.ended and not (self.may_be_forgotten or self._is_not_admitted)
            return ["the router has no record of the exchange"] if is_due else []
        found = [*self.options.violations(self.record, self.winner is not None, self.shares_limits)]
        if self.answer.ended and self.record["status"] != self.answer.status:
            found.append(f"status {self.answer.status}, but the record says {self.record['status']}")
        if self._launched > self.max_attempts:
            found.append(f"{self._launched} attempts")
        for each in self._attempts:
            has_failed = each["outcome"] in ("retry_failed", "stream_broken", "stream_stalled")
            if has_failed and self._was_good(each) and not self._was_cut_off(each) and not self._was_unfit(each):
                found.append(f"a good answer of {each['provider']} counts as {each['outcome']} {each['error']}")
        return found

    def _was_good(self, attempt: Mapping[str, Any]) -> bool:
        mine = self.assignments.get(attempt["provider"])
        return mine is not None and mine.kind_for(key_number(attempt["key"])) is Kind.GOOD

    def _was_unfit(self, attempt: Mapping[str, Any]) -> bool:
        """It was to go on with a text, and wrote another one."""
        return "continues" in attempt and self.assignments[attempt["provider"]].name in OTHER_TEXTS

    def _was_cut_off(self, attempt: Mapping[str, Any]) -> bool:
        lasted = Span(attempt["started"], attempt["started"] + (attempt["settled_ms"] or 0) / 1000)
        return any(each.meets(lasted) for each in self.outages)

    def _kinds(self, provider: str) -> frozenset[Kind]:
        """What may come of a request to that provider, with whichever key."""
        mine = self.assignments.get(provider)
        return frozenset({mine.kind, mine.kind_for(mine.faulty_key)}) if mine else frozenset()

    def _check_error(self) -> list[str]:
        """The answer is an error: of a provider that refuses or declines, or the router's own."""
        if not self.answer.ended:
            return []
        kinds = self._kinds(self.winner) if self.winner is not None else None
        if (kinds is not None and Kind.DECLINES in kinds) or not self.options.fallback:
            return []
        found = []
        try:
            told = json.loads(self.answer.body)
            if "error" not in told:
                found.append(f"no error in {self.answer.body[:200]!r}")
        except ValueError:
            found.append(f"no JSON: {self.answer.body[:200]!r}")
        if kinds is not None and Kind.REFUSES not in kinds:
            found.append(f"status {self.answer.status} of {self.winner}, which does not refuse")
        return found

    @property
    def _is_refused(self) -> bool:
        """A provider has rejected the request itself, which is final. After early headers, an event says so."""
        refusing = (each for each in self._attempts if each["outcome"] == "client_error_non_retryable")
        return any(Kind.REFUSES in self._kinds(each["provider"]) for each in refusing)

    def _check_whole(self) -> list[str]:
        if not self.answer.ended:
            return []
        if self.winner is None:
            return ["the answer does not say which provider it is from"]
        if self.winner not in self.assignments or self.assignments[self.winner].kind not in (Kind.GOOD, Kind.EITHER):
            return [f"an answer of {self.winner}, which sends none"]
        return differing(self.answer.body, expected_body(self.request, self.winner))

    def _check_stream(self) -> list[str]:
        if self.follower is not None and self.follower["first_content_ms"] is not None and self.winner is not None:
            return self._check_continued(self.follower, self.assignments[self.winner])
        if not self.answer.ended:  # where the client left, there may be no record of what went on
            return self._check_beginning(events(CONTINUED.split(self.answer.body)[0])[:-1])
        answer = events(self.answer.body)
        found = [] if BLANK.search(self.answer.body[-4:]) else ["the last event is cut"]
        if self.winner is None:
            return found + self._check_empty_stream(answer)
        if self.winner not in self.assignments:
            return [*found, f"an answer of {self.winner}, which sends none"]
        return found + self._check_events(answer, self.assignments[self.winner])

    def _check_continued(self, follower: Mapping[str, Any], first: Assignment) -> list[str]:
        """The text of the first answer, and then that of the second one, in one stream; or an error within it."""
        seen = self._read(self.answer.body)
        said = first.text[: follower["prefix_chars"]]
        whole = whole_texts(said, follower, first.text, partial(self._written_by, follower))
        name = f"{first.provider} ({first.name}), then {follower['provider']} {follower['method']}"
        if not any(each.startswith(seen.text) for each in whole):
            same = common(seen.text, whole[0])
            return [f"{name}: another text after {same} of {len(whole[0])} characters: {seen.text[same:]!r:.400}"]
        if not self.answer.ended:
            return []
        if seen.faults:
            return [f"{name}: a stream that is not valid: {seen.faults}"]
        is_right = seen.text in whole and not seen.errors if self.went_on else len(seen.errors) == 1
        if is_right and seen.is_whole == self.went_on:
            return []
        return [f"{name}: {len(seen.errors)} errors, whole: {seen.is_whole}, …{self.answer.body[-300:]!r}"]

    def _written_by(self, follower: Mapping[str, Any], text: str) -> str:
        return self._read(expected_body(self.request, follower["provider"], text, key_number(follower["key"]))).text

    def _read(self, stream: bytes) -> Seen:
        """What a strict client makes of it; an event at the end that is not whole does not count."""
        whole = [each.replace(b"\r", b"\n") + b"\n\n" for each in BLANK.split(stream.replace(b"\r\n", b"\n"))[:-1]]
        return read_stream(STREAMS[self.request.dialect], b"".join(whole))

    def _check_beginning(self, answer: Sequence[bytes]) -> list[str]:
        """The client left, so the last event may be incomplete."""
        if self.winner is None:
            return []
        if self.record is None and self.request.dialect is Dialect.GEMINI and self._kinds(self.winner) & BROKEN:
            return []  # another answer may go on here, and the dialect has no comments to say so
        rest = answer[common(answer, events(expected_body(self.request, self.winner))) :]
        return [] if not rest or is_error(rest[0]) else [f"foreign bytes: {rest!r:.400}"]

    def _check_empty_stream(self, answer: Sequence[bytes]) -> list[str]:
        """The headers had been sent, then no provider answered."""
        own = answer[1:] if self.request.dialect is Dialect.RESPONSES else answer
        return [] if self._is_routers_end(own) else [f"no proper end: {answer!r}"]

    def _check_events(self, answer: Sequence[bytes], one: Assignment) -> list[str]:
        meant = events(expected_body(self.request, one.provider))
        if one.name == "flood after the end":
            meant = [each for each in meant if not set(each) <= set(b": x\n")]
        same = common(answer, meant)
        is_whole, rest = same == len(meant), answer[same:]
        match one.kind:
            case Kind.GOOD:
                right = is_whole and not rest
            case Kind.BREAKS:
                right = self._is_routers_end(rest)
            case Kind.ERRS:  # the router does not pass on what follows the provider's error
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
        """Whether this is one error frame, with the end marker if the dialect has one."""
        if self.request.dialect is Dialect.CHAT:
            return len(rest) == 2 and is_error(rest[0]) and rest[1] == b"data: [DONE]"
        return len(rest) == 1 and is_error(rest[0])


def events(stream: bytes) -> list[bytes]:
    """The events without pings and comments, which may occur anywhere."""
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
    """The length of the common prefix."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((n for n, (left, right) in pairs if left != right), min(len(one), len(other)))


def differing(answer: bytes, meant: bytes) -> list[str]:
    if answer == meant:
        return []
    at = common(answer, meant)
    return [f"{len(answer)} bytes instead of {len(meant)}, different from byte {at} on: {answer[at : at + 100]!r}"]
