"""Ends this process when its parent ends, for whatever reason: the parent holds the other end of our stdin.

Works as a script for mitmproxy's `-s` too.
"""

import os
import threading
from typing import Any


def exit_with_parent() -> None:
    """Starts a thread that reads stdin until its end; what it reads is discarded."""
    threading.Thread(target=_wait_for_end_of_stdin, name="parent-watch", daemon=True).start()


def _wait_for_end_of_stdin() -> None:
    while os.read(0, 4096):
        pass
    os._exit(0)


def load(_: Any) -> None:
    """mitmproxy's hook."""
    exit_with_parent()
