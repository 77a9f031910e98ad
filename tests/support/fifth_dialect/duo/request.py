"""Requests of Duo."""

from pointsman.wire.dialects.base import Purpose
from pointsman.wire.request_body import flag, json_size, model_of, objects, parse_object, with_model
from pointsman.wire.request_facts import BYTES_PER_TOKEN, RequestFacts

PATH = "/duo"


def purpose_of(path: str) -> Purpose | None:
    return Purpose.CHAT if path.endswith(f"/v1{PATH}") else None


def facts(body: bytes, path: str) -> RequestFacts:
    document = parse_object(body)
    model, span = model_of(body, document)
    lines = objects(document, "lines", "line")
    return RequestFacts(
        model=model,
        stream=flag(document, "live"),
        needs=frozenset(),
        tokens=json_size(list(lines)) // BYTES_PER_TOKEN,
        model_span=span,
        document=document,
    )


def outbound(body: bytes, facts: RequestFacts, model: str) -> tuple[bytes, str]:
    return with_model(body, facts.model_span, model), PATH


def auth_headers(key: str) -> list[tuple[str, str]]:
    return [("X-Duo-Key", key)]
