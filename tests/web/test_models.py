"""`GET /v1/models`: every name that a client may ask for."""

from typing import Any

import pytest

from pointsman.routing.resolve import resolve
from pointsman.routing.router import Router
from pointsman.web.models import models_page
from support.clients_in_core import SECRET
from support.settings import provider, settings
from web.page_requests import payload_of, request

BASE = "http://127.0.0.1:9/v1"
STARTED = 1_700_000_000.9
MODES = ["auto", "auto-balanced", "auto-smart", "auto-fast"]
KNOWN = {
    "groq": provider(BASE)
    | {"models": [{"id": "llama", "name": "Llama", "context": 131072}, {"id": "asleep", "enabled": False}]},
    "off": provider(BASE, enabled=False),
    "hub": provider(BASE, "groq/llama", "llama"),
}


def listed(router: Router) -> list[dict[str, Any]]:
    told_list = payload_of(models_page(router, STARTED)(request(), ""))
    assert told_list["object"] == "list"
    rows: list[dict[str, Any]] = told_list["data"]
    return rows


def names(router: Router) -> list[str]:
    return [row["id"] for row in listed(router)]


def house() -> Router:
    return Router(settings(KNOWN, routing={"aliases": {"gpt-4o": "auto-smart", "nick": "llama"}}), SECRET)


def test_modes_and_aliases_come_first_then_every_enabled_target_in_configured_order() -> None:
    assert names(house()) == [*MODES, "gpt-4o", "nick", "groq/llama", "hub/groq/llama", "hub/llama"]


def test_every_name_listed_means_something() -> None:
    own = house()
    assert all(resolve(name, own.settings, own.inventory).targets for name in names(own))


def test_each_has_the_members_that_clients_read() -> None:
    rows = {row["id"]: row for row in listed(house())}
    assert all(row["object"] == "model" and row["created"] == 1_700_000_000 for row in rows.values())
    assert rows["auto"]["owned_by"] == "pointsman"
    assert rows["gpt-4o"] == rows["auto"] | {"id": "gpt-4o", "alias_of": "auto-smart"}
    assert rows["groq/llama"] == {
        "id": "groq/llama",
        "object": "model",
        "created": 1_700_000_000,
        "owned_by": "groq",
        "kind": "chat",
        "name": "Llama",
        "context_window": 131072,
        "context_length": 131072,
    }


def test_what_is_not_known_of_a_model_is_not_made_up() -> None:
    rows = {row["id"]: row for row in listed(house())}
    assert set(rows["hub/llama"]) == {"id", "object", "created", "owned_by", "kind"}


def test_a_reload_changes_the_list() -> None:
    own = house()
    page = models_page(own, STARTED)
    own.update_settings(settings({"new": provider(BASE)}), 0.0)
    assert [row["id"] for row in payload_of(page(request(), ""))["data"]] == [*MODES, "new/m"]


class TestForms:
    """Which dialect's list a client gets."""

    @pytest.mark.parametrize(
        ("path", "headers", "member"),
        [
            ("/v1/models", {}, "object"),
            ("/v1/models", {"authorization": "Bearer k"}, "object"),
            ("/v1/models", {"x_api_key": "k"}, "object"),
            ("/v1/models", {"anthropic_version": "2023-06-01"}, "has_more"),
            ("/v1/models", {"x_goog_api_key": "k"}, "models"),
            ("/v1/models", {"x_goog_api_client": "google-genai-sdk/3.1.0 gl-python/3.12"}, "models"),
            ("/v1beta/models", {}, "models"),
            ("/v1beta/models", {"anthropic_version": "2023-06-01"}, "models"),
        ],
    )
    def test_it_is_that_of_the_path_and_the_headers(self, path: str, headers: dict[str, str], member: str) -> None:
        assert member in payload_of(models_page(house(), STARTED)(request(path, **headers), ""))

    def test_googles_has_the_same_names_at_both_paths(self) -> None:
        page = models_page(house(), STARTED)
        at_own_path = payload_of(page(request("/v1beta/models"), ""))
        assert payload_of(page(request("/v1/models", x_goog_api_key="k"), "")) == at_own_path
        assert [row["name"].removeprefix("models/") for row in at_own_path["models"]] == names(house())
