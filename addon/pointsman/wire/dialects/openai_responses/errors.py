"""The error object of OpenAI's Responses, which is that of chat completions."""

from pointsman.wire.dialects.openai_chat.errors import error_body, fault

__all__ = ["error_body", "fault"]
