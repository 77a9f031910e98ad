"""The dialects a provider can answer in. A new one is a module with the functions of `Voice`, and a row in `VOICES`."""

from collections.abc import Mapping

from pointsman.demo.voices import anthropic, gemini, openai_chat, openai_responses
from pointsman.demo.voices.parts import Answer, Complaint, Event, Part, ToolCall, Usage, Voice

VOICES: tuple[Voice, ...] = (openai_chat, openai_responses, anthropic, gemini)
DEFAULT_VOICE: Voice = openai_chat

__all__ = [
    "DEFAULT_VOICE",
    "VOICES",
    "Answer",
    "Complaint",
    "Event",
    "Part",
    "ToolCall",
    "Usage",
    "Voice",
    "count_member",
    "voice_for",
    "voice_of_list",
]


def voice_for(route: str) -> Voice | None:
    """The voice whose chat path this is, None for any other path."""
    return next((voice for voice in VOICES if voice.claims(route)), None)


def count_member(route: str) -> str | None:
    """Where the answer has the number, if this path asks for a number of tokens; None for any other path."""
    ways = [voice.COUNT for voice in VOICES if voice.COUNT]
    return next((member for ending, member in ways if route.endswith(ending)), None)


def voice_of_list(route: str, headers: Mapping[str, str]) -> Voice:
    """The voice in which models are listed; `headers` by name in lower case."""
    if "/v1beta/" in route:
        return gemini
    return anthropic if "anthropic-version" in headers else DEFAULT_VOICE
