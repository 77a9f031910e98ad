"""Requests of endpoints besides chats: whatever a client writes is read or refused, and only its model is replaced."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.wire.conversion.ir import Inconvertible
from pointsman.wire.dialects.base import Dialect
from pointsman.wire.dialects.registry import DIALECTS, account_route, route_of_path
from pointsman.wire.errors import Problem
from pointsman.wire.frames import FrameKind
from pointsman.wire.request_facts import BYTES_PER_TOKEN, RequestFacts

OPENAI = (
    "embeddings", "completions", "fim/completions", "images/generations", "images/edits", "images/variations",
    "audio/speech", "audio/transcriptions", "audio/translations", "rerank", "moderations",
)  # fmt: skip
PATHS = (
    *(f"/v1/{path}" for path in OPENAI), "/v1beta/models/m:embedContent", "/v1beta/models/m:batchEmbedContents",
)  # fmt: skip
EACH = pytest.mark.parametrize("path", PATHS)
NAMES = (
    "model",
    "input",
    "prompt",
    "suffix",
    "n",
    "stream",
    "stream_format",
    "documents",
    "query",
    "requests",
    "content",
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just("sse"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=8,
)
BODIES = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6)


def endpoint_of(path: str) -> Dialect:
    route = route_of_path(path)
    assert route
    assert route.endpoint
    return route.endpoint


def test_every_endpoint_is_here() -> None:
    assert {endpoint_of(path) for path in PATHS} == {each for d in DIALECTS.values() for each in d.endpoints}


@EACH
@given(document=BODIES)
def test_only_the_model_is_replaced(path: str, document: dict[str, Any]) -> None:
    endpoint, body = endpoint_of(path), json.dumps(document).encode()
    with suppress(Problem, Inconvertible):
        sent, below = endpoint.outbound(body, endpoint.facts(body, path), "vendor/other")
        assert below.startswith("/")
        assert without_models(json.loads(sent)) == without_models(document)


@EACH
@given(body=st.binary(max_size=80), content_type=st.sampled_from(["", "multipart/form-data; boundary=b"]))
def test_any_bytes_are_read_or_refused(path: str, body: bytes, content_type: str) -> None:
    endpoint = endpoint_of(path)
    with suppress(Problem):
        facts = endpoint.form_facts(body, path, content_type) if endpoint.form_facts else endpoint.facts(body, path)
        assert facts.kind is endpoint.kind


@EACH
@given(pieces=st.lists(st.binary(max_size=30), max_size=4), stream=st.booleans())
@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream", "audio/mpeg", "text/plain", ""])
def test_any_answer_is_read(path: str, pieces: list[bytes], stream: bool, content_type: str) -> None:
    endpoint = endpoint_of(path)
    asked = {"model": "m", "stream": stream, "stream_format": "sse" if stream else "audio"}
    reader = endpoint.reader(endpoint.facts(json.dumps(asked).encode(), path), content_type)
    frames = [frame for piece in pieces for frame in reader.read(piece)] + list(reader.close())
    assert all((frame.fault is not None) == (frame.kind in (FrameKind.ERROR, FrameKind.MALFORMED)) for frame in frames)


@EACH
def test_the_same_name_leaves_the_bytes_as_they_are(path: str) -> None:
    endpoint, body = endpoint_of(path), b'{"model" :"m", "requests":[{"model":"models/m"}], "x":1.0e5, "x":2}'
    assert endpoint.outbound(body, endpoint.facts(body, path), "m")[0] == body


@pytest.mark.parametrize(
    ("path", "body", "tokens"),
    [
        ("/v1/embeddings", {"input": ["abcd" * 10, "efgh" * 10]}, 21),
        ("/v1/completions", {"prompt": "a" * 38, "suffix": "b" * 38}, 20),
        ("/v1/rerank", {"query": "a" * 38, "documents": ["b" * 36]}, 20),
        ("/v1beta/models/m:embedContent", {"content": {"parts": [{"text": "a" * 40}]}}, 10),
        ("/v1beta/models/m:batchEmbedContents", {"requests": [{"content": {"parts": [{"text": "a" * 40}]}}] * 2}, 20),
    ],
)
def test_the_text_counts_for_limits(path: str, body: object, tokens: int) -> None:
    assert endpoint_of(path).facts(json.dumps(body).encode(), path).tokens == tokens


class TestAccounts:
    def facts(self, path: str, body: bytes = b"", **headers: str) -> RequestFacts:
        route = account_route(path, headers)
        assert route
        assert route.endpoint
        return route.endpoint.facts(body, path)

    @pytest.mark.parametrize(
        ("path", "headers", "dialect"),
        [
            ("/v1/files", {}, "openai-chat"),
            ("/v1/files", {"anthropic-version": "2023-06-01"}, "anthropic"),
            ("/some/prefix/v1/uploads/u/parts", {}, "openai-chat"),
            ("/v1/batches/b/cancel", {"anthropic-version": "2023-06-01"}, "openai-chat"),
            ("/v1/messages/batches", {}, "anthropic"),
        ],
    )
    def test_the_path_and_the_headers_show_the_dialect(self, path: str, headers: dict[str, str], dialect: str) -> None:
        route = account_route(path, headers)
        assert route
        assert route.dialect == dialect

    @pytest.mark.parametrize(
        "path", ["/v1/file", "/files", "/v1/files/", "/v1/files/..", "/v1/files/a/b/c", "/v1/messages"]
    )
    def test_other_paths_have_none(self, path: str) -> None:
        assert account_route(path, {}) is None

    def test_ids_in_path_and_body_are_what_it_refers_to(self) -> None:
        assert self.facts("/v1/files/file-a/content?x=1").held.shared == ("file-a",)
        assert self.facts("/v1/batches", b'{"input_file_id":"file-a"}').held.shared == ("file-a",)
        assert not self.facts("/v1/files").held

    def test_credentials_in_the_query_are_not_passed_on(self) -> None:
        facts = self.facts("/v1/files/file-a?key=secret&limit=2")
        assert facts.action + facts.query == "/files/file-a?limit=2"

    @given(st.binary(max_size=60))
    def test_any_body_will_do(self, body: bytes) -> None:
        assert self.facts("/v1/files", body).kind is None


def without_models(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_models(each) for name, each in value.items() if name != "model"}
    return [without_models(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("prompt", ["漢" * 40_000, "\udcff"], ids=["long", "not UTF-8"])
def test_a_prompt_in_a_form_counts_and_is_not_judged(prompt: str) -> None:
    endpoint, said = endpoint_of("/v1/images/edits"), prompt.encode(errors="surrogateescape")
    body = b'--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n%b\r\n--b--' % said
    assert endpoint.form_facts
    facts = endpoint.form_facts(body, "/v1/images/edits", "multipart/form-data; boundary=b")
    assert facts.tokens == len(said) // BYTES_PER_TOKEN
