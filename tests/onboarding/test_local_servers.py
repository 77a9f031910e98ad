"""What answers at the ports of model servers, and which of them it is."""

from collections.abc import Mapping
from typing import Any

import pytest

from pointsman.onboarding.local_servers import FoundServers, addresses, find_servers
from support.model_servers import listed, model_server
from support.ports import free_port

NAMES = ("ollama", "lmstudio", "vllm", "llamacpp", "jan")


async def look(ports: Mapping[str, int], **env: str) -> FoundServers:
    """At these ports, and elsewhere at such that nothing listens on."""
    return await find_servers(env, {**{name: free_port() for name in NAMES}, **ports})


@pytest.mark.parametrize(
    ("port_of", "owner", "kind"),
    [
        ("ollama", "library", "ollama"),
        ("ollama", "somebody", "ollama"),
        ("vllm", "vllm", "vllm"),
        ("llamacpp", "llamacpp", "llamacpp"),
        ("lmstudio", "organization_owner", "lmstudio"),
        ("llamacpp", "vllm", "vllm"),
    ],
)
async def test_a_server_is_known_by_its_models_owner_else_by_its_port(port_of: str, owner: str, kind: str) -> None:
    async with model_server(listed("one", "nomic-embed-text", "whisper", owner=owner)) as port:
        [server] = (await look({port_of: port})).servers
    assert (server.name, server.base_url) == (kind, f"http://127.0.0.1:{port}/v1")
    assert [(model.id, model.chats) for model in server.models] == [("one", True), ("nomic-embed-text", False)]


@pytest.mark.parametrize(
    ("body", "status"), [(b"<html>", 200), ({"error": "x"}, 404), ({"hello": 1}, 200), (b"", 500), ([1, 2], 200)]
)
async def test_what_is_no_model_server_is_passed_over(body: Any, status: int) -> None:
    async with model_server(body, status) as port:
        found = await look({"vllm": port})
    assert found.servers == ()


async def test_the_router_itself_is_no_model_server() -> None:
    async with model_server(listed("auto", owner="pointsman")) as port:
        found = await look({"llamacpp": port})
    assert found == FoundServers((), (f"http://127.0.0.1:{port} is a running Pointsman, not llama.cpp",))


async def test_a_router_that_requires_a_key_is_recognised_too() -> None:
    async with model_server({"error": "no"}, 401, health={"status": "ok"}) as port:
        found = await look({"llamacpp": port})
    assert found == FoundServers((), (f"http://127.0.0.1:{port} is a running Pointsman, not llama.cpp",))


async def test_a_server_with_a_key_is_used_with_the_one_of_the_environment() -> None:
    async with model_server(listed("m"), keys=["right"]) as port:
        [server] = (await look({"jan": port}, JAN_API_KEY="right")).servers
        assert (server.name, server.variable) == ("jan", "JAN_API_KEY")
        for env in ({}, {"JAN_API_KEY": "wrong"}):
            found = await look({"jan": port}, **env)
            assert found.servers == ()
            assert "if it is Jan, set JAN_API_KEY" in found.notes[0]


@pytest.mark.parametrize("body", [{"object": "list", "data": None}, listed(), listed("nomic-embed-text")])
async def test_a_server_without_chat_models_is_left_out_and_named(body: Any) -> None:
    async with model_server(body) as port:
        found = await look({"ollama": port})
    assert found == FoundServers((), (f"Ollama at http://127.0.0.1:{port} has no chat models yet, and is left out",))


async def test_a_second_server_of_a_kind_is_named() -> None:
    async with model_server(listed("m", owner="vllm")) as one, model_server(listed("m", owner="vllm")) as two:
        found = await look({"vllm": one, "llamacpp": two})
    assert len(found.servers) == 1
    assert f"a second vLLM at http://127.0.0.1:{two} is left out" in found.notes[0]


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1:9999", "http://127.0.0.1:9999/v1"),
        (":9999", "http://127.0.0.1:9999/v1"),
        ("0.0.0.0", "http://127.0.0.1:11434/v1"),
        ("http://box:80", "http://box:80/v1"),
        ("https://box/ollama/", "https://box/ollama/v1"),
        ("[::1]:9", "http://[::1]:9/v1"),
        ("http://x:port", "http://127.0.0.1:11434/v1"),
        ("", "http://127.0.0.1:11434/v1"),
    ],
)
def test_ollama_is_looked_for_where_its_own_variable_says(host: str, address: str) -> None:
    assert addresses({"OLLAMA_HOST": host}, {})["ollama"] == address
    assert addresses({"OLLAMA_HOST": host}, {"ollama": 7})["ollama"] == "http://127.0.0.1:7/v1"
