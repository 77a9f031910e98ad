"""From what was found to the text of a configuration: it is valid, holds no key, and says what was left out."""

from pathlib import Path

import pytest

from pointsman import catalog, config
from pointsman.client_setup import CLIENTS
from pointsman.config import document
from pointsman.config.enums import Kind
from pointsman.onboarding.config_text import config_text
from pointsman.onboarding.draft import Draft, ProviderDraft, draft_of, examined, stored_keys
from pointsman.onboarding.installed_clients import FOLDERS, PROGRAMS, command_for, installed_clients
from pointsman.onboarding.keys import FoundKey, keys_in
from pointsman.onboarding.local_servers import LocalServer
from pointsman.provider_models import ListedModel
from support.model_servers import listed, model_server

OLLAMA = LocalServer("ollama", "http://127.0.0.1:11434/v1", (ListedModel("qwen3:8b"), ListedModel("gemma", context=8)))


def draft(servers: tuple[LocalServer, ...] = (), **env: str) -> Draft:
    return draft_of(keys_in(env).keys, servers, env)


def read(made: Draft) -> config.Settings:
    return config.build(document.parse(config_text(made), "t").tree, {"GROQ_API_KEY": "g", "SECOND": "s"})


def test_the_text_is_what_was_drafted_and_has_no_warnings() -> None:
    made = draft((OLLAMA,), GROQ_API_KEY="g")
    assert document.parse(config_text(made), "t").tree == made.tree
    settings = read(made)
    assert settings.warnings == ()
    assert list(settings.providers) == ["groq", "ollama"]
    assert [model.id for model in settings.providers["ollama"].models] == ["qwen3:8b", "gemma"]
    assert settings.providers["ollama"].models[1].context == 8


def test_models_for_embeddings_say_so() -> None:
    models = (ListedModel("nomic-embed-text", chats=False), ListedModel("m"))
    settings = read(draft((LocalServer("ollama", "http://127.0.0.1:11434/v1", models),)))
    found = {model.id: model.kind for model in settings.providers["ollama"].models}
    assert found == {"m": (Kind.CHAT,), "nomic-embed-text": (Kind.EMBEDDING,)}


def test_no_key_stands_in_it() -> None:
    env = {variable: f"secret-{variable}" for name in catalog.known() for variable in catalog.key_variables(name)}
    account = {"CLOUDFLARE_ACCOUNT_ID": "a", "AZURE_RESOURCE_NAME": "r", "AWS_REGION": "eu"}
    text = config_text(draft(**env, **account))
    assert "secret-" not in text
    for name in catalog.known().keys() - catalog.local_servers().keys():
        assert f"  {name}:\n    keys: [${{{catalog.key_variables(name)[0]}}}" in text


@pytest.mark.parametrize(
    "text", ["yes", "8b", "a: b", "a#b", "x'y", 'x"y', "[z]", "null", "{q}", "-", "*a", "é", "@cf/m"]
)
def test_every_text_is_written_so_that_it_is_read_again(text: str) -> None:
    made = Draft((ProviderDraft("p", {"base_url": "http://h/v1", "models": [{"id": text, "context": 1}]}),))
    assert document.parse(config_text(made), "t").tree == made.tree


@pytest.mark.parametrize(
    ("env", "base_url"),
    [
        ({"AZURE_RESOURCE_NAME": "r"}, "https://r.openai.azure.com/openai/v1"),
        ({"AZURE_OPENAI_ENDPOINT": "https://r.openai.azure.com/"}, "https://r.openai.azure.com/openai/v1"),
        ({"AZURE_OPENAI_ENDPOINT": "https://r.test/openai/v1/"}, "https://r.test/openai/v1"),
    ],
)
def test_the_address_of_an_account_is_taken_from_the_environment(env: dict[str, str], base_url: str) -> None:
    made = draft(AZURE_API_KEY="a", **env)
    tree = document.parse(config_text(made), "t").tree
    assert config.build(tree, {"AZURE_API_KEY": "a", **env}).providers["azure"].base_url == base_url


def test_a_provider_whose_address_is_not_known_is_left_out() -> None:
    made = draft(AWS_BEARER_TOKEN_BEDROCK="b", GROQ_API_KEY="g")
    assert [each.name for each in made.providers] == ["groq"]
    assert made.notes == ("bedrock is left out: its address needs AWS_REGION, which is not set",)
    assert draft(AWS_BEARER_TOKEN_BEDROCK="b", AWS_DEFAULT_REGION="eu").notes == ()


