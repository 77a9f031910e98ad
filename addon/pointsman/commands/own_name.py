"""How the command is called where it was not installed."""

import os

STARTED_AS = "POINTSMAN_STARTED_AS"
"""Set by `scripts/run` to its own path, as it was typed."""


def tell_own_name() -> None:
    """In a checkout, `pointsman` need not be on PATH: says what to type instead."""
    if started_as := os.environ.get(STARTED_AS):
        print(f"In this checkout, type {started_as} instead of pointsman.")
