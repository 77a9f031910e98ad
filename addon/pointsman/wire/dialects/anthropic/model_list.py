"""Anthropic's list of models, for clients that say which version of its interface they speak."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pointsman.config.enums import Kind
from pointsman.wire.dialects.base import ListedModel, ModelList, ModelPage


def is_asked(path: str, headers: Mapping[str, str]) -> bool:
    return "/v1beta/" not in path and "anthropic-version" in headers


def document(page: ModelPage, created: float) -> dict[str, Any]:
    data = [model(each, created) for each in page.models]
    first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    return {"data": data, "has_more": page.has_more, "first_id": first, "last_id": last}


def model(listed: ListedModel, created: float) -> dict[str, Any]:
    moment = datetime.fromtimestamp(created, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return {"type": "model", "id": listed.id, "display_name": listed.name or listed.id, "created_at": moment}


MODEL_LIST = ModelList(is_asked, document, model, after="after_id", kinds=frozenset({Kind.CHAT}))
