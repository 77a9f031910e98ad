"""Which 404 says that there is no such path."""

import json
from typing import Any

import pytest

from pointsman.wire.error_parsing import error_fault
from pointsman.wire.errors import Fault, FaultKind
from pointsman.wire.unknown_path import is_unknown_path, lacks_version


def told(body: Any, content_type: str = "application/json", status: int = 404) -> bool:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return is_unknown_path(error_fault(status, data, content_type))


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", ""),
        (b"404 page not found", "text/plain"),
        (b"<html><h1>Not Found</h1></html>", "text/html"),
        (b"<pre>Cannot POST /chat/completions</pre>", "text/html"),
        ({"detail": "Not Found"}, "application/json"),
        ({"error": "Not Found"}, "application/json"),
        ({"error": "404 - page not found"}, "application/json"),
        (
            {"error": {"message": "Invalid URL (POST /chat/completions)", "type": "invalid_request_error"}},
            "application/json",
        ),
        ({"error": {"message": "Unknown request URL: POST /chat/completions."}}, "application/json"),
        ({"error": {"message": "There is nothing here.", "code": "not_found"}}, "application/json"),
    ],
)
def test_what_says_nothing_of_a_model_is_about_the_path(body: Any, content_type: str) -> None:
    assert told(body, content_type)
    assert not told(body, content_type, status=403)


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "The model `m` does not exist", "code": "model_not_found"}},
        {"type": "error", "error": {"type": "not_found_error", "message": "model: claude-9"}},
        {"error": {"code": 404, "message": "models/m is not found for API version v1beta", "status": "NOT_FOUND"}},
        {"error": {"message": "No endpoints found for m.", "code": 404}},
        {"error": "model 'm' not found"},
    ],
)
def test_one_that_names_a_model_is_not(body: Any) -> None:
    assert not told(body)


def test_a_wrapped_404_came_by_a_path_that_exists() -> None:
    assert not is_unknown_path(Fault(FaultKind.WRAPPED, "not found", 404))


@pytest.mark.parametrize("base_url", ["http://v1.test:8000", "https://x.test/inference"])
def test_a_host_is_no_version(base_url: str) -> None:
    assert lacks_version(base_url)


@pytest.mark.parametrize("base_url", ["https://x.test/openai/v1", "https://x.test/v1beta", "http://x/v1/project"])
def test_a_version_may_stand_anywhere_in_the_path(base_url: str) -> None:
    assert not lacks_version(base_url)
