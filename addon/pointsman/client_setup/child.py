"""The client as a child process: it has the terminal, gets the signals that we get, and its exit status is ours."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from urllib.parse import urlsplit

from pointsman.client_setup.background_router import is_loopback
from pointsman.client_setup.resolve import ClientSetup

FORWARDED = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGQUIT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
    if hasattr(signal, name)
)
FROM_TERMINAL = {signal.SIGINT, getattr(signal, "SIGQUIT", signal.SIGINT)}
"""A terminal sends these to the client too, which is in the same process group."""
PROXY_VARIABLES = ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")


type Children = list[subprocess.Popen[bytes]]


def environment(setup: ClientSetup, url: str, environ: Mapping[str, str]) -> dict[str, str]:
    """The child's: ours with the set-up's. A router on this machine is not reached through a proxy."""
    result = {name: value for name, value in environ.items() if name not in setup.client.unset}
    result.update(setup.env)
    parts = urlsplit(url)
    if is_loopback(parts) and any(environ.get(name) for name in PROXY_VARIABLES):
        for name in ("NO_PROXY", "no_proxy"):
            result[name] = ",".join(filter(None, [result.get(name), parts.hostname]))
    return result


@contextmanager
def forwarded_signals() -> Iterator[Children]:
    """Within it, signals go to the processes of the list; while it is empty, they end this process in good order.

    A handler, and not SIG_IGN, which a child would inherit.
    """
    children: Children = []

    def forward(signum: int, _: FrameType | None) -> None:
        if not children:
            raise SystemExit(128 + signum)
        if signum in FROM_TERMINAL and os.isatty(0):
            return
        for child in children:
            with suppress(ProcessLookupError):
                child.send_signal(signum)

    former = {each: signal.signal(each, forward) for each in FORWARDED}
    try:
        yield children
    finally:
        for each, handler in former.items():
            signal.signal(each, handler)


def run(command: Sequence[str], env: Mapping[str, str], children: Children) -> int:
    """Runs the command to its end, as one of `children`. Returns its exit status, as a shell gives it: 128 and the
    signal that ended it. Raises OSError if it cannot be started.
    """
    process = subprocess.Popen(command, env=env)
    children.append(process)
    status = process.wait()
    return status if status >= 0 else 128 - status
