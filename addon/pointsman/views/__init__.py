"""Content views for mitmproxy: what a chat request or answer says, whatever its dialect, and its raw events."""

from mitmproxy.contentviews import Contentview

VIEWS: tuple[Contentview, ...] = ()
