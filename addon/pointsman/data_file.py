"""Data files that come with the project: YAML of which only the parts in use are parsed. Parsing everything would take
a tenth of a second at each start.

A file is a mapping or a list whose members each begin at the start of a line; no member refers to another one.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

NAME = re.compile(r"^([\w.-]+):(?=\s)", re.MULTILINE)
ITEM = re.compile(r"^- ", re.MULTILINE)


class Sections(Mapping[str, Any]):
    """The members of a mapping, in the order of the file. Each is parsed when it is first read."""

    def __init__(self, path: Path) -> None:
        self._texts = {NAME.match(text)[1]: text for text in _members(path.read_text(), NAME)}  # type: ignore[index]
        self._parsed: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._parsed:
            self._parsed[name] = parsed(self._texts[name])[name]
        return self._parsed[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)


def items(path: Path) -> tuple[str, ...]:
    """The texts of the items of a list, in the order of the file; `item` parses one."""
    return tuple(_members(path.read_text(), ITEM))


@cache
def item(text: str) -> Any:
    return parsed(text)[0]


def parsed(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def _members(text: str, begin: re.Pattern[str]) -> Iterator[str]:
    starts = [match.start() for match in begin.finditer(text)]
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        yield text[start:end]
