"""Content views for mitmproxy: what a chat request or answer says, whatever its dialect, and its raw events."""

from mitmproxy.contentviews import Contentview

from pointsman.views.llm_chat import LLMChat
from pointsman.views.llm_events import LLMEvents

VIEWS: tuple[Contentview, ...] = (LLMChat(), LLMEvents())
