"""A child process that ends when its parent is killed, so that no router or server is left behind. On Linux alone."""

import ctypes
import signal
import sys
from collections.abc import Callable

PR_SET_PDEATHSIG = 1
"""Of prctl(2)."""


def ending_with_parent(signum: signal.Signals) -> Callable[[], None] | None:
    """For `preexec_fn` of a Popen: the child gets the signal when the thread that started it ends."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)

    def ask() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signum)

    return ask
