"""Ends this process when the one that started it has gone, however it went: its end of our stdin closes.

Works as a script for mitmproxy's `-s` too.
"""

import os
import threading
from typing import Any


def hold() -> None:
    """Begin to watch stdin. What is written there is thrown away."""
    threading.Thread(target=_end_with_the_starter, name="leash", daemon=True).start()


def _end_with_the_starter() -> None:
    while os.read(0, 4096):
        pass
    os._exit(0)


def load(_: Any) -> None:
    """mitmproxy's hook."""
    hold()
