"""Google's list of models: at its own path, and at the path of the others for clients that show Google's headers."""

from collections.abc import Mapping
from typing import Any

from pointsman.config.enums import Kind
from pointsman.wire.dialects.base import ListedModel, ModelList, ModelPage

METHODS = {
    Kind.CHAT: ("generateContent", "streamGenerateContent", "countTokens"),
    Kind.EMBEDDING: ("embedContent", "batchEmbedContents"),
}
HEADERS = ("x-goog-api-key", "x-goog-api-client")


def is_asked(path: str, headers: Mapping[str, str]) -> bool:
    return "/v1beta/" in path or any(name in headers for name in HEADERS)


def document(page: ModelPage, created: float) -> dict[str, Any]:
    """The token of the next page is the name of the last model of this one."""
    token = {"nextPageToken": page.models[-1].id} if page.has_more else {}
    return {"models": [_row(model) for model in page.models], **token}


def _row(model: ListedModel) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": f"models/{model.id}",
        "displayName": model.name or model.id,
        "supportedGenerationMethods": [method for kind in model.kinds for method in METHODS.get(kind, ())],
    }
    if model.context is not None:
        row["inputTokenLimit"] = model.context
    return row


MODEL_LIST = ModelList(
    is_asked, document, lambda listed, _: _row(listed), limit="pageSize", after="pageToken", kinds=frozenset(METHODS)
)
