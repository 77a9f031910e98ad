"""Duo's list of models."""

from collections.abc import Mapping
from typing import Any

from pointsman.wire.dialects.base import ListedModel, ModelList, ModelPage


def is_asked(path: str, headers: Mapping[str, str]) -> bool:
    return "x-duo-key" in headers


def document(page: ModelPage, created: float) -> dict[str, Any]:
    return {"names": [model.id for model in page.models]}


def model(listed: ListedModel, created: float) -> dict[str, Any]:
    return {"name": listed.id}


MODEL_LIST = ModelList(is_asked, document, model)
