"""Kills that take effect at once: mitmproxy itself only notes them on the flow, and looks there at its next hook. Of a
flow that is intercepted that hook never comes, since it is not resumed.

Inner part: `Flow.kill`, replaced on single flows. Gain: none in speed. Switch: `flow_kill`; a kill then takes effect
with the next piece of the answer or keep-alive, and an intercepted flow waits until it is resumed.
"""

from collections.abc import Callable
from weakref import WeakMethod, ref

from mitmproxy import flow

from pointsman.transport.mitm_patches.switches import switches


def notify_on_kill(watched: flow.Flow, killed: Callable[[], None]) -> None:
    """`killed`, a method, is called after this flow has been killed. A flow is kept long; its stream is not."""
    if not switches().flow_kill:
        return
    listener, own = WeakMethod(killed), ref(watched)

    def kill_and_notify() -> None:
        live = own()
        assert live, "its own method is called"
        if live.killable:
            live.resume()  # the waiting task continues after this
        type(live).kill(live)
        if notify := listener():
            notify()

    watched.kill = kill_and_notify  # type: ignore[method-assign]


def stop_notifying(watched: flow.Flow) -> None:
    watched.__dict__.pop("kill", None)
