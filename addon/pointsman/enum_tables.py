"""Tables keyed by an enum, which must have an entry for each of its members."""

from collections.abc import Collection
from enum import StrEnum


def require_total(table: Collection[str], members: type[StrEnum], name: str) -> None:
    """Called at import, so that a forgotten entry is found at the start. Raises TypeError, which names the table and
    the members that it lacks.
    """
    if missing := ", ".join(f"{members.__name__}.{each.name}" for each in members if each not in table):
        raise TypeError(f"{name} has no entry for {missing}; add one")
