"""Duo, as the demo provider speaks it."""

from collections.abc import Sequence
from typing import Any

from pointsman.wire.dialects.demo_base import DemoAnswer, DemoError, DemoEvent, DemoRequest, EventRole
from pointsman.wire.dialects.demo_helpers import counts, dumps, encoded, model_of

OVER = {"stop": "done", "length": "cut"}


def claims(route: str) -> bool:
    return route.endswith("/duo")


def asks_count(route: str) -> bool:
    return False


def question(body: dict[str, Any]) -> str:
    return str(body["lines"][-1]["words"])


def wants_stream(request: DemoRequest) -> bool:
    return request.fields.get("live") is True


def streams_list(request: DemoRequest) -> bool:
    return False


def events(answer: DemoAnswer, request: DemoRequest) -> list[DemoEvent]:
    said = [DemoEvent(EventRole.CONTENT, dumps({"say": token})) for token in answer.tokens]
    return [*said, DemoEvent(EventRole.END, dumps(_ending(answer, request)))]


def whole(answer: DemoAnswer, request: DemoRequest) -> bytes:
    lines = [{"who": "me", "words": answer.text}]
    return encoded({"model": model_of(answer, request), "lines": lines, **_ending(answer, request)})


def error_body(error: DemoError) -> bytes:
    return _error(error).encode()


def error_event(error: DemoError, request: DemoRequest) -> DemoEvent:
    return DemoEvent(EventRole.ERROR, _error(error))


def ping() -> DemoEvent:
    return DemoEvent(EventRole.COMMENT, "ping")


def models_body(models: Sequence[str]) -> bytes:
    return encoded({"names": list(models)})


def _ending(answer: DemoAnswer, request: DemoRequest) -> dict[str, Any]:
    prompt, said = counts(answer, request)
    return {"over": OVER.get(answer.finish, answer.finish), "counts": {"in": prompt, "out": said}}


def _error(error: DemoError) -> str:
    return dumps({"sorry": {"message": error.message, "code": error.code}})
