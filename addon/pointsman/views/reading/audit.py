"""The audit of a routed flow as a table: the attempts with their outcomes, and the excluded candidates.

It reads what a flow carries, which may come from a file of another version: what is missing is left blank.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pointsman.wire.json_access import Members, mapping, mappings

type Cell = Callable[[Members], str]


def _word(name: str) -> Cell:
    return lambda attempt: "" if attempt.get(name) is None else str(attempt[name])


def _seconds(name: str) -> Cell:
    def cell(attempt: Members) -> str:
        value = attempt.get(name)
        return f"{value / 1000:.2f} s" if isinstance(value, int | float) else ""

    return cell


def _target(attempt: Members) -> str:
    return f"{attempt.get('provider', '?')}/{attempt.get('model_sent') or attempt.get('model', '?')}"


COLUMNS: Mapping[str, Cell] = {
    "#": _word("n"),
    "target": _target,
    "key": _word("key"),
    "outcome": _word("outcome"),
    "status": _word("status"),
    "error": _word("error"),
    "first content": _seconds("first_content_ms"),
    "settled": _seconds("settled_ms"),
    "bytes": _word("bytes"),
    "why": _word("why"),
}


def exchange_table(audit: Members) -> str:
    attempts = mappings(audit.get("attempts"))
    names = ("request_id", "mode", "model", "taken_as", "session", "sticky", "status", "error")
    facts = [f"{name} {audit[name]}" for name in names if audit.get(name) is not None]
    return "\n".join([" | ".join(facts), "", *_table(attempts), *_messages(attempts), *_excluded(audit)])


def attempt_table(note: Members) -> str:
    attempt = mapping(note.get("attempt"))
    redirect = mapping(attempt.get("redirect"))
    lines = [f"attempt {attempt.get('n', '?')} of exchange {note.get('request_id', '?')}", "", *_table([attempt])]
    if redirect:
        lines.append(f"redirected: {', '.join(f'{name} {value}' for name, value in redirect.items())}")
    return "\n".join([*lines, *_messages([attempt])])


def _table(attempts: Sequence[Members]) -> list[str]:
    rows = [list(COLUMNS), *([cell(attempt) for cell in COLUMNS.values()] for attempt in attempts)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _messages(attempts: Sequence[Members]) -> list[str]:
    return [f"#{attempt.get('n')}: {attempt['message']}" for attempt in attempts if attempt.get("message")]


def _excluded(audit: Members) -> list[str]:
    excluded = mappings(audit.get("excluded"))
    lines = [_exclusion(each) for each in excluded]
    count: Any = audit.get("excluded_count")
    if isinstance(count, int) and count > len(excluded):
        lines.append(f"and {count - len(excluded)} more")
    return ["", "excluded:", *lines] if lines else []


def _exclusion(candidate: Members) -> str:
    key = f" {candidate['key']}" if candidate.get("key") else ""
    return f"  {candidate.get('provider', '?')}/{candidate.get('model', '?')}{key}: {candidate.get('reason', '?')}"
