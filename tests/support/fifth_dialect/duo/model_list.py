"""Duo's list of models."""

from collections.abc import Mapping, Sequence
from typing import Any

from pointsman.wire.dialects.base import ListedModel, ModelList


def is_asked(path: str, headers: Mapping[str, str]) -> bool:
    return "x-duo-key" in headers


def document(models: Sequence[ListedModel], created: float) -> dict[str, Any]:
    return {"names": [model.id for model in models]}


MODEL_LIST = ModelList(is_asked, document)
