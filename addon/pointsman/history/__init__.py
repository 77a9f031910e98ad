"""The request log in SQLite: a row for each request and each attempt, written off the request path, and what is read
back from it.
"""

from pointsman.history.history import History
from pointsman.history.request_rows import LEFT_EARLY, Ending, RefusedRequest

__all__ = ["LEFT_EARLY", "Ending", "History", "RefusedRequest"]
