"""The log of one exchange: its settled attempts, in order of settlement, in wall-clock time."""

from pointsman.config.enums import Kind
from pointsman.domain.records import AttemptRecord, ExchangeRecord, Outcome
from pointsman.exchange.attempt import Attempt
from pointsman.exchange.client_request import ClientRequest, Planner
from pointsman.exchange.client_response import ClientResponse
from pointsman.masking import Masker
from pointsman.wire.continuation.reasons import NotContinued
from pointsman.wire.errors import Fault
from pointsman.wire.frames import Usage


class AttemptLog:
    """`started` is what the clock on the wall showed when the exchange began."""

    def __init__(self, started: float, masker: Masker) -> None:
        self.records: list[AttemptRecord] = []
        self.started_at = 0.0
        """Start of the exchange, on its own clock."""
        self._started_wall = started
        self._masker = masker

    def wall_time(self, moment: float) -> float:
        """The wall's clock at a moment of the exchange's."""
        return self._started_wall + (moment - self.started_at)

    def record(
        self,
        attempt: Attempt,
        outcome: Outcome,
        fault: Fault | None,
        now: float,
        was_last_key: bool = False,
        estimate: Usage | None = None,
        recovery: NotContinued | None = None,
    ) -> AttemptRecord:
        launched = self.wall_time(attempt.launched_at)
        record = attempt.to_record(outcome, fault, launched, now, self._masker, was_last_key, estimate, recovery)
        self.records.append(record)
        return record

    def settled(self) -> list[AttemptRecord]:
        """The records of the attempts that have ended."""
        return [record for record in self.records if not record.is_informational]

    def others(self, attempt: Attempt) -> list[AttemptRecord]:
        """The records of the other attempts that have ended."""
        return [record for record in self.settled() if record.n != attempt.n]

    def had_race(self) -> bool:
        """An attempt was so slow that another one was started beside it."""
        return any(record.is_informational for record in self.records)

    def exchange_record(
        self, call: ClientRequest, plan: Planner, response: ClientResponse, waited: float
    ) -> ExchangeRecord:
        """The record of the exchange so far; `waited` is how long it has waited for limits, in seconds."""
        ended = response.ended_at
        unnamed = "auto" if call.facts.kind is Kind.CHAT else "unnamed"
        request_id, model = self._masker.texts((call.request_id, call.facts.model or unnamed))
        return ExchangeRecord(
            request_id=request_id,
            session=plan.session,
            sticky=plan.stickiness(response.answered_by),
            mode=plan.mode,
            model=model,
            taken_as=plan.taken_as,
            status=response.status,
            error=response.error,
            started=call.started,
            ended_ms=round((ended - self.started_at) * 1000, 1),
            streamed=call.facts.stream,
            attempts=tuple(self.records),
            excluded=tuple(plan.exclusion_dicts(ended, self.wall_time(ended))),
            kind=call.facts.kind,
            client=call.client,
            dialect=call.dialect.name.value,
            waited_ms=round(waited * 1000, 1),
        )
