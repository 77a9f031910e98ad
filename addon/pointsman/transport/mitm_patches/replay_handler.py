"""Replays with a layer of the caller's choice.

Why: mitmproxy runs a replay with a handler of its own, without asking which layer should take it, and decides by itself
what may be replayed.
Inner parts: the class `clientplayback.ReplayHandler` and the method `check` of the addon, both replaced. No switch: the
stock way sends a replay to its original host, with credentials that are masked.
"""

from collections.abc import Callable

from mitmproxy import ctx, flow, http
from mitmproxy.addons import clientplayback
from mitmproxy.options import Options


def patch_replays(
    replace_layer: Callable[[clientplayback.ReplayHandler], None], refusal: Callable[[flow.Flow], str | None]
) -> Callable[[], None]:
    """`replace_layer` is called with each new handler; `refusal` says why a flow cannot be replayed, None if it can.
    Returns what ends both.
    """
    stock = clientplayback.ReplayHandler

    class PatchedReplayHandler(stock):  # type: ignore[misc, valid-type]
        def __init__(self, replayed: http.HTTPFlow, options: Options) -> None:
            super().__init__(replayed, options)
            replace_layer(self)

    clientplayback.ReplayHandler = PatchedReplayHandler  # type: ignore[misc, assignment]
    playback = ctx.master.addons.get("clientplayback")
    if playback is not None:
        check = playback.check
        playback.check = lambda replayed: refusal(replayed) or check(replayed)

    def end() -> None:
        clientplayback.ReplayHandler = stock  # type: ignore[misc]
        if playback is not None:
            del playback.check

    return end
