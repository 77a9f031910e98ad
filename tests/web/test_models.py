"""`GET /v1/models`: every name that a client may ask for."""

from typing import Any

import pytest

from pointsman.routing.resolve import resolve
from pointsman.routing.router import Router
from pointsman.web.models import model_page, models_page
from pointsman.wire.errors import Code, Problem
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


class TestPages:
    """Parts of the list, by the names that each dialect has for them."""

    @pytest.mark.parametrize(
        ("path", "headers", "limit", "after", "rows"),
        [
            ("/v1/models", {}, "limit", "after", "data"),
            ("/v1/models", {"anthropic_version": "2023-06-01"}, "limit", "after_id", "data"),
            ("/v1beta/models", {}, "pageSize", "pageToken", "models"),
        ],
    )
    def test_pages_together_are_the_list(
        self, path: str, headers: dict[str, str], limit: str, after: str, rows: str
    ) -> None:
        page = models_page(house(), STARTED)
        found: list[str] = []
        query = f"{limit}=4"
        for size in (4, 4, 1):
            told = payload_of(page(request(path, query=query, **headers), ""))
            found += [str(row.get("id") or row["name"]).removeprefix("models/") for row in told[rows]]
            assert len(told[rows]) == size
            assert bool(told.get("has_more") or told.get("nextPageToken")) is (size == 4)
            query = f"{limit}=4&{after}={told.get('nextPageToken') or told.get('last_id') or found[-1]}"
        assert found == names(house())

    def test_the_first_of_them_are_the_modes(self) -> None:
        told = payload_of(models_page(house(), STARTED)(request(query="limit=2"), ""))
        assert [row["id"] for row in told["data"]] == ["auto", "auto-balanced"]
        assert told["has_more"] is True

    def test_after_the_last_one_there_is_none(self) -> None:
        asked = request(query="after_id=hub/llama", anthropic_version="2023-06-01")
        told = payload_of(models_page(house(), STARTED)(asked, ""))
        assert told == {"data": [], "has_more": False, "first_id": None, "last_id": None}

    @pytest.mark.parametrize("query", ["limit=0", "limit=-1", "limit=x", "limit=1e3", "limit=9999999999", "after=no"])
    def test_what_is_no_page_is_refused(self, query: str) -> None:
        with pytest.raises(Problem) as caught:
            models_page(house(), STARTED)(request(query=query), "")
        assert (caught.value.code, caught.value.param) == (Code.INVALID_REQUEST, query.partition("=")[0])


class TestOneModel:
    def row(self, name: str, path: str = "/v1/models", **headers: str) -> Any:
        return payload_of(model_page(house(), STARTED)(request(f"{path}/{name}", **headers), name))

    def test_it_is_the_row_of_the_list(self) -> None:
        rows = listed(house())
        assert [self.row(row["id"].replace("/", "%2F")) for row in rows] == rows
        assert [self.row(row["id"]) for row in rows] == rows

    def test_it_is_in_the_askers_form(self) -> None:
        assert self.row("groq/llama", anthropic_version="2023-06-01") == {
            "type": "model",
            "id": "groq/llama",
            "display_name": "Llama",
            "created_at": "2023-11-14T22:13:20Z",
        }
        assert self.row("groq/llama", "/v1beta/models")["name"] == "models/groq/llama"

    def test_a_name_that_is_not_listed_is_known_if_a_request_may_carry_it(self) -> None:
        assert self.row("llama") == self.row("groq/llama") | {"id": "llama"}

    def test_an_unknown_name_is_what_it_is_taken_as(self) -> None:
        router = Router(settings(KNOWN, routing={"unknown_model": "map"}), SECRET)
        told = payload_of(model_page(router, STARTED)(request(), "claude-opus-4-5"))
        assert (told["id"], told["alias_of"]) == ("claude-opus-4-5", "auto-smart")

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("lama", "Did you mean llama"),
            ("groq%2Flama", "Did you mean groq/llama or"),
            ("auto-smrt", "Did you mean auto-smart"),
            ("zzz", "GET /v1/models lists"),
            ("asleep", "is disabled"),
            ("x" * 100_000, "No configured provider"),
        ],
    )
    def test_one_that_means_nothing_gets_the_nearest_names(self, name: str, words: str) -> None:
        with pytest.raises(Problem, match=words) as caught:
            self.row(name)
        assert caught.value.code is Code.MODEL_NOT_FOUND


def test_the_list_may_show_modes_and_aliases_alone() -> None:
    aliases = {"nick": "llama", "chain": ["hub/llama", "auto-fast"]}
    router = Router(settings(KNOWN, routing={"aliases": aliases}, models={"listed": "auto"}), SECRET)
    assert names(router) == [*MODES, "nick", "chain"]
    assert payload_of(model_page(router, STARTED)(request(), "groq/llama"))["id"] == "groq/llama", "it can be asked for"


def test_what_is_not_listed_is_found_whatever_it_is_for() -> None:
    known = {"a": provider(BASE) | {"models": [{"id": "vectors", "kind": "embedding"}]}}
    router = Router(settings(known, models={"listed": "auto"}), SECRET)
    assert payload_of(model_page(router, STARTED)(request(), "a/vectors"))["kind"] == "embedding"
