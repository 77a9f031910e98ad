"""Texts of configuration errors: paths as the file writes them, what was found, and what is kept out of messages."""

import difflib
import json
import re
from collections.abc import Iterable, Sequence

SECRET_KEYS = frozenset({"keys", "client_key", "admin_key", "proxy"})
"""Whatever stands at or below one of these names never enters a message. The same holds for the `key` of a client."""
SHARED_URL = ("shared", "url")
"""It may hold a password, so it never enters a message either."""

type ConfigPath = Sequence[str | int]
"""The way to a value: keys of mappings and positions in lists."""


class HiddenValueError(ValueError):
    """A fault whose sentence is complete: the value stays out of the message."""


class FromEnvironment(str):
    """Text that an environment variable gave. Flags and numbers in it are read as if they stood in the file.

    `hidden` is true for `${NAME}` in the file: such a variable mostly holds a secret, so messages name it instead.
    """

    variable: str
    hidden: bool

    def __new__(cls, text: str, variable: str, *, hidden: bool) -> "FromEnvironment":
        self = super().__new__(cls, text)
        self.variable = variable
        self.hidden = hidden
        return self

    def __repr__(self) -> str:
        return f"<{self.variable}>"


def is_secret_path(place: ConfigPath) -> bool:
    is_client_key = len(place) > 2 and (place[0], place[2]) == ("clients", "key")
    return is_client_key or tuple(place) == SHARED_URL or not SECRET_KEYS.isdisjoint(place)


def format_path(place: ConfigPath) -> str:
    """`providers.groq.models[2].limits.rpm`; a key that would be misread stands in quotes."""
    return "".join(_format_step(step) for step in place).removeprefix(".")


def _format_step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if re.fullmatch(r"[\w@/:-]{1,60}", step) else f".{quoted(step)}"


def describe_value(value: object, *, secret: bool = False) -> str:
    """What was found, for a message: the value, or only its kind where it may be a secret."""
    match value:
        case None:
            return "nothing"
        case list() | tuple():
            return "a list"
        case dict():
            return "a mapping"
        case FromEnvironment() if secret or value.hidden:
            return f"a value from {value.variable}"
        case FromEnvironment():
            return f"{quoted(str(value))} from {value.variable}"
        case str():
            return "text" if secret else quoted(value)
        case bool():
            return "true or false" if secret else str(value).lower()
        case _:
            return "a number" if secret else shortened(str(value))


def shortened(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}…"


def quoted(text: str) -> str:
    """In quotes; what cannot be seen, or would change how the rest is shown, as an escape."""
    said = json.dumps(shortened(text), ensure_ascii=False)
    return said if said.isprintable() else "".join(map(_visible, said))


def _visible(character: str) -> str:
    return character if character.isprintable() else json.dumps(character)[1:-1]


def suggestion(word: object, known: Iterable[str]) -> str:
    """` (did you mean "x"?)`, or nothing where no known word is close."""
    close = difflib.get_close_matches(word, list(known), n=1) if isinstance(word, str) else []
    return f" (did you mean {quoted(close[0])}?)" if close else ""
