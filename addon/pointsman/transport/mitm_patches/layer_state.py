"""What mitmproxy's layers keep for themselves.

Why: while a large request is parsed in a thread, its stream is paused, and mitmproxy queues events for it. Whether the
client has left in the meantime stands in that queue alone.
Inner part: `Layer._paused_event_queue`. No switch: nothing else says so.
"""

from mitmproxy.proxy import events, layer


def has_paused_event(paused: layer.Layer, kind: type[events.Event]) -> bool:
    """An event of this kind waits until the layer goes on."""
    return any(isinstance(event, kind) for event in paused._paused_event_queue)
