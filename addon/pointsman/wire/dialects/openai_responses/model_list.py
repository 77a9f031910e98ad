"""OpenAI has one list of models for all its dialects."""

from pointsman.wire.dialects.openai_chat.model_list import MODEL_LIST

__all__ = ["MODEL_LIST"]