def test_a_key_of_a_file_is_not_in_the_text() -> None:
    made = draft_of([FoundKey("openai", "secret-1", file="/h/.codex/auth.json", tool="Codex")], (), {})
    assert "secret-1" not in config_text(made)
    assert "/h/.codex/auth.json (Codex) is stored encrypted" in config_text(made)
    assert [key.value for key in stored_keys(made)] == ["secret-1"]
    assert document.parse(config_text(made), "t").tree == made.tree


async def look(made: Draft, ports: dict[str, int], **env: str) -> dict[str, ProviderDraft]:
    addresses = {
        f"POINTSMAN_PROVIDERS__{name.upper()}__BASE_URL": f"http://127.0.0.1:{port}/v1" for name, port in ports.items()
    }
    return {each.name: each for each in (await examined(made, {**env, **addresses})).providers}


async def test_a_rejected_key_is_not_used_and_says_so() -> None:
    env = {"GEMINI_API_KEY": "good", "GOOGLE_API_KEY": "bad", "GROQ_API_KEY": "bad"}
    async with model_server({}, 401) as strict, model_server(listed("m")) as other:
        found = await look(draft(**env), {"groq": strict, "google": other}, **env)
    assert found["groq"].entry == {"keys": ["${GROQ_API_KEY}"], "enabled": False}
    assert found["groq"].comment == "it rejects the key: replace it, and remove `enabled: false`"
    assert found["google"].entry["keys"] == ["${GEMINI_API_KEY}", "${GOOGLE_API_KEY}"]


async def test_of_two_keys_the_rejected_one_is_disabled() -> None:
    env = {"TOGETHER_API_KEY": "bad", "TOGETHERAI_API_KEY": "good"}
    async with model_server(listed("zai-org/GLM-5.2"), keys=["good"]) as port:
        found = await look(draft(**env), {"together": port}, **env)
    assert found["together"].entry["keys"] == [
        {"value": "${TOGETHER_API_KEY}", "enabled": False},
        "${TOGETHERAI_API_KEY}",
    ]
    text = config_text(Draft(tuple(found.values())))
    assert config.build(document.parse(text, "t").tree, env).warnings == ()


async def test_models_are_written_where_the_catalog_has_none_or_none_is_left() -> None:
    env = {"SILICONFLOW_API_KEY": "s", "GROQ_API_KEY": "g"}
    async with model_server(listed("new-1", "bge-m3", "new-2")) as port:
        found = await look(draft(**env), {"siliconflow": port, "groq": port}, **env)
    for name in ("siliconflow", "groq"):
        assert found[name].entry["models"] == [{"id": "new-1"}, {"id": "new-2"}]


async def test_models_of_the_catalog_are_not_written_again() -> None:
    async with model_server(listed("llama-3.3-70b-versatile")) as port:
        found = await look(draft(GROQ_API_KEY="g"), {"groq": port}, GROQ_API_KEY="g")
    assert found["groq"].entry == {"keys": ["${GROQ_API_KEY}"]}
    models = len(catalog.known()["groq"]["models"])
    gone = f"{models - 1} of them not listed (pointsman models --refresh)"
    assert found["groq"].comment == f"the key is accepted; {models} models of the catalog, {gone}"


async def test_deployments_of_ones_own_are_for_the_user_to_list() -> None:
    env = {"AZURE_API_KEY": "a", "AZURE_RESOURCE_NAME": "r"}
    async with model_server(listed("gpt-4.1")) as port:
        found = await look(draft(**env), {"azure": port}, **env)
    assert found["azure"].entry["enabled"] is False
    assert "list your deployments under `models`" in found["azure"].comment


async def test_a_provider_that_cannot_be_reached_stays() -> None:
    async with model_server(b"", 500) as port:
        found = await look(draft(GROQ_API_KEY="g"), {"groq": port}, GROQ_API_KEY="g")
    assert found["groq"].entry == {"keys": ["${GROQ_API_KEY}"]}
    assert found["groq"].comment.startswith("not checked: it lists no models (status 500); ")


def test_clients_are_known_by_their_program_or_folder(tmp_path: Path) -> None:
    assert list(installed_clients(str(tmp_path), tmp_path)) == []
    (tmp_path / "claude").touch(mode=0o755)
    (tmp_path / ".continue").mkdir()
    (tmp_path / ".vscode/extensions/saoudrizwan.claude-dev-3.1.0").mkdir(parents=True)
    found = {client.name: command_for(client) for client in installed_clients(str(tmp_path), tmp_path)}
    assert found.keys() == {"claude-code", "continue", "cline"}
    assert found["claude-code"] == "pointsman run claude-code"


def test_only_clients_that_can_be_set_up_are_looked_for() -> None:
    assert FOLDERS.keys() | PROGRAMS.keys() <= CLIENTS.keys()
