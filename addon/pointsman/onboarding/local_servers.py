"""Model servers on this machine: what answers at their usual ports, and which of them it is."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from pointsman import catalog, config
from pointsman.client_setup.background_router import Probe, probe
from pointsman.config import Provider
from pointsman.provider_models import ListedModel, ProviderList, list_models

TIMEOUT = 3.0
"""Seconds for a server to list its models."""
TITLES: Mapping[str, str] = {
    "ollama": "Ollama", "lmstudio": "LM Studio", "vllm": "vLLM", "llamacpp": "llama.cpp", "jan": "Jan",
}  # fmt: skip
OWNERS: Mapping[str, str] = {
    "library": "ollama", "vllm": "vllm", "llamacpp": "llamacpp", "organization_owner": "lmstudio",
}  # fmt: skip
"""What the servers call the owner of their models."""
ROUTER = "pointsman"
OLLAMA_VARIABLE = "OLLAMA_HOST"
ANY_ADDRESS = ("0.0.0.0", "::")


@dataclass(frozen=True, slots=True)
class LocalServer:
    """`name` is that of the catalog's row. `models` chat or make embeddings; `variable` holds the key that the server
    wants, if it wants one.
    """

    name: str
    base_url: str
    models: tuple[ListedModel, ...]
    variable: str = ""

    @property
    def title(self) -> str:
        return TITLES[self.name]


@dataclass(frozen=True, slots=True)
class FoundServers:
    servers: tuple[LocalServer, ...]
    notes: tuple[str, ...] = ()


def addresses(env: Mapping[str, str], ports: Mapping[str, int]) -> dict[str, str]:
    """The base URL to look at for each server; `ports` are those that the user names. OLLAMA_HOST is heeded."""
    found = dict(catalog.local_servers())
    if host := env.get(OLLAMA_VARIABLE, "").strip():
        found["ollama"] = _ollama_address(host) or found["ollama"]
    return {**found, **{name: f"http://127.0.0.1:{port}/v1" for name, port in ports.items()}}


def _ollama_address(host: str) -> str | None:
    """From `127.0.0.1:11434`, `:11434`, `0.0.0.0` or a URL."""
    try:
        url = urlsplit(host if re.match(r"https?://", host) else f"http://{host}")
        name, port = url.hostname or "127.0.0.1", url.port or (11434 if "://" not in host else None)
    except ValueError:
        return None
    name = "127.0.0.1" if name in ANY_ADDRESS else name
    name = f"[{name}]" if ":" in name else name
    return f"{url.scheme}://{name}{f':{port}' if port else ''}{url.path.rstrip('/')}/v1"


async def find_servers(env: Mapping[str, str], ports: Mapping[str, int]) -> FoundServers:
    """What answers as a model server does. A router is none, and says so in a note."""
    places = addresses(env, ports)
    lists = await list_models((_entry(name, url) for name, url in places.items()), TIMEOUT)
    keyed = {name: found for name in places if lists[name].rejected and (found := _key_variable(name, env))}
    lists |= await list_models((_entry(name, places[name], env[keyed[name]]) for name in keyed), TIMEOUT)
    servers: dict[str, LocalServer] = {}
    notes: list[str] = []
    for name, url in places.items():
        listed = lists[name]
        if listed.models is None:
            notes += [note] if (note := await _why_not(name, url, listed)) else []
        elif any(model.owner == ROUTER for model in listed.models):
            notes.append(f"{_root(url)} is a running Pointsman, not {TITLES[name]}")
        else:
            owners = (OWNERS[model.owner] for model in listed.models if model.owner in OWNERS)
            kind = name if name in keyed else next(owners, name)
            models = tuple(model for model in listed.models if model.chats or model.embeds)
            server = LocalServer(kind, url, models, keyed.get(name, ""))
            if not any(model.chats for model in models):
                notes.append(f"{server.title} at {_root(url)} has no chat models yet, and is left out")
            elif kind in servers:
                notes.append(f"a second {server.title} at {_root(url)} is left out; add it under a name of its own")
            else:
                servers[kind] = server
    return FoundServers(tuple(servers.values()), tuple(notes))


def _entry(name: str, base_url: str, key: str = "") -> Provider:
    entry = {"base_url": base_url, "keys": [key] if key else [], "models": [{"id": "any"}]}
    return config.build({"providers": {name: entry}}, {}).providers[name]


def _key_variable(name: str, env: Mapping[str, str]) -> str | None:
    return next((variable for variable in catalog.key_variables(name) if env.get(variable)), None)


async def _why_not(name: str, url: str, listed: ProviderList) -> str | None:
    """What to say of a server that does not list its models; None if it is not worth a word."""
    if not listed.rejected:
        return None
    if await asyncio.to_thread(probe, _root(url)) is Probe.ROUTER:
        return f"{_root(url)} is a running Pointsman, not {TITLES[name]}"
    variables = " or ".join(catalog.key_variables(name)) or "a key for it"
    return f"the server at {_root(url)} wants a key: if it is {TITLES[name]}, set {variables} and run init again"


def _root(base_url: str) -> str:
    return base_url.removesuffix("/v1")
