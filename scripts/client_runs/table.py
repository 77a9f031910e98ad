"""The table in docs/clients.md, between two markers. What is around it stays, and so do the rows of other clients."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from client_runs.client import Client
from client_runs.scenarios import Name

BEGIN, END = "<!-- begin: client runs -->", "<!-- end: client runs -->"
DIALECT_COLUMNS = {"openai-chat": "chat", "openai-responses": "responses", "anthropic": "anthropic", "gemini": "gemini"}
"""The dialects of the provider, and what the table calls them."""
OTHER_COLUMNS = {
    Name.FAILOVER: "failover",
    Name.SLOW: "slow",
    Name.CUT: "cut",
    Name.RECOVER: "recover",
    Name.CONTINUE: "continue",
}
HEADS = ("client", "version", "run on", "speaks", *DIALECT_COLUMNS.values(), *OTHER_COLUMNS.values(), "note")
NOT_RUN = "–"


class MarkersMissing(Exception):
    """The page has no place for the table."""


@dataclass(frozen=True, slots=True)
class Row:
    """`turns` has a cell for each dialect of the provider; a cell that is missing was not run. `date` is YYYY-MM-DD."""

    client: Client
    turns: Mapping[str, str]
    others: Mapping[Name, str]
    date: str
    skipped: str | None = None
    """Why it was not run."""

    @property
    def line(self) -> str:
        known = [self.client.title, self.client.package.version, self.date, self.client.dialect.value]
        turns = [self.turns.get(name, NOT_RUN) for name in DIALECT_COLUMNS]
        others = [self.others.get(name, NOT_RUN) for name in OTHER_COLUMNS]
        note = f"not run: {self.skipped}" if self.skipped else self.client.note
        return _line([*known, *turns, *others, note.replace("|", "/")])

    @property
    def is_good(self) -> bool:
        return "no" not in (*self.turns.values(), *self.others.values())


def table(lines: Sequence[str]) -> str:
    """`lines` are those of rows."""
    return "\n".join([_line(HEADS), _line(["---"] * len(HEADS)), *lines])


def replaced(page: str, rows: Sequence[Row], titles: Sequence[str]) -> str:
    """The page with these rows; those of other clients stay, all in the order of `titles`. Raises MarkersMissing."""
    before, begin, rest = page.partition(BEGIN)
    old, end, after = rest.partition(END)
    if not begin or not end:
        raise MarkersMissing(f"the page needs the lines {BEGIN} and {END}")
    known = {title: line for line in old.splitlines() if (title := _title(line)) in titles}
    known |= {row.client.title: row.line for row in rows}
    new = table([known[title] for title in titles if title in known])
    return f"{before}{begin}\n{new}\n{end}{after}"


def write(path: Path, rows: Sequence[Row], titles: Sequence[str]) -> None:
    """Raises MarkersMissing."""
    path.write_text(replaced(path.read_text(), rows, titles))


def _title(line: str) -> str:
    return line.removeprefix("| ").partition(" | ")[0]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")
