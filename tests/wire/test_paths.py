"""Spellings of paths that people type, and what each of them means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.wire.dialects.registry import account_route, route_of_path
from pointsman.wire.paths import CLIENT_PATHS, MODEL, StandardPath, nearest_path, standard_path

VERTEX = "/v1/projects/P/locations/europe-west1/publishers"


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/v1/chat/completions/", "/v1/chat/completions"),
        ("//v1//chat/completions?x=//1", "/v1/chat/completions?x=//1"),
        ("/v1/v1/messages?beta=true", "/v1/messages?beta=true"),
        ("/v1/v1/v1/messages/count_tokens/", "/v1/messages/count_tokens"),
        ("/v1beta/v1beta/models/m:generateContent", "/v1beta/models/m:generateContent"),
        ("/v1/v1beta/models/m:streamGenerateContent?alt=sse", "/v1beta/models/m:streamGenerateContent?alt=sse"),
        ("/v1beta/models/vendor/m%3AgenerateContent", "/v1beta/models/vendor/m:generateContent"),
        ("/v1beta/models/vendor%2Fm:free%3acountTokens", "/v1beta/models/vendor%2Fm:free:countTokens"),
        ("/v1beta/openai/chat/completions", "/v1/chat/completions"),
        ("/x/v1beta/openai/chat/completions/", "/v1/chat/completions"),
        (f"{VERTEX}/google/models/M:generateContent", "/v1beta/models/M:generateContent"),
        (f"/v1beta1{VERTEX[3:]}/google/models/M:countTokens", "/v1beta/models/M:countTokens"),
        ("/v1/publishers/google/models/M:streamGenerateContent?x=1", "/v1beta/models/M:streamGenerateContent?x=1"),
        (f"{VERTEX}/anthropic/models/count-tokens:rawPredict", "/v1/messages/count_tokens"),
        ("/v1/projects/P/locations/L/endpoints/openapi/chat/completions", "/v1/chat/completions"),
    ],
)  # fmt: skip
def test_a_spelling_that_can_mean_one_thing_means_it_everywhere(path: str, meant: str) -> None:
    assert standard_path(path) == standard_path(path, is_own=True) == StandardPath(meant)
    assert route_of_path(meant)


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21", ("/v1/chat/completions", "gpt-4o")),
        ("/openai/deployments/my%20m/chat/completions?api-version=1&x=2", ("/v1/chat/completions?x=2", "my m")),
        (f"{VERTEX}/anthropic/models/claude-opus-4@20250514:rawPredict", ("/v1/messages", "claude-opus-4@20250514")),
        (f"{VERTEX}/anthropic/models/m:streamRawPredict", ("/v1/messages", "m")),
    ],
)
def test_a_path_may_name_the_model(path: str, meant: tuple[str, str]) -> None:
    assert standard_path(path) == standard_path(path, is_own=True) == meant


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/chat/completions", "/v1/chat/completions"),
        ("/messages", "/v1/messages"),
        ("//messages/count_tokens/?beta=true", "/v1/messages/count_tokens?beta=true"),
        ("/responses", "/v1/responses"),
        ("/openai/responses?api-version=preview", "/v1/responses"),
        ("/openai/v1/responses?api-version=preview", "/v1/responses"),
        ("/v3/chat/completions", "/v1/chat/completions"),
        ("/v1beta/messages", "/v1/messages"),
        ("/files/file-abc/content", "/v1/files/file-abc/content"),
        ("/messages/batches", "/v1/messages/batches"),
        ("/messages/batches/msgbatch_1/results", "/v1/messages/batches/msgbatch_1/results"),
        ("/models", "/v1/models"),
        ("/models/vendor/m:free", "/v1/models/vendor/m:free"),
        ("/models/m:generateContent", "/v1/models/m:generateContent"),
        ("/v1/v1/models/", "/v1/models"),
        ("/v1beta/openai/models", "/v1/models"),
        ("/openai/v1/models/m", "/v1/models/m"),
        ("/some/prefix/v1/models?limit=3", "/v1/models?limit=3"),
        ("/some/prefix/v1beta/models/a%2Fb", "/v1beta/models/a%2Fb"),
        ("/v1alpha/models/m:generateContent", "/v1beta/models/m:generateContent"),
    ],
)
def test_at_the_routers_own_address_the_version_may_be_left_out(path: str, meant: str) -> None:
    assert standard_path(path, is_own=True) == StandardPath(meant)


@pytest.mark.parametrize(
    "path",
    [
        "", "/", "*", "/v1", "/healthz", "/api/keys", "/api/messages", "/internal/exchanges/x",
        "/v1/threads/t/messages",
        "/v1/responses/resp_1", "/v1/chat", "/messages/x", "/x/messages", "/static/v1", "/?x=/chat/completions",
        "/openai/deployments", "/publishers/google/models/m", "/v1/x%2Fy", "/xv1/chat/completions",
    ],
)  # fmt: skip
def test_another_path_stays_as_it_is(path: str) -> None:
    assert standard_path(path, is_own=True) == standard_path(path) == StandardPath(path)


@pytest.mark.parametrize("row", CLIENT_PATHS, ids=lambda row: row.path)
def test_the_table_names_paths_that_exist(row: tuple[str, str]) -> None:
    method, path = row
    assert bool(route_of_path(path) or account_route(path, {})) is (method == "POST")
    assert standard_path(path, is_own=True) == StandardPath(path)


SEGMENTS = [
    "v1", "v1beta", "openai", "models", "m:generateContent", "m%3ArawPredict", "messages", "chat", "completions",
    "deployments", "publishers", "anthropic", "google", "a%2Fb", "api", "*", "",
]  # fmt: skip


@given(
    st.lists(st.sampled_from(SEGMENTS), max_size=9),
    st.sampled_from(["", "?", "?a=b&api-version=2"]),
)
def test_a_standard_path_is_its_own_standard(names: list[str], query: str) -> None:
    for is_own in (True, False):
        once = standard_path("/" + "/".join(names) + query, is_own).path
        assert route_of_path(standard_path(once, is_own).path) == route_of_path(once)


@pytest.mark.parametrize(
    "piece", ["/v1", "/", "%3A", "/models/", "/publishers/google/models/a:b", "/openai/deployments/x"]
)
def test_a_path_made_to_be_long_is_read_at_once(piece: str) -> None:
    standard_path(piece * 50_000 + "!", is_own=True)
    nearest_path(piece * 50_000)


@pytest.mark.parametrize(
    ("path", "nearest"),
    [
        ("/v1/chat/completion", "/v1/chat/completions"),
        ("/v1/chat", "/v1/chat/completions"),
        ("/v1/respones", "/v1/responses"),
        ("/V1/Messages", "/v1/messages"),
        ("/mesages/", "/v1/messages"),
        ("/anthropic/messages", "/v1/messages"),
        ("/v1/messages/count-tokens", "/v1/messages/count_tokens"),
        ("/v1/model", "/v1/models"),
        ("/v1beta/models/gemini-2.5-pro:generatContent", f"/v1beta/models/{MODEL}:generateContent"),
    ],
)
def test_a_wrong_path_has_a_nearest_right_one(path: str, nearest: str) -> None:
    found = nearest_path(path)
    assert found
    assert found.path == nearest


@pytest.mark.parametrize("path", ["", "/", "/favicon.ico", "/v1", "/api/generate", "/wp-login.php"])
def test_what_is_like_none_has_no_nearest_one(path: str) -> None:
    assert nearest_path(path) is None
