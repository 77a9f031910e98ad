"""What mitmproxy's own tools use of the addon: its options, content views, and hooks on flows that end."""

from mitmproxy import contentviews, ctx, flow
from mitmproxy.addonmanager import Loader
from mitmproxy.exceptions import OptionsError

from pointsman.recording import retention, web_list
from pointsman.views import VIEWS

RECORD_OPTION = "pointsman_record_attempts"
MAX_FLOWS = 2000


class MitmIntegration:
    """A part of the addon `Pointsman`, by mitmproxy's way of nesting them."""

    def load(self, loader: Loader) -> None:
        has_view = ctx.master.addons.get("view") is not None
        loader.add_option(
            RECORD_OPTION,
            bool,
            has_view,
            "Record a flow for each attempt at a provider. Default: true with a user interface, false in mitmdump.",
        )
        loader.add_option(
            retention.OPTION,
            int,
            MAX_FLOWS,
            "Maximum number of flows in the view. The oldest are removed; live, intercepted and marked ones are kept.",
        )
        for view in VIEWS:
            if contentviews.registry.get(view.name.lower()) is not view:
                contentviews.add(view)

    def configure(self, updated: set[str]) -> None:
        if retention.OPTION in updated and ctx.options.pointsman_max_flows < 1:
            raise OptionsError(f"{retention.OPTION} must be at least 1, got {ctx.options.pointsman_max_flows}.")

    def running(self) -> None:
        web_list.show_comments()

    def _on_flow_ended(self, _: flow.Flow) -> None:
        retention.trim()

    response = error = websocket_end = _on_flow_ended
    tcp_end = tcp_error = udp_end = udp_error = dns_response = dns_error = _on_flow_ended
