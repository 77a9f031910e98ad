"""The dialects a provider can answer in. A new one is a module with the functions of `Voice`, and a row in `VOICES`."""

from pointsman.demo.voices import openai_chat
from pointsman.demo.voices.parts import Answer, Complaint, Event, Part, ToolCall, Usage, Voice

VOICES: tuple[Voice, ...] = (openai_chat,)
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
    "voice_for",
]


def voice_for(route: str) -> Voice | None:
    """The voice whose chat path this is, None for any other path."""
    return next((voice for voice in VOICES if voice.claims(route)), None)
