"""What each setting means, in the words of the configuration reference, docs/configuration.md: its tables are the one
place where that is said.
"""

import re
from functools import cache
from pathlib import Path

from pointsman.config.messages import ConfigPath

PACKAGE = Path(__file__).parents[1]
PLACES = (PACKAGE / "configuration.md", PACKAGE.parents[1] / "docs" / "configuration.md")
"""Where the reference is: in an installed package, and in a checkout."""
SECTION = re.compile(r"#{2,3} `?([\w ]+)`?")
HEADING = re.compile(r"\| key(?: of `(\w+)`)? \| default \| (\w+) \|")
ROW = re.compile(r"\| (`\w+`(?:, `\w+`)*) \| .*? \| (.+) \|")
POINTER = re.compile(r",? ?\(?(?:[Ss]ee )?\[(?:below|why|choosing)\]\([^)]*\)\)?\.?")
LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")
SAME_AS = {"timeouts": "stream"}
"""Mappings whose keys are explained in another section."""
PLURALS = {"Models": "models", "Keys": "keys", "Redirects": "redirects", "Prices": "prices"}


def meaning(place: ConfigPath) -> str | None:
    """The meaning of the setting, in Markdown without links. What the reference has no row for has that of the mapping
    that it stands in; None if there is none.

    >>> meaning(("history", "keep"))
    'how long entries are kept'
    """
    names = [str(step) for step in place]
    if names[:1] == ["providers"]:
        names = ["providers", *names[2:]]
        if names[1:2] == ["models"] and len(names) > 2:
            names = ["models", *names[3:]]
    while len(names) > 1:
        if found := _tables().get((SAME_AS.get(names[-2], names[-2]), names[-1])):
            return found
        names.pop()
    return None


@cache
def _tables() -> dict[tuple[str, str], str]:
    """By section, or the key of a mapping within one, and key."""
    path = next((each for each in PLACES if each.is_file()), None)
    found: dict[tuple[str, str], str] = {}
    section = column = ""
    for line in path.read_text(encoding="utf-8").splitlines() if path else ():
        if match := SECTION.fullmatch(line):
            section = PLURALS.get(match[1], match[1])
        elif match := HEADING.fullmatch(line):
            section, column = match[1] or section, match[2]
        elif match := ROW.fullmatch(line):
            words = LINK.sub(r"\1", POINTER.sub("", match[2]))
            for key in re.findall(r"\w+", match[1]):
                found.setdefault((section, key), f"after {words}" if column == "after" else words)
    return found
