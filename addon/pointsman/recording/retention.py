"""A bound on how many flows mitmproxy's view keeps: it would keep every one for ever."""

from mitmproxy import ctx, flow, http

from pointsman.recording.flow_notes import is_marked_by_hand

OPTION = "pointsman_max_flows"
TRIM_DIVISOR = 100
"""Once over the bound, one in so many goes beyond it, so that not every new flow has to look for the oldest one."""


def trim() -> None:
    """Take the oldest finished flows out of the view, where there is one, as far as it holds too many."""
    view = ctx.master.addons.get("view")
    most = ctx.options.pointsman_max_flows
    if view is None or view.store_count() <= most:
        return
    excess = view.store_count() - most + most // TRIM_DIVISOR
    for shown in view.resolve("@all"):  # oldest first
        if not excess:
            return
        if is_removable(shown):
            view.remove([shown])  # one by one, since of several it speaks in the log
            excess -= 1


def is_removable(shown: flow.Flow) -> bool:
    """Finished, not intercepted and not marked by hand."""
    if shown.live or shown.intercepted or is_marked_by_hand(shown):
        return False
    return not isinstance(shown, http.HTTPFlow) or bool(shown.response or shown.error)
