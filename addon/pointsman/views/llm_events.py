"""The view "LLM events": a streamed answer as it came, event by event, with the gaps between them."""

from mitmproxy.contentviews import Contentview, Metadata, SyntaxHighlight
from mitmproxy.http import HTTPFlow

from pointsman.recording.flow_notes import note
from pointsman.views.reading.chats import is_stream
from pointsman.views.reading.raw_events import Moments, raw_events

SECOND_BEST, UNREADABLE = 1.5, -1.0


class LLMEvents(Contentview):
    name = "LLM events"
    syntax_highlight: SyntaxHighlight = "none"

    def render_priority(self, data: bytes, metadata: Metadata) -> float:
        """After the view of the chat, but before those that know nothing of events."""
        is_events = (metadata.content_type or "").lower().startswith("text/event-stream")
        return SECOND_BEST if is_events and is_stream(data) else UNREADABLE

    def prettify(self, data: bytes, metadata: Metadata) -> str:
        try:
            return raw_events(data, _moments(metadata)) or _plain(data)
        except Exception:  # whatever a body holds, the user sees it all the same
            return _plain(data)


def _moments(metadata: Metadata) -> Moments:
    flow = metadata.flow
    is_response = isinstance(flow, HTTPFlow) and metadata.http_message is flow.response
    moments: Moments = note(flow).get("marks", []) if is_response else []
    return moments


def _plain(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")
