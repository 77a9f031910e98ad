"""What providers list, in the forms that they use, and how it compares with a configuration."""

import json
from typing import Any

import pytest

from pointsman.config import Provider
from pointsman.demo import Provider as DemoProvider
from pointsman.demo import behaviours
from pointsman.provider_models import ListedModel, compare, is_called, list_models, read_list, refused_list
from support.ports import free_port
from support.settings import provider, settings


def ids(body: Any, *, chats: bool | None = None) -> list[str]:
    found = read_list(json.dumps(body).encode()).models
    assert found is not None
    return [model.id for model in found if chats is None or model.chats is chats]


@pytest.mark.parametrize(
    "body",
    [
        {"object": "list", "data": [{"id": "a"}, {"id": "b"}]},
        {"models": [{"name": "models/a", "supportedGenerationMethods": ["generateContent"]}, {"name": "models/b"}]},
        [{"id": "a"}, {"id": "b"}],
    ],
    ids=["data", "models", "bare"],
)
def test_every_form_of_list_is_read(body: Any) -> None:
    assert ids(body) == ["a", "b"]


@pytest.mark.parametrize(
    "row", [None, 7, {}, {"id": 5}, {"id": ""}, {"id": "x" * 300}, {"id": "two words"}, {"id": "é"}]
)
def test_rows_that_name_no_usable_model_are_ignored(row: Any) -> None:
    assert ids({"data": [row, {"id": "a"}]}) == ["a"]


GOOGLE = b'{"error": {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT"}}'
SCOPE = b'{"error": {"message": "Missing scopes: api.model.read.", "type": "invalid_request_error"}}'


@pytest.mark.parametrize(
    ("status", "body", "problem", "rejected"),
    [
        (401, b"", "it rejects the key", True),
        (400, GOOGLE, "it rejects the key", True),
        (403, SCOPE, "the key may not list models", False),
        (404, b"", "it lists no models (status 404)", False),
        (429, b"", "it lists no models (status 429)", False),
    ],
)
def test_an_error_says_whether_the_key_is_at_fault(status: int, body: bytes, problem: str, rejected: bool) -> None:
    found = refused_list(status, body, "application/json")
    assert (found.models, found.problem, found.rejected) == (None, problem, rejected)


@pytest.mark.parametrize(
    ("body", "problem"),
    [(b"<html>", "its list of models is not JSON"), (b'{"ok": true}', "its answer has no list of models")],
)
def test_an_answer_without_a_list_says_why(body: bytes, problem: str) -> None:
    found = read_list(body)
    assert (found.models, found.problem, found.rejected) == (None, problem, False)


@pytest.mark.parametrize("more", [{"has_more": True}, {"nextPageToken": "t"}])
def test_a_list_of_several_pages_is_not_complete(more: dict[str, Any]) -> None:
    assert not read_list(json.dumps({"data": [{"id": "a"}], **more}).encode()).complete


def test_models_that_do_not_chat_are_distinguished_from_those_that_do() -> None:
    rows = [
        {"id": "text-embedding-3-small"}, {"id": "whisper-1"}, {"id": "nomic-embed-text"}, {"id": "gpt-image-2"},
        {"id": "gpt-4.1"}, {"id": "qwen3:8b"}, {"id": "improver"}, {"id": "x", "type": "embeddings"},
        {"id": "y", "type": "llm"}, {"id": "z", "capabilities": {"completion_chat": False}},
        {"id": "w", "supportedGenerationMethods": ["embedContent"]},
    ]  # fmt: skip
    assert ids({"data": rows}, chats=True) == ["gpt-4.1", "qwen3:8b", "improver", "y"]


@pytest.mark.parametrize(
    "row", [{"max_model_len": 8}, {"context_length": 8}, {"meta": {"n_ctx": 8}}, {"inputTokenLimit": 8}]
)
def test_the_context_is_read_where_it_is_listed(row: dict[str, Any]) -> None:
    found = read_list(json.dumps({"data": [{"id": "a", **row}]}).encode())
    assert found.models
    assert found.models[0].context == 8


@pytest.mark.parametrize(
    ("name", "listed", "called"),
    [
        ("qwen3", ListedModel("qwen3:latest"), True),
        ("mistral-large-latest", ListedModel("mistral-large"), True),
        ("claude-haiku-4-5", ListedModel("claude-haiku-4-5-20251001"), True),
        ("gpt-4o", ListedModel("gpt-4o-2024-08-06"), True),
        ("short", ListedModel("long", aliases=("short",)), True),
        ("gpt-4o-2024-05-13", ListedModel("gpt-4o"), False),
        ("gpt-4", ListedModel("gpt-4o"), False),
    ],
)
def test_a_name_is_recognised_in_the_ways_that_providers_shorten_it(
    name: str, listed: ListedModel, called: bool
) -> None:
    assert is_called(name, listed) is called


def configured(*models: dict[str, Any], **more: Any) -> Provider:
    return settings({"p": {"base_url": "http://h/v1", "models": list(models), **more}}).providers["p"]


def test_only_enabled_models_can_be_gone_and_only_chat_models_new() -> None:
    own = configured({"id": "here"}, {"id": "gone"}, {"id": "off", "enabled": False}, {"id": "known", "enabled": False})
    listed = [ListedModel("here"), ListedModel("known"), ListedModel("new"), ListedModel("embed", chats=False)]
    found = compare(own, listed)
    assert [model.id for model in found.gone] == ["gone"]
    assert [model.id for model in found.new] == ["new"]


def test_names_are_compared_as_they_are_sent() -> None:
    own = configured({"id": "mine"}, redirects=[{"match": "exact", "source": "mine", "target": "theirs"}])
    assert compare(own, [ListedModel("theirs")]) == compare(own, [ListedModel("theirs", aliases=("other",))])
    assert compare(own, [ListedModel("theirs")]).gone == ()


async def test_each_provider_is_asked_with_its_key_and_in_its_dialect() -> None:
    many = [f"model-{number:04}-with-a-rather-long-name" for number in range(5000)]
    async with DemoProvider(behaviours.answer("x"), models=many, keys=["k-1"]) as one:
        own = settings(
            {
                "chat": provider(one.base_url, keys=["k-1"]),
                "claude": provider(one.base_url, keys=["k-1"], dialect="anthropic"),
                "refused": provider(one.base_url, keys=["k-2"]),
                "nobody": provider(f"http://127.0.0.1:{free_port()}/v1"),
            }
        )
        found = await list_models(own.providers.values())
        paths = {request.path for request in one.seen}
    assert [model.id for model in found["chat"].models or ()] == many
    assert paths == {"/v1/models", "/v1/models?limit=1000"}
    assert (found["refused"].models, found["refused"].rejected) == (None, True)
    assert "cannot be reached" in found["nobody"].problem
