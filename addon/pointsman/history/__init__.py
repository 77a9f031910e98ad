"""The request log in SQLite: one row for each attempt, written off the request path, and what is read back from it."""

from pointsman.history.history import History

__all__ = ["History"]
