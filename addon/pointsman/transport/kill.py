"""Kills that take effect at once: mitmproxy itself only notes them on the flow, and looks there at its next hook."""

from collections.abc import Callable
from weakref import WeakMethod

from mitmproxy import flow


def tell_of_kill(watched: flow.Flow, killed: Callable[[], None]) -> None:
    """`killed`, a method, is called after whoever kills this flow. A flow is kept long; its stream is not."""
    listener = WeakMethod(killed)
    kill = watched.kill

    def kill_and_tell() -> None:
        kill()  # type: ignore[no-untyped-call]
        if tell := listener():
            tell()

    watched.kill = kill_and_tell  # type: ignore[method-assign]


def tell_no_more(watched: flow.Flow) -> None:
    watched.__dict__.pop("kill", None)
