"""Replays: a client's flow is routed like a new request, an attempt's flow is not replayed.

mitmproxy runs a replay with a handler of its own, apart from every client connection and without asking which layer
should take it. While `route_replays` is in force, that handler gets a layer of ours.
"""

from collections.abc import Callable
from functools import partial

from mitmproxy import flow
from mitmproxy.addons import clientplayback

from pointsman.recording.flow_notes import is_attempt, note
from pointsman.transport.http_layer import RoutedHttpLayer
from pointsman.transport.mitm_patches.replay_handler import patch_replays
from pointsman.transport.stream_host import StreamHost


def route_replays(host: StreamHost) -> Callable[[], None]:
    """Returns what ends it."""
    return patch_replays(partial(replace_layer, host), replay_refusal)


def replace_layer(host: StreamHost, handler: clientplayback.ReplayHandler) -> None:
    """Replaces the layer; the part that plays the client is unchanged."""
    old = handler.layer
    context = old.context
    context.layers.remove(old)
    handler.layer = RoutedHttpLayer(context, old.mode, host, handler)
    handler.layer.connections[handler.client] = old.connections[handler.client]


def replay_refusal(replayed: flow.Flow) -> str | None:
    """Why this flow cannot be replayed; None if it can be."""
    if not is_attempt(replayed):
        return None
    notes = note(replayed)
    return (
        "Pointsman: an attempt cannot be replayed because its key is masked."
        f" Replay the client's flow instead, of exchange {notes.get('request_id')}."
    )
