"""The catalog: that it is a valid configuration, keeps its own rules, and says what is known."""

import re
from typing import Any

import pytest

from pointsman import catalog
from pointsman.config import Capability, Dialect, Pool, ProtectionLevel, Provider, build

KNOWN = catalog.known()
ACCOUNT = {"CLOUDFLARE_ACCOUNT_ID": "account", "AZURE_RESOURCE_NAME": "resource", "AWS_REGION": "eu-west-1"}
"""What addresses of the catalog take from the environment."""
OF_AN_ACCOUNT = {
    "cloudflare": ["${CLOUDFLARE_ACCOUNT_ID}"],
    "azure": ["${AZURE_RESOURCE_NAME}"],
    "bedrock": ["${AWS_REGION}"],
}
LOCAL = {"ollama": 11434, "lmstudio": 1234, "vllm": 8000, "llamacpp": 8080, "jan": 1337}


@pytest.fixture(scope="module")
def providers() -> dict[str, Provider]:
    """Every provider of the catalog, configured by its name alone."""
    settings = build({"providers": dict.fromkeys(KNOWN)}, ACCOUNT)
    return dict(settings.providers)


def test_it_is_read_once() -> None:
    assert catalog.known() is KNOWN


@pytest.mark.parametrize("name", KNOWN)
def test_a_provider_is_valid_as_it_stands(name: str, providers: dict[str, Provider]) -> None:
    provider = providers[name]
    assert provider.name == name
    assert provider.base_url.startswith("https://") or provider.base_url == f"http://127.0.0.1:{LOCAL[name]}/v1"
    assert provider.enabled


def test_servers_on_this_machine_are_distinguished_from_others() -> None:
    assert catalog.local_servers() == {name: f"http://127.0.0.1:{port}/v1" for name, port in LOCAL.items()}


@pytest.mark.parametrize("name", KNOWN)
def test_variables_that_hold_keys_are_known_and_not_part_of_a_configuration(name: str) -> None:
    variables = catalog.key_variables(name)
    assert "key_env" not in KNOWN[name]
    assert all(re.fullmatch(r"[A-Z][A-Z0-9_]*", variable) for variable in variables)
    assert len(variables) == len(set(variables))
    assert variables or name in LOCAL


def test_no_variable_belongs_to_two_providers() -> None:
    variables = [variable for name in KNOWN for variable in catalog.key_variables(name)]
    assert len(variables) == len(set(variables))


@pytest.mark.parametrize("name", KNOWN)
def test_only_ones_own_account_is_taken_from_the_environment(name: str) -> None:
    references = re.findall(r"\$\{\w+\}", repr(KNOWN[name]))
    assert references == OF_AN_ACCOUNT.get(name, [])


def by_the_ranks(model: dict[str, Any]) -> str:
    if model.get("smart_first"):
        return "smart"
    if model.get("speed", 99) <= 3:
        return "fast"
    return "smart" if model.get("intelligence", 99) <= 8 else "balanced"


@pytest.mark.parametrize("name", KNOWN)
def test_pools_follow_from_the_ranks(name: str, providers: dict[str, Provider]) -> None:
    expected = {model["id"]: by_the_ranks(model) for model in KNOWN[name]["models"]}
    assert {model.id: model.pool.value for model in providers[name].models} == expected


def test_every_pool_holds_enabled_models_of_several_providers(providers: dict[str, Provider]) -> None:
    for pool in Pool:
        names = {p.name for p in providers.values() for model in p.models if model.enabled and model.pool is pool}
        assert len(names) > 1


def test_smart_first_are_longcat_and_owl_alpha(providers: dict[str, Provider]) -> None:
    first = {(p.name, model.id) for p in providers.values() for model in p.models if model.smart_first}
    longcat = {("longcat", model.id) for model in providers["longcat"].models}
    assert first == longcat | {("openrouter", "openrouter/owl-alpha")}


def test_longcat_stands_before_owl_alpha(providers: dict[str, Provider]) -> None:
    places = {p.name: {model.smart_first for model in p.models if model.smart_first} for p in providers.values()}
    assert {name: found for name, found in places.items() if found} == {"longcat": {1}, "openrouter": {2}}


def test_of_single_models_only_owl_alpha_is_guarded(providers: dict[str, Provider]) -> None:
    levels = {model.id: model.protection for p in providers.values() for model in p.models if model.protection}
    assert levels == {"openrouter/owl-alpha": ProtectionLevel.PROVIDER_BAN}


def test_only_longcat_is_banned_as_a_whole(providers: dict[str, Provider]) -> None:
    assert [p.name for p in providers.values() if p.protection is not ProtectionLevel.MODEL_SKIP] == ["longcat"]
    assert providers["longcat"].protection is ProtectionLevel.PROVIDER_BAN


def test_owl_alpha_keeps_its_vendor_prefix_and_supports_tools(providers: dict[str, Provider]) -> None:
    [owl] = [model for model in providers["openrouter"].models if "owl" in model.id]
    assert (owl.id, owl.supports) == ("openrouter/owl-alpha", frozenset({Capability.TOOLS, Capability.JSON}))


def test_few_speak_another_dialect_first_and_googles_address_ends_before_the_models(
    providers: dict[str, Provider],
) -> None:
    assert {p.name: p.dialect for p in providers.values() if p.dialect is not Dialect.OPENAI_CHAT} == {
        "google": Dialect.GEMINI,
        "vertex": Dialect.GEMINI,
        "openai": Dialect.OPENAI_RESPONSES,
        "anthropic": Dialect.ANTHROPIC,
    }
    assert providers["google"].base_url.endswith("/v1beta")


def test_providers_that_answer_without_a_key_say_so(providers: dict[str, Provider]) -> None:
    assert {p.name for p in providers.values() if p.keyless} == {"kilo", "ovh", "aihorde"} | (LOCAL.keys() - {"jan"})


def test_facts_about_one_model_arrive_whole(providers: dict[str, Provider]) -> None:
    [llama] = [model for model in providers["groq"].models if model.id == "llama-3.3-70b-versatile"]
    assert (llama.name, llama.intelligence, llama.speed, llama.context) == ("Llama 3.3 70B", 17, 2, 131072)
    assert llama.limits.model_dump() == {"rpm": 30, "rpd": 1000, "tpm": 12000, "tpd": 100000, "concurrency": None}
    assert llama.supports == frozenset({Capability.TOOLS, Capability.JSON})


def test_a_model_of_which_nothing_is_known_is_excluded_for_nothing(providers: dict[str, Provider]) -> None:
    [agnes] = providers["agnes"].models
    assert (agnes.supports, agnes.context, agnes.intelligence, agnes.speed) == (None, None, None, None)
