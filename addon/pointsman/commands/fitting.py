"""Tables that fit the terminal: whole columns are left out, rather than all of them folded until none can be read."""

from collections.abc import Callable, Collection, Sequence

from rich.console import Console
from rich.table import Table

MAX_WIDTH = 10_000
"""Columns of a terminal in which nothing is folded."""


def print_fitting(screen: Console, build: Callable[[Collection[str]], Table], order: Sequence[str]) -> None:
    """`build` makes the table without the columns that it is given, which are the first ones of `order`. A pipe gets
    all of them, and no line is folded.
    """
    table = build(())
    if not screen.is_terminal:
        Console(width=_width(table)).print(table)
        return
    for left_out in range(1, len(order) + 1):
        if _width(table) <= screen.width:
            break
        table = build(order[:left_out])
    screen.print(table)


def _width(table: Table) -> int:
    return Console(width=MAX_WIDTH).measure(table).maximum
