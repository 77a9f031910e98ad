"""What settled records add to the metrics, and the whole text that Prometheus reads.

A scrape has at most 2,000 series, however many targets are configured: the families here have room for 1,700, those of
`gauges` for 280. What finds no room in a family is added to a coarser series of it, in which some labels are `other`.
"""

from collections.abc import Iterator

from pointsman.domain.records import AttemptRecord, ExchangeRecord, Outcome
from pointsman.prices.rates import dollars
from pointsman.telemetry.gauges import Gauges
from pointsman.telemetry.series import Counter, Histogram, Room
from pointsman.wire.frames import TOKEN_KINDS

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
NONE = "none"
"""A client without a name, a mode that was not found out, a status that was not sent."""
TARGET = ("provider", "model")
REQUEST_LABELS = ("client", "dialect", "mode", "status")
ATTEMPT_LABELS, TOKEN_LABELS, COST_LABELS = (*TARGET, "outcome"), (*TARGET, "kind"), (*TARGET, "client")

FIRST_CONTENT_BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
DURATION_BOUNDS = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
OVERHEAD_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)


class RequestMetrics:
    """Counted since the start. Called on the event loop."""

    def __init__(self) -> None:
        self.requests = Counter(
            "pointsman_requests_total",
            "Requests by the status that the client got, refused ones too.",
            REQUEST_LABELS,
            Room(120, REQUEST_LABELS),
            Room(29, ("dialect", "status")),
            Room(1, ()),
        )
        self.attempts = Counter(
            "pointsman_attempts_total",
            "Attempts at providers by how they ended.",
            ATTEMPT_LABELS,
            Room(400, ATTEMPT_LABELS),
            Room(85, ("provider", "outcome")),
            Room(len(Outcome), ("outcome",)),
        )
        hist_rooms = (Room(18, TARGET), Room(6, ("provider",)), Room(1, ()))
        self.first_content = Histogram(
            "pointsman_first_content_seconds",
            "Time from the start of an attempt to the first content of its streamed answer.",
            FIRST_CONTENT_BOUNDS,
            TARGET,
            *hist_rooms,
        )
        self.duration = Histogram(
            "pointsman_duration_seconds",
            "Time from the start of an attempt to the end of its answer, for answers that ended well.",
            DURATION_BOUNDS,
            TARGET,
            *hist_rooms,
        )
        self.overhead = Histogram(
            "pointsman_router_overhead_seconds",
            "Time from the end of a request to the start of its first attempt.",
            OVERHEAD_BOUNDS,
        )
        self.tokens = Counter(
            "pointsman_tokens_total",
            "Tokens by kind, as reported or estimated; reasoning is a part of output.",
            TOKEN_LABELS,
            Room(240, TOKEN_LABELS),
            Room(54, ("provider", "kind")),
            Room(len(TOKEN_KINDS), ("kind",)),
        )
        self.cost = Counter(
            "pointsman_cost_usd_total",
            "Dollars for all attempts whose price is known.",
            COST_LABELS,
            Room(120, COST_LABELS),
            Room(29, ("provider",)),
            Room(1, ()),
            shown=lambda amount: dollars(amount) or "0",
        )
        self.fallbacks = Counter("pointsman_fallbacks_total", "Attempts that failed before the client saw anything.")
        self.hedges = _with_results("hedges", "Races by which attempt answered.", ("won", "lost", "failed"))
        self.recoveries = _with_results("recoveries", "Broken streams by what became of them.", ("continued", "failed"))
        self.sticky = _with_results(
            "sticky", "Exchanges by what became of their session's pin.", ("hit", "miss", "repin", "disabled")
        )
        self.waits = Counter("pointsman_waits_total", "Exchanges that have waited for a limit.")
        self.waited = Counter(
            "pointsman_waited_seconds_total",
            "Seconds for which exchanges have waited for limits.",
            shown=lambda milliseconds: f"{milliseconds / 1000:g}",
        )
        for unlabelled in (self.fallbacks, self.waits, self.waited):
            unlabelled.add((), 0)

    def on_exchange(self, record: ExchangeRecord, received: float | None) -> None:
        """An exchange has ended; `received` is when its request was complete, in seconds on the wall clock."""
        status, client = str(record.status or NONE), record.client or NONE
        self.requests.add((client, record.dialect or NONE, record.mode, status))
        self.sticky.add((record.sticky,))
        attempts = record.attempts
        for attempt in attempts:
            if not attempt.is_informational:
                self._on_attempt(attempt, client)
                if record.streamed and attempt.first_content_ms is not None:  # a whole answer comes all at once
                    self.first_content.observe((attempt.provider, attempt.model), attempt.first_content_ms / 1000)
        if attempts and received is not None and not record.waited_ms:  # to wait in line is no overhead
            self.overhead.observe((), max(0.0, min(each.started for each in attempts) - received))
        if record.waited_ms:
            self.waits.add(())
            self.waited.add((), round(record.waited_ms))
        if record.recovery:
            self.recoveries.add((record.recovery,))
        if any(attempt.is_informational for attempt in attempts):
            self.hedges.add((_race_result(attempts),))

    def on_refusal(self, status: int | None, dialect: str | None = None, client: str | None = None) -> None:
        """A request was refused before an exchange began."""
        self.requests.add((client or NONE, dialect or NONE, NONE, str(status or NONE)))

    def _on_attempt(self, attempt: AttemptRecord, client: str) -> None:
        provider, model, outcome = attempt.provider, attempt.model, attempt.outcome
        target = (provider, model)
        self.attempts.add((provider, model, outcome.value))
        if attempt.settled_ms is not None and outcome.is_success:
            self.duration.observe(target, attempt.settled_ms / 1000)
        if usage := attempt.usage:
            for kind in TOKEN_KINDS:
                if amount := getattr(usage, kind):
                    self.tokens.add((provider, model, kind), amount)
        if attempt.cost:
            self.cost.add((provider, model, client), attempt.cost)
        if outcome is Outcome.RETRY_FAILED and attempt.continuation is None:
            self.fallbacks.add(())

    def families(self) -> tuple[Counter | Histogram, ...]:
        return (
            self.requests,
            self.attempts,
            self.first_content,
            self.duration,
            self.overhead,
            self.tokens,
            self.cost,
            self.fallbacks,
            self.hedges,
            self.recoveries,
            self.sticky,
            self.waits,
            self.waited,
        )

    def lines(self) -> Iterator[str]:
        for family in self.families():
            yield from family.lines()


def metrics_text(counted: RequestMetrics, gauges: Gauges, now: float) -> bytes:
    """All metrics; `now` is on the routing clock."""
    return "\n".join((*counted.lines(), *gauges.lines(now), "")).encode()


def _with_results(name: str, help: str, results: tuple[str, ...]) -> Counter:
    """Begins with 0, so that a first event is an increase."""
    counter = Counter(f"pointsman_{name}_total", help, ("result",), Room(len(results), ("result",)))
    for result in results:
        counter.add((result,), 0)
    return counter


def _race_result(attempts: tuple[AttemptRecord, ...]) -> str:
    """Whether a later attempt was worth starting: it answered, the one that it was to help did, or none."""
    winner = next((each for each in attempts if each.outcome is Outcome.HEDGE_WINNER), None)
    if winner is None:
        return "failed"
    slow = {each.n for each in attempts if each.is_informational}
    return "lost" if winner.n in slow else "won"
