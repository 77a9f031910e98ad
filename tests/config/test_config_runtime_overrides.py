"""How changes lie over a configuration, and what they no longer fit."""

from typing import Any

import pytest

from pointsman.config import ConfigError, Settings, build
from pointsman.config.enums import Mode, Pool, ProtectionLevel
from pointsman.config.runtime_overrides import AddedKey, KeyChange, RuntimeOverrides, TargetChange

A = {"base_url": "http://a/v1", "keys": ["sk-first-0001", {"value": "sk-second-0002", "label": "two"}],
     "models": [{"id": "m"}, {"id": "n"}]}  # fmt: skip
B = {"base_url": "http://b/v1", "models": [{"id": "m"}]}


def built(overrides: RuntimeOverrides, env: dict[str, str] | None = None, **sections: Any) -> Settings:
    return build({"providers": {"a": A, "b": B}, **sections}, env or {}, (), overrides)


def labels(settings: Settings) -> list[str]:
    return [f"{provider.name}/{model.id}" for provider, model in settings.targets()]


def test_a_setting_precedes_the_file_and_the_environment() -> None:
    env = {"POINTSMAN_ROUTING__DEFAULT_MODE": "fast", "THREAD_PROTECTION_PLATFORMS": "a:off,b:off"}
    overrides = RuntimeOverrides(settings={"routing": {"default_mode": "smart"}, "protection": {"a": "provider-ban"}})
    settings = built(overrides, env, routing={"default_mode": "balanced", "max_attempts": 3})
    assert (settings.routing.default_mode, settings.routing.max_attempts) == (Mode.SMART, 3)
    assert (settings.protection_of("a", "m"), settings.protection_of("b", "m")) == (
        ProtectionLevel.PROVIDER_BAN,
        ProtectionLevel.OFF,
    )


def test_a_setting_never_reads_the_environment() -> None:
    with pytest.raises(ConfigError, match='got "\\$\\{HOME\\}"'):
        built(RuntimeOverrides(settings={"routing": {"default_mode": "${HOME}"}}), {"HOME": "smart"})
    key = AddedKey("1", "b", "new", "${HOME}")
    assert (
        built(RuntimeOverrides(added=(key,)), {"HOME": "x"}).providers["b"].keys[0].value.get_secret_value()
        == "${HOME}"
    )


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ((), ["a/m", "a/n", "b/m"]),
        (("b/m",), ["b/m", "a/m", "a/n"]),
        (("a/n", "b/m", "a/m"), ["a/n", "b/m", "a/m"]),
        (("gone/x", "b/m"), ["b/m", "a/m", "a/n"]),
    ],
)
def test_targets_named_stand_first(order: tuple[str, ...], expected: list[str]) -> None:
    assert labels(built(RuntimeOverrides(order=order))) == expected


def test_targets_and_keys_are_found_by_name() -> None:
    overrides = RuntimeOverrides(
        targets={"a/n": TargetChange(enabled=False, pool=Pool.FAST), "gone/x": TargetChange(enabled=False)},
        keys={("a", "key-1"): KeyChange(label="one"), ("a", "two"): KeyChange(enabled=False), ("z", "k"): KeyChange()},
        added=(AddedKey("1", "a", "three", "sk-third-0003"), AddedKey("2", "gone", "x", "sk-x-000004")),
    )
    provider = built(overrides).providers["a"]
    assert [(model.enabled, model.pool) for model in provider.models] == [(True, Pool.BALANCED), (False, Pool.FAST)]
    assert [(key.label, key.enabled) for key in provider.keys] == [("one", True), ("two", False), ("three", True)]


def test_a_key_that_the_file_has_got_meanwhile_is_not_added_again() -> None:
    provider = built(RuntimeOverrides(added=(AddedKey("1", "a", "mine", "sk-first-0001"),))).providers["a"]
    assert [key.label for key in provider.keys] == ["key-1", "two"]


def test_a_provider_of_the_catalog_comes_in_with_its_key_and_can_be_changed() -> None:
    added = (AddedKey("1", "groq", "mine", "gsk-000001"),)
    settings = built(RuntimeOverrides(added=added))
    model = settings.providers["groq"].models[0].id
    changed = built(RuntimeOverrides(added=added, targets={f"groq/{model}": TargetChange(enabled=False)}))
    assert changed.providers["groq"].models[0].enabled is False


def test_the_tree_and_the_catalog_are_left_alone() -> None:
    tree = {"providers": {"a": {**A}, "groq": None}}
    overrides = RuntimeOverrides(
        targets={"a/m": TargetChange(enabled=False)}, added=(AddedKey("1", "groq", "k", "gsk-000001"),)
    )
    for _ in range(2):
        build(tree, {}, (), overrides)
    assert tree == {"providers": {"a": A, "groq": None}}
    assert build(tree, {}).providers["groq"].keys == ()
    assert build(tree, {}).providers["a"].models[0].enabled is True


def test_a_change_is_judged_like_the_file() -> None:
    overrides = RuntimeOverrides(
        settings={"sticky": {"idle_ttl": "never"}, "nonsense": 1}, keys={("a", "key-1"): KeyChange(label="two")}
    )
    with pytest.raises(ConfigError) as caught:
        built(overrides)
    assert {fault.path for fault in caught.value.issues} == {
        "sticky.idle_ttl", "nonsense", "providers.a.keys[1].label"
    }  # fmt: skip
