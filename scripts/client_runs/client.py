"""What a row says of a client."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from client_runs.installing import Package
from client_runs.scenarios import Turn
from pointsman.config.enums import Dialect
from pointsman.demo import ReceivedRequest

MAIN_MODEL, SMALL_MODEL = "auto-smart", "auto-fast"
KEY = "sk-any"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a client runs: its home, the folder it works in, its programs, and the router."""

    home: Path
    folder: Path
    programs: Path
    node: Path | None
    router: str
    """Without a slash at the end, and without `/v1`."""

    def program(self, name: str) -> str:
        return str(self.programs / name)

    def write(self, name: str, content: str | Mapping[str, Any]) -> Path:
        """A file below the home."""
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content, indent=1))
        return path


class Command(Protocol):
    def __call__(self, place: Place, questions: Sequence[str], is_continued: bool) -> Sequence[str]: ...


def nothing(place: Place) -> Mapping[str, str]:
    """No variables, no files."""
    return {}


def has_tools(request: ReceivedRequest) -> bool:
    """Side requests of agents offer none."""
    return bool(request.fields.get("tools"))


@dataclass(frozen=True)
class Client:
    """One row. `prepare` writes the client's settings and returns its variables; `command` asks these questions."""

    name: str
    title: str
    package: Package
    dialect: Dialect
    command: Command
    prepare: Callable[[Place], Mapping[str, str]] = nothing
    tools: Mapping[str, Callable[[Path], Mapping[str, object]]] = field(default_factory=dict)
    """The tool that reads a file, by name, with its arguments; the first that a request offers is called. None: the
    client has no tools, and its turns read no files."""
    is_turn: Callable[[ReceivedRequest], bool] = has_tools
    takes_all_turns: bool = False
    """One process asks all questions of a conversation."""
    continues: bool = True
    """A second process can go on with the conversation of the first."""
    stdin: Callable[[Sequence[str]], str] | None = None
    """What is typed, where questions are not arguments."""
    note: str = ""
    """For the table."""

    def turns_of(self, turns: Sequence[Turn]) -> tuple[Turn, ...]:
        """Those that it can have, without files if it has no tools."""
        possible = turns if self.continues or self.takes_all_turns else turns[:1]
        return tuple(turn if self.tools else Turn(turn.number) for turn in possible)

    def calls_in(self, folder: Path, request: ReceivedRequest, files: Sequence[str]) -> list[tuple[str, Any]]:
        """Raises LookupError if the request offers no tool of the row."""
        offered = request.body.decode(errors="replace")
        for name, arguments in self.tools.items():
            if f'"{name}"' in offered:
                return [(name, arguments(folder / each)) for each in files]
        raise LookupError(f"{self.title} offers none of {', '.join(self.tools)}")
