"""A chat as people read it: what was asked of which model, who said what, and how it ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from pointsman.wire.frames import Usage
from pointsman.wire.json_access import Members, mapping, mappings, text

LONGEST_VALUE = 300
"""Characters of a parameter's value, of which a schema may have thousands."""
ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class EntryPart:
    """`label` is empty for plain text, else `reasoning`, `call get_weather`, `image` …"""

    text: str
    label: str = ""


@dataclass(slots=True)
class Entry:
    role: str
    pieces: list[EntryPart] = field(default_factory=list)

    def add(self, said: object, label: str = "") -> None:
        """A text as it is, anything else as JSON; empty values are dropped."""
        if said not in (None, "", [], {}):
            self.pieces.append(EntryPart(said if isinstance(said, str) else written(said), label))


@dataclass(slots=True)
class Transcript:
    model: str = ""
    parameters: list[tuple[str, str]] = field(default_factory=list)
    tools: list[str] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    usage: Usage | None = None
    finish: str | None = None
    error: str | None = None

    def is_empty(self) -> bool:
        return not (self.entries or self.usage or self.finish or self.error)


class Draft:
    """A message that arrives in pieces: texts of the same key are joined, keys stay in the order of their coming."""

    def __init__(self) -> None:
        self._texts: dict[object, list[str]] = {}
        self._labels: dict[object, str] = {}

    def add(self, key: object, said: object, label: str = "") -> None:
        """The last label that is not empty counts."""
        if said in (None, ""):
            said = ""
        elif not isinstance(said, str):
            said = written(said)
        self._texts.setdefault(key, []).append(str(said))
        if label:
            self._labels[key] = label

    def entry(self, role: str = ASSISTANT) -> Entry:
        pieces = [EntryPart("".join(texts), self._labels.get(key, "")) for key, texts in self._texts.items()]
        return Entry(role, [piece for piece in pieces if piece.text or piece.label])


def parameters_of(document: Members, *others: str) -> list[tuple[str, str]]:
    """All members but those that are shown elsewhere."""
    return [(name, shortened(value)) for name, value in document.items() if name not in others and value is not None]


def tool_names(tools: object) -> list[str]:
    """Of any dialect: a tool has its name at its root or in its `function`; Gemini's hold several."""
    names: list[str] = []
    for tool in mappings(tools):
        declared = mappings(tool.get("functionDeclarations") or tool.get("function_declarations"))
        found = [tool, mapping(tool.get("function")), *declared]
        named = [text(each.get("name")) for each in found if text(each.get("name"))]
        names += named or [text(tool.get("type")) or next(iter(tool), "?")]
    return names


def data_url(url: object) -> str:
    """An image's address; of one that is its own address only what it is."""
    given = text(url)
    return f"{given.partition(',')[0]}, {len(given)} characters" if given.startswith("data:") else given


def shortened(value: object) -> str:
    written_out = value if isinstance(value, str) else written(value)
    return written_out if len(written_out) <= LONGEST_VALUE else f"{written_out[:LONGEST_VALUE]}..."


def written(value: object) -> str:
    """JSON in one line."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return repr(value)


def laid_out(arguments: str) -> str:
    """The arguments of a call, normally JSON in a string."""
    try:
        parsed: Any = orjson.loads(arguments.encode("utf-8", "surrogatepass"))
    except orjson.JSONDecodeError:
        return arguments
    if not isinstance(parsed, Mapping):
        return arguments
    return orjson.dumps(parsed, option=orjson.OPT_INDENT_2).decode()
