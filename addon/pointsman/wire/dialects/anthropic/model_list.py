"""Anthropic's list of models, for clients that say which version of its interface they speak."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pointsman.config.enums import Kind
from pointsman.wire.dialects.base import ListedModel, ModelList


def is_asked(path: str, headers: Mapping[str, str]) -> bool:
    return "/v1beta/" not in path and "anthropic-version" in headers


def document(models: Sequence[ListedModel], created: float) -> dict[str, Any]:
    moment = datetime.fromtimestamp(created, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    data = [
        {"type": "model", "id": model.id, "display_name": model.name or model.id, "created_at": moment}
        for model in models
        if Kind.CHAT in model.kinds
    ]
    return {"data": data, "has_more": False, "first_id": data[0]["id"], "last_id": data[-1]["id"]}


MODEL_LIST = ModelList(is_asked, document)
