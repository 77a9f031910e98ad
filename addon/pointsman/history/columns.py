"""Values as columns of the file take them."""

MAX_COUNT = 2**53
"""Providers may report anything; a column holds 64 bits, and sums of many must fit too."""


def token_count(reported: int) -> int:
    return reported if 0 <= reported <= MAX_COUNT else max(0, min(reported, MAX_COUNT))


def nanodollars(cost: int | None) -> int | None:
    """The cost as a column takes it; None: not known."""
    return None if cost is None else max(0, min(cost, MAX_COUNT))


def text(given: str) -> str:
    """Without lone surrogates, which no database takes, and without NUL, at which SQLite ends a text from JSON."""
    if given.isascii() and "\0" not in given:
        return given
    return given.encode(errors="replace").decode().replace("\0", "?")
