"""What a scenario finds out, and how it is shown: a table for people, plain data for `--json`."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

COLUMNS = "{:<16}  {:<20}  {:>9}  {:>9}  {:>6}  {:>13}"


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of several values, and the least and the greatest of them."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread | None":
        """None for no values."""
        return cls(statistics.median(values), min(values), max(values)) if values else None


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of both contestants: `router[i]` and `bare[i]` are from the same round, None where it is not known.
    A figure that has no opponent leaves `bare` empty.
    """

    setting: str
    name: str
    router: Sequence[float | None]
    bare: Sequence[float | None] = ()

    def ratios(self) -> list[float]:
        """The router's share of bare mitmproxy's figure, pair by pair; pairs that are not complete are left out."""
        pairs = zip(self.router, self.bare, strict=True) if self.bare else ()
        return [ours / theirs for ours, theirs in pairs if ours is not None and theirs]

    def as_data(self) -> dict[str, Any]:
        spread = Spread.of(self.ratios())
        ratio = {"median": spread.median, "low": spread.low, "high": spread.high} if spread else None
        return {
            "setting": self.setting,
            "figure": self.name,
            "router": list(self.router),
            "bare": list(self.bare),
            "ratios": self.ratios(),
            "ratio": ratio,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """What a scenario returns. `warnings` say what may have spoiled the figures."""

    conditions: str
    figures: Sequence[Figure]
    warnings: Sequence[str] = ()

    def as_data(self) -> dict[str, Any]:
        return {
            "conditions": self.conditions,
            "figures": [figure.as_data() for figure in self.figures],
            "warnings": list(self.warnings),
        }


def table(name: str, report: Report) -> Iterator[str]:
    """The lines of a report. Figures are medians over the rounds."""
    yield f"{name}: {report.conditions}"
    yield COLUMNS.format("", "", "router", "bare", "ratio", "range").rstrip()
    above = ""
    for figure in report.figures:
        yield _row(figure, "" if figure.setting == above else figure.setting)
        above = figure.setting
    for warning in report.warnings:
        yield f"warning: {warning}"


def _row(figure: Figure, setting: str) -> str:
    ratio = Spread.of(figure.ratios())
    cells = (f"{ratio.median:.2f}", f"{ratio.low:.2f} – {ratio.high:.2f}") if ratio else ("", "")
    return COLUMNS.format(setting, figure.name, _middle(figure.router), _middle(figure.bare), *cells).rstrip()


def _middle(values: Sequence[float | None]) -> str:
    spread = Spread.of([value for value in values if value is not None])
    return f"{spread.median:.{0 if spread.median >= 100 else 2}f}" if spread else "–"


def document(machine: Mapping[str, Any], reports: Mapping[str, Report]) -> dict[str, Any]:
    """What `--json` writes."""
    return {"machine": dict(machine), "scenarios": {name: report.as_data() for name, report in reports.items()}}
