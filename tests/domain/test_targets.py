"""The configuration as routing sees it: every target in order, found by name, with a candidate for each key."""

import pytest

from pointsman.config.enums import Dialect
from routing.routing_builders import called, inventory, labels
from support.settings import provider

BASE = "http://127.0.0.1:9/v1"


class TestInventory:
    def test_every_model_of_every_provider_is_a_target_in_configured_order(self) -> None:
        found = inventory({"b": provider(BASE, "two", "one"), "a": provider(BASE, "three")})
        assert labels(found.targets) == ["b/two", "b/one", "a/three"]
        assert [target.rank for target in found.targets] == [0, 1, 2]

    def test_a_bare_id_finds_every_provider_that_has_it_in_configured_order(self) -> None:
        found = inventory({"b": provider(BASE, "x", "m"), "a": provider(BASE, "m")})
        assert labels(found.by_id["m"]) == ["b/m", "a/m"]
        assert labels(found.by_id["x"]) == ["b/x"]
        assert set(found.by_id) == {"m", "x"}

    def test_a_label_finds_its_one_target_whatever_slashes_the_id_has(self) -> None:
        found = inventory({"openrouter": provider(BASE, "openrouter/owl", "owl")})
        assert found.by_label["openrouter/openrouter/owl"] is found.targets[0]
        assert found.by_label["openrouter/owl"] is found.targets[1]

    def test_what_is_disabled_is_a_target_too_so_that_it_can_be_named_as_left_out(self) -> None:
        found = inventory({"a": provider(BASE, enabled=False)})
        assert labels(found.targets) == ["a/m"]

    @pytest.mark.parametrize(
        ("provider_on", "model_on", "enabled"),
        [(True, True, True), (True, False, False), (False, True, False), (False, False, False)],
    )
    def test_a_target_is_enabled_when_its_provider_and_its_model_are(
        self, provider_on: bool, model_on: bool, enabled: bool
    ) -> None:
        written = provider(BASE, enabled=provider_on) | {"models": [{"id": "m", "enabled": model_on}]}
        [target] = inventory({"a": written}).targets
        assert target.enabled is enabled


class TestKeys:
    @pytest.mark.parametrize(
        ("keys", "candidates"),
        [
            ([], ["a/m"]),
            (["first-secret"], ["a/m#key-1"]),
            (["first-secret", "second-secret"], ["a/m#key-1", "a/m#key-2"]),
            ([{"value": "first-secret", "label": "mine"}, "second-secret"], ["a/m#mine", "a/m#key-2"]),
            ([{"value": "first-secret", "enabled": False}, "second-secret"], ["a/m#key-2"]),
            ([{"value": "first-secret", "enabled": False}], []),
        ],
        ids=["none wanted", "one", "in order", "named", "one switched off", "all switched off"],
    )
    def test_each_enabled_key_makes_a_candidate_and_no_keys_at_all_make_one(
        self, keys: list[object], candidates: list[str]
    ) -> None:
        found = inventory({"a": provider(BASE, keys=keys)})
        assert called(found.keys[found.targets[0]]) == candidates

    def test_every_target_of_a_provider_has_its_keys(self) -> None:
        found = inventory({"a": provider(BASE, "x", "y", keys=["first-secret"])})
        assert [called(found.keys[target]) for target in found.targets] == [["a/x#key-1"], ["a/y#key-1"]]

    def test_nothing_that_can_be_printed_holds_a_key(self) -> None:
        found = inventory({"a": provider(BASE, keys=["sk-very-secret"])})
        [target] = found.targets
        assert "sk-very-secret" not in repr((found, target, found.keys[target]))


class TestAddress:
    @pytest.mark.parametrize(
        ("dialect", "address"),
        [
            (Dialect.ANTHROPIC, "http://first.test/v1"),
            (Dialect.OPENAI_CHAT, "http://second.test/v1"),
            (Dialect.GEMINI, None),
        ],
    )
    def test_each_dialect_has_its_own_and_one_that_is_not_spoken_has_none(
        self, dialect: Dialect, address: str | None
    ) -> None:
        written = provider(
            "http://first.test/v1", dialect="anthropic", dialects={"openai-chat": "http://second.test/v1"}
        )
        [target] = inventory({"a": written}).targets
        assert target.base_url_for(dialect) == address

    def test_those_that_speak_the_clients_own_sort_before_others_and_else_stay_in_order(self) -> None:
        found = inventory(
            {
                "a": provider(dialect="gemini"),
                "b": provider(dialect="anthropic", dialects={"openai-chat": "http://b.test/v1"}),
                "c": provider(dialect="anthropic"),
                "d": provider(),
            }
        )
        assert found.by_label["b/m"].spoken_dialects == (Dialect.ANTHROPIC, Dialect.OPENAI_CHAT)
        ordered = sorted(found.targets, key=lambda target: target.needs_conversion(Dialect.OPENAI_CHAT))
        assert [target.label for target in ordered] == ["b/m", "d/m", "a/m", "c/m"]
