"""What came of a run, checked: what the client showed, how it ended, and what the router noted of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from client_runs.scenarios import Name, TurnRequest
from client_runs.testbed import Ended, Outcome

BEGINNING = 25
"""Characters of an answer that a client shows in one line."""
CLOCK_ERROR = 0.25
"""Seconds by which the provider may see a request earlier or later than the router notes it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`problems` says what is wrong, empty: nothing. `word` is for the table if nothing is."""

    word: str
    problems: tuple[str, ...]

    @property
    def cell(self) -> str:
        return "no" if self.problems else self.word


def finding(outcome: Outcome) -> Finding:
    """Checks one run."""
    check = Check(outcome)
    match outcome.scenario.name:
        case Name.CUT:
            return Finding(check.after_a_cut, tuple(check.cut_problems()))
        case Name.FAILOVER:
            return Finding("yes", (*check.common_problems(), *check.failover_problems()))
        case Name.RECOVER:
            return Finding("yes", (*check.common_problems(), *check.recovery_problems()))
        case Name.SLOW:
            return Finding("yes", (*check.common_problems(), *check.slow_problems()))
        case _:
            return Finding("yes", (*check.common_problems(), *check.stickiness_problems()))


class Check:
    """One run, with the router's record of each request of the conversation."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.seen: Sequence[TurnRequest] = outcome.model.seen
        self.records = matched(self.seen, outcome.records)

    def common_problems(self) -> Iterator[str]:
        for ended in self.outcome.processes:
            yield from end_problems(ended)
            for turn in ended.turns:
                if not turn.is_in(ended.output):
                    yield f"turn {turn.number}: the answer was not shown"
        for turn in self.outcome.scenario.turns:
            steps = [each for each in self.seen if each.turn == turn]
            if not steps:
                yield f"turn {turn.number}: no provider was asked"
            elif turn.files and steps[-1].called:
                yield f"turn {turn.number}: the tools' results never came"
            elif turn.files and sum(bool(each.called) for each in steps) > 1:
                yield f"turn {turn.number}: a tool's result was missing, so it was called again"
        yield from self.outcome.model.problems
        yield from self.outcome.router_log

    def stickiness_problems(self) -> Iterator[str]:
        """From its second request on, the conversation stays where it is."""
        for request, record in list(zip(self.seen, self.records, strict=True))[1:]:
            where = f"turn {request.turn.number}, request {request.step + 1}"
            if record is None:
                yield f"{where}: the router has no record of it"
            elif record["sticky"] != "hit":
                yield f"{where}: {record['sticky']}, not a hit"
            elif request.provider != self.outcome.first:
                yield f"{where}: {request.provider} answered"

    def failover_problems(self) -> Iterator[str]:
        record = next((each for each in self.records if each), None)
        attempts = record["attempts"] if record else []
        if len(attempts) < 2 or attempts[0]["provider"] != self.outcome.first or record is None:
            yield "there was no failover"
        elif record["status"] != 200:
            yield f"it got status {record['status']}"
        if len({id(record) for record in self.records}) > 1:
            yield "it asked again by itself"

    def recovery_problems(self) -> Iterator[str]:
        """It gets one answer, and shows it once."""
        record = next((each for each in self.records if each), None)
        outcomes = [each["outcome"] for each in record["attempts"]] if record else []
        if outcomes != ["stream_broken", "stream_continued"]:
            yield f"its answer did not go on: {', '.join(outcomes) or 'no attempts'}"
        if len({id(record) for record in self.records}) > 1:
            yield "it asked again by itself"
        [ended] = self.outcome.processes
        if ended.output.count(ended.turns[0].answer[:BEGINNING]) > 1:
            yield "the beginning was shown twice"

    def slow_problems(self) -> Iterator[str]:
        if len(self.seen) > 1:
            yield f"it did not wait: it asked {len(self.seen)} times"

    def cut_problems(self) -> Iterator[str]:
        """It may ask again or show an error, and must not pass half an answer for a whole one."""
        [ended] = self.outcome.processes
        yield from self.outcome.router_log
        if ended.status is None:
            yield "it did not end in time"
        elif not self.seen:
            yield "no provider was asked"
        elif self.after_a_cut == "silent":
            yield "it ended as if the answer were whole"

    @property
    def after_a_cut(self) -> str:
        """`retries`, `says so` or `silent`."""
        ended = self.outcome.processes[0]
        if len(self.seen) > 1 and ended.turns[0].is_in(ended.output):
            return "retries"
        said = ended.output.lower()
        tells = any(word in said for word in ("error", "failed", "disconnected", "interrupted", "incomplete", "broke"))
        return "says so" if ended.status or tells else "silent"


def end_problems(ended: Ended) -> Iterator[str]:
    numbers = ", ".join(str(turn.number) for turn in ended.turns)
    if ended.status is None:
        yield f"turn {numbers}: it did not end in time"
    elif ended.status:
        last = next((line.strip() for line in reversed(ended.output.splitlines()) if line.strip()), "")
        yield f"turn {numbers}: it ended with status {ended.status}: {last[:200]}"


def matched(seen: Sequence[TurnRequest], records: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any] | None]:
    """The record of the exchange in which a provider got each request; None where there is none.

    A request has no id at its provider: it is the attempt at that provider, at that time, with as many bytes.
    """
    attempts = [(record, attempt) for record in records for attempt in record["attempts"]]
    found: list[Mapping[str, Any] | None] = []
    for request in seen:
        fitting = [pair for pair in attempts if fits(request, pair[1])]
        best = min(fitting, key=lambda pair: abs(pair[1]["bytes"] - request.received.sent), default=None)
        if best:
            attempts.remove(best)
        found.append(best[0] if best else None)
    return found


def fits(request: TurnRequest, attempt: Mapping[str, Any]) -> bool:
    began: float = attempt["started"] - CLOCK_ERROR
    ended: float = attempt["started"] + (attempt["settled_ms"] or 0) / 1000 + CLOCK_ERROR
    return bool(attempt["provider"] == request.provider) and began <= request.received.received <= ended
