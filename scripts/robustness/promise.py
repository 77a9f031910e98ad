"""What a failed exchange is judged by: no fault of a provider may reach a client while another target is free.

Computed from what the providers were made to do, and from the router's record of the exchange. It uses none of the
router's code.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, NamedTuple

from robustness.faults import FAULTS, FAULTY, GUARDED, KEYS, STEADY, Kind, Scope, assignment
from robustness.requests import ChatRequest

BAN = 2.0
"""Seconds that a conversation may stay away from the guarded provider after a failure there."""
SLACK = 1.0
"""Seconds until the router knows what a provider has just answered, on a busy machine."""
SLOWEST = 8.0
"""Seconds until an answer that stalls, or is as slow as can be, has failed."""


class Incident(NamedTuple):
    """A provider received a request of a conversation at that time (Unix time), with that key, and did that."""

    at: float
    provider: str
    key: int | None
    fault: str
    request: ChatRequest


class Span(NamedTuple):
    """From and until, in Unix time."""

    start: float
    end: float

    def meets(self, other: "Span") -> bool:
        return self.start <= other.end and other.start <= self.end


@dataclass(slots=True)
class FaultPlan:
    """All that the providers did, and when. `lifted` are the moments when an operator ended what lasts."""

    outages: list[Span] = field(default_factory=list)
    lifted: list[float] = field(default_factory=list)
    _by_key: dict[tuple[str, int | None], list[Span]] = field(default_factory=lambda: defaultdict(list))
    _by_model: dict[tuple[str, int | None, str], list[Span]] = field(default_factory=lambda: defaultdict(list))
    _guarded: dict[tuple[str, ...], list[Span]] = field(default_factory=lambda: defaultdict(list))

    def add(self, incidents: Iterable[Incident]) -> None:
        """All of a run, in any order."""
        repeats: dict[tuple[str, int | None, str], int] = defaultdict(int)
        for incident in sorted(incidents, key=lambda each: each.at):
            at, provider, key, name, request = incident
            fault, place = FAULTS[name], (provider, key, request.model)
            if (fault.streamed if request.stream else fault.whole) is Kind.GOOD:
                repeats.pop(place, None)
                continue
            if provider == GUARDED:
                self._guarded[request.conversation].append(Span(at, at + SLOWEST + BAN))
            if fault.scope is Scope.REQUEST:
                continue
            holds = fault.holds * 2 ** min(repeats[place], 12) if fault.doubles else fault.holds
            repeats[place] += 1
            end = min((each for each in self.lifted if each > at + SLACK), default=inf) if fault.lasts else inf
            span = Span(at, min(at + holds, end) + SLACK)
            (self._by_model[place] if fault.scope is Scope.MODEL_OF_KEY else self._by_key[place[:2]]).append(span)

    def is_cut_off(self, during: Span) -> bool:
        """No provider could be reached for a while then."""
        return any(Span(each.start - SLACK, each.end + SLACK).meets(during) for each in self.outages)

    def is_free(self, request: ChatRequest, provider: str, key: int | None, during: Span) -> bool:
        """Whether no earlier fault may keep this candidate from the request at any time then."""
        spans = [*self._by_key.get((provider, key), ()), *self._by_model.get((provider, key, request.model), ())]
        if provider == GUARDED:
            spans += self._guarded.get(request.conversation, ())
        return not any(each.meets(during) for each in spans)

    def untried(self, request: ChatRequest, record: Mapping[str, Any]) -> list[str]:
        """The targets that were free during the whole of a failed exchange, would have answered, and were not tried.
        Whether a budget kept the client from them is judged by `budgets`, and which it names, by `options`.
        """
        during = Span(record["started"], record["started"] + record["ended_ms"] / 1000)
        if self.is_cut_off(during):
            return []
        asked = {(each["provider"], key_number(each["key"])) for each in record["attempts"]}
        barred = {each["provider"] for each in record["excluded"] if each["reason"] in ("budget", "not_requested")}
        return [
            f"{provider}/{request.model}{'' if key is None else f'#{key}'} was free: {told(record)}"
            for provider, key in _well(request)
            if (provider, key) not in asked and provider not in barred and self.is_free(request, provider, key, during)
        ]


def _well(request: ChatRequest) -> Iterator[tuple[str, int | None]]:
    """The candidates that would have answered correctly."""
    for provider in (*FAULTY, STEADY) if request.is_safe else FAULTY:
        mine = assignment(request, provider)
        yield from ((provider, key) for key in KEYS[provider] if mine.kind_for(key) is Kind.GOOD)


def key_number(label: str | None) -> int | None:
    """Of a key as the router names it: `key-1` is the first."""
    return None if label is None else int(label.rpartition("-")[2]) - 1


def told(record: Mapping[str, Any]) -> str:
    """The record in one line."""
    tried = [f"{_name(each)} {each['outcome']} {each['error']}" for each in record["attempts"]]
    left_out = [f"{_name(each)} {each['reason']}{_detail(each)}" for each in record["excluded"]]
    return f"tried: {', '.join(tried) or 'none'}; excluded: {', '.join(left_out) or 'none'}"


def _name(each: Mapping[str, Any]) -> str:
    key = key_number(each.get("key"))
    return f"{each['provider']}{'' if key is None else f'#{key}'}"


def _detail(each: Mapping[str, Any]) -> str:
    return f" ({each['detail']})" if each.get("detail") else ""


def incidents(seen: Mapping[str, Sequence[Sequence[Any]]]) -> Iterator[Incident]:
    """Of a report of the providers."""
    for request_id, rows in seen.items():
        seed, n = request_id.split(".")
        for provider, fault, _, key, at, *_ in rows:
            yield Incident(at, provider, key, fault, ChatRequest.of(int(seed), int(n)))
