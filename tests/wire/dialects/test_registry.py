"""The registry of dialects and the paths that speak them."""

import json

import pytest

from pointsman.config.enums import Dialect as DialectName
from pointsman.config.enums import Kind
from pointsman.wire.dialects.base import Purpose
from pointsman.wire.dialects.registry import DIALECTS, Route, count_body, dialect_of_path, route_of_path
from pointsman.wire.request_facts import RequestFacts

CHAT, RESPONSES, ANTHROPIC, GEMINI = (
    Route(DialectName.OPENAI_CHAT),
    Route(DialectName.OPENAI_RESPONSES),
    Route(DialectName.ANTHROPIC),
    Route(DialectName.GEMINI),
)


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/v1/chat/completions", CHAT),
        ("/v1/chat/completions?api-version=1", CHAT),
        ("/olla/proxy/v1/chat/completions", CHAT),
        ("/v1/responses", RESPONSES),
        ("/olla/v1/responses?x=1", RESPONSES),
        ("/v1/messages", ANTHROPIC),
        ("/v1/messages?beta=true", ANTHROPIC),
        ("/v1/messages/count_tokens", Route(DialectName.ANTHROPIC, Purpose.COUNT)),
        ("/a/v1/messages/count_tokens?beta=true", Route(DialectName.ANTHROPIC, Purpose.COUNT)),
        ("/v1beta/models/gemini-2.5-pro:generateContent", GEMINI),
        ("/v1/models/gemini-2.5-pro:generateContent", GEMINI),
        ("/v1beta/models/m:streamGenerateContent?alt=sse", GEMINI),
        ("/a/b/v1beta/models/vendor/m:free:streamGenerateContent?key=k", GEMINI),
        ("/v1beta/models/m:countTokens", Route(DialectName.GEMINI, Purpose.COUNT)),
        ("/v1/chat/completions/", None),
        ("/v1/chat/completions/123", None),
        ("/chat/completions", None),
        ("/xv1/chat/completions", None),
        ("/v1/responses/resp_1", Route(DialectName.OPENAI_RESPONSES, Purpose.STORED, methods=("GET", "DELETE"))),
        ("/a/v1/responses/resp_1/cancel?x=1", Route(DialectName.OPENAI_RESPONSES, Purpose.STORED, methods=("POST",))),
        ("/v1/responses/resp_1/input_items", Route(DialectName.OPENAI_RESPONSES, Purpose.STORED, methods=("GET",))),
        ("/v1/responses/resp_1/other", None),
        ("/v1/responses/..", None),
        ("/v1/responses/", None),
        ("/v1/responses/compact", RESPONSES),
        ("/v1/responses/input_tokens", Route(DialectName.OPENAI_RESPONSES, Purpose.COUNT)),
        ("/v1/messages/batches", None),
        ("/v1/threads/t/messages", None),
        ("/v1beta/models", None),
        ("/v1beta/models/m", None),
        ("/v1beta/models/:generateContent", None),
        ("/models/m:generateContent", None),
        ("/v1/models", None),
        ("/?x=/v1/chat/completions", None),
        ("/?x=/v1/models/m:generateContent", None),
        ("/", None),
        ("", None),
    ],
)
def test_a_path_has_its_route(path: str, route: Route | None) -> None:
    assert route_of_path(path) == route
    if route is not None:
        assert dialect_of_path(path) is (route.dialect if route.purpose is Purpose.CHAT else None)


@pytest.mark.parametrize(
    ("path", "dialect"),
    [
        ("/chat/completions/", DialectName.OPENAI_CHAT),
        ("/models/m:generateContent", DialectName.GEMINI),
        ("/messages/count_tokens", None),
        ("/v1/models", None),
        ("/", None),
    ],
)
def test_a_chat_path_may_be_spelt_in_other_ways(path: str, dialect: DialectName | None) -> None:
    assert dialect_of_path(path) is dialect


def test_a_path_made_to_be_long_is_read_at_once() -> None:
    assert route_of_path("/v1/models/" * 100_000 + ":") is None


def test_every_dialect_is_filed_under_its_own_name() -> None:
    assert {name: dialect.name for name, dialect in DIALECTS.items()} == {name: name for name in DialectName}


@pytest.mark.parametrize("name", [name for name, dialect in DIALECTS.items() if dialect.count_tokens])
def test_the_answer_to_a_question_for_tokens_is_one_that_its_reader_takes(name: DialectName) -> None:
    count = DIALECTS[name].count_tokens
    assert count
    reader = DIALECTS[name].reader(RequestFacts("m", False, frozenset(), 0, action=count.action), "application/json")
    body = count_body(name, 17)
    assert list(reader.read(body)) == []
    frames = reader.close()
    assert b"".join(frame.data for frame in frames) == body
    assert [frame.fault for frame in frames] == [None, None]
    assert json.loads(body)[count.member] == 17


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/v1/embeddings", Kind.EMBEDDING),
        ("/some/prefix/v1/embeddings?x=1", Kind.EMBEDDING),
        ("/v1beta/models/m:embedContent", Kind.EMBEDDING),
        ("/v1beta/models/vendor/m:batchEmbedContents?key=k", Kind.EMBEDDING),
        ("/v1/completions", Kind.COMPLETION),
        ("/v1/fim/completions", Kind.COMPLETION),
        ("/v1/images/generations", Kind.IMAGE),
        ("/v1/images/edits", Kind.IMAGE),
        ("/v1/images/variations", Kind.IMAGE),
        ("/v1/audio/speech", Kind.AUDIO),
        ("/v1/audio/transcriptions", Kind.AUDIO),
        ("/v1/audio/translations", Kind.AUDIO),
        ("/v1/rerank", Kind.RERANK),
        ("/v2/rerank", Kind.RERANK),
        ("/v1/moderations", Kind.MODERATION),
    ],
)
def test_a_path_has_its_endpoint(path: str, kind: Kind) -> None:
    route = route_of_path(path)
    assert route
    assert route.endpoint
    assert route.purpose is Purpose.OTHER
    assert dialect_of_path(path) is None
    assert route.endpoint.facts(b'{"model": "m"}', path).kind is kind


@pytest.mark.parametrize(
    "path", ["/v1/embeddings/1", "/embeddings", "/v1/audio", "/v3/rerank", "/v1beta/models/:embedContent"]
)
def test_a_path_that_only_looks_like_an_endpoint_has_none(path: str) -> None:
    assert route_of_path(path) is None
