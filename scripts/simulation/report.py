"""The results: one row for each strategy, and plain data."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, quantiles

from simulation.run import Step

COLUMNS = "{:<17} {:>6} {:>8} {:>6} {:>6} {:>7} {:>7} {:>7} {:>8} {:>9}"


@dataclass(frozen=True, slots=True)
class Row:
    """`success`: the share of exchanges that got an answer; `sent`: requests to providers for each exchange; `raced`:
    the share of exchanges with a second request because the first was slow; `at_best`: the share whose first choice was
    the best one at that moment; `regret`: the mean sum of a run. All else is over the exchanges of all runs; times are
    seconds to the first content.
    """

    strategy: str
    hedge: str
    success: float
    sent: float
    raced: float
    p50: float
    p95: float
    p99: float
    at_best: float
    regret: float

    @classmethod
    def of(cls, strategy: str, runs: Sequence[Sequence[Step]], hedge: str = "off") -> "Row":
        steps = [step for run in runs for step in run]
        waited = [step.waited for step in steps if step.waited is not None]
        cuts = quantiles(waited, n=100)
        return cls(
            strategy,
            hedge,
            success=len(waited) / len(steps),
            sent=fmean(step.sent for step in steps),
            raced=fmean(step.raced for step in steps),
            p50=cuts[49],
            p95=cuts[94],
            p99=cuts[98],
            at_best=fmean(step.best for step in steps),
            regret=sum(step.regret for step in steps) / len(runs),
        )

    def plain(self) -> dict[str, object]:
        return asdict(self)


def lines(rows: Sequence[Row]) -> Iterator[str]:
    yield COLUMNS.format("", "hedge", "success", "sent", "raced", "p50", "p95", "p99", "at best", "regret")
    for row in rows:
        yield COLUMNS.format(
            row.strategy, row.hedge, f"{row.success:.1%}", f"{row.sent:.3f}", f"{row.raced:.1%}",
            f"{row.p50:.2f}", f"{row.p95:.2f}", f"{row.p99:.2f}", f"{row.at_best:.0%}", f"{row.regret:.1f}",
        )  # fmt: skip
