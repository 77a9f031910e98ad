"""OpenAI's list of models, which is also what clients get that do not show which dialect they speak."""

from typing import Any

from pointsman.wire.dialects.base import ListedModel, ModelList, ModelPage


def document(page: ModelPage, created: float) -> dict[str, Any]:
    more = {"has_more": True} if page.has_more else {}
    return {"object": "list", "data": [_row(model, int(created)) for model in page.models], **more}


def _row(model: ListedModel, created: int) -> dict[str, Any]:
    row: dict[str, Any] = {"object": "model", "created": created, "id": model.id, "owned_by": model.owner}
    row["kind"] = model.kinds[0].value
    if len(model.kinds) > 1:
        row["kinds"] = [kind.value for kind in model.kinds]
    if model.alias_of:
        row["alias_of"] = model.alias_of
    if model.name:
        row["name"] = model.name
    if model.context is not None:
        row["context_window"] = row["context_length"] = model.context
    return row


MODEL_LIST = ModelList(lambda path, headers: False, document, lambda listed, created: _row(listed, int(created)))
