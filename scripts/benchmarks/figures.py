"""The results of a scenario, as a table and as data for `--json`."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

COLUMNS = "{:<26}  {:<20}  {:>9}  {:>9}  {:>6}  {:>13}"
OTHER_COLUMNS = "  {:>9}  {:>12}  {:>13}"
"""Appended where another version takes part."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, least and greatest of several values."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread | None":
        """None for no values."""
        return cls(statistics.median(values), min(values), max(values)) if values else None


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of every proxy: `router[i]`, `bare[i]` and `other[i]` are from the same round, None where the
    value is not known. `bare` and `other` are empty where bare mitmproxy or another version does not take part.
    """

    setting: str
    name: str
    router: Sequence[float | None]
    bare: Sequence[float | None] = ()
    other: Sequence[float | None] = ()

    def ratios(self) -> list[float]:
        """router / bare mitmproxy, round by round; incomplete rounds are omitted."""
        return _ratios(self.router, self.bare)

    def other_ratios(self) -> list[float]:
        """router / other version, round by round; incomplete rounds are omitted."""
        return _ratios(self.router, self.other)

    def as_data(self) -> dict[str, Any]:
        data = {
            "setting": self.setting,
            "figure": self.name,
            "router": list(self.router),
            "bare": list(self.bare),
            "ratios": self.ratios(),
            "ratio": _as_data(self.ratios()),
        }
        if self.other:
            ratios = self.other_ratios()
            data |= {"other": list(self.other), "other_ratios": ratios, "other_ratio": _as_data(ratios)}
        return data


def _ratios(ours: Sequence[float | None], theirs: Sequence[float | None]) -> list[float]:
    rounds = zip(ours, theirs, strict=True) if theirs else ()
    return [one / two for one, two in rounds if one is not None and two]


def _as_data(ratios: Sequence[float]) -> dict[str, float] | None:
    spread = Spread.of(ratios)
    return asdict(spread) if spread else None


@dataclass(frozen=True, slots=True)
class Report:
    """What a scenario returns. `warnings` name what may have distorted the figures. `markdown` is printed instead of
    the usual table where a scenario has one of its own.
    """

    conditions: str
    figures: Sequence[Figure]
    warnings: Sequence[str] = ()
    markdown: Sequence[str] = ()

    def as_data(self) -> dict[str, Any]:
        return {
            "conditions": self.conditions,
            "figures": [figure.as_data() for figure in self.figures],
            "warnings": list(self.warnings),
        }


def table(name: str, report: Report) -> Iterator[str]:
    """The lines of a report. Figures are medians over the rounds. Where another version takes part, its columns follow
    those of bare mitmproxy.
    """
    if report.markdown:
        yield from report.markdown
        return
    yield f"{name}: {report.conditions}"
    titles = COLUMNS.format("", "", "router", "bare", "ratio", "range")
    if any(figure.other for figure in report.figures):
        titles += OTHER_COLUMNS.format("other", "router/other", "range")
    yield titles.rstrip()
    above = ""
    for figure in report.figures:
        yield _row(figure, "" if figure.setting == above else figure.setting)
        above = figure.setting
    for warning in report.warnings:
        yield f"warning: {warning}"


def _row(figure: Figure, setting: str) -> str:
    bare = (_middle(figure.bare), *_ratio(figure.ratios()))
    row = COLUMNS.format(setting, figure.name, _middle(figure.router), *bare)
    if figure.other:
        row += OTHER_COLUMNS.format(_middle(figure.other), *_ratio(figure.other_ratios()))
    return row.rstrip()


def _ratio(ratios: Sequence[float]) -> tuple[str, str]:
    """Median and range."""
    spread = Spread.of(ratios)
    return (f"{spread.median:.2f}", f"{spread.low:.2f} – {spread.high:.2f}") if spread else ("", "")


def _middle(values: Sequence[float | None]) -> str:
    spread = Spread.of([value for value in values if value is not None])
    return f"{spread.median:.{0 if spread.median >= 100 else 2}f}" if spread else "–"


def document(machine: Mapping[str, Any], reports: Mapping[str, Report]) -> dict[str, Any]:
    """The document that `--json` writes."""
    return {"machine": dict(machine), "scenarios": {name: report.as_data() for name, report in reports.items()}}
