"""`/api/onboarding`: what `pointsman init` finds on this machine without reading a file: keys of the environment by
their names, model servers, and clients.
"""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pointsman.config.enums import Kind
from pointsman.onboarding.draft import draft_of
from pointsman.onboarding.installed_clients import command_for, installed_clients
from pointsman.onboarding.keys import FoundKeys, keys_in
from pointsman.onboarding.local_servers import LocalServer, find_servers
from pointsman.overrides import Configuration
from pointsman.web.http import PageReply, PageRequest, json_reply

MAX_MODELS = 30
"""Models of a server on this machine that are added with it."""


class OnboardingPages:
    def __init__(self, configuration: Configuration, is_demo: Callable[[], bool]) -> None:
        self._configuration, self._is_demo = configuration, is_demo

    async def found(self, _: PageRequest, __: str) -> PageReply:
        env, store = self._configuration.env, self._configuration.store
        keys, servers = keys_in(env), await find_servers(env, {})
        clients = await asyncio.to_thread(list, installed_clients(env.get("PATH"), Path.home()))
        return json_reply(
            {
                "demo": self._is_demo(),
                "kept": str(store.path) if store else None,
                "keys": list(self._keys(keys)),
                "servers": [self._server(each) for each in servers.servers],
                "clients": [{"name": each.name, "title": each.title, "command": command_for(each)} for each in clients],
                "notes": [*keys.notes, *draft_of(keys.keys, (), env).notes, *servers.notes],
            }
        )

    def _keys(self, found: FoundKeys) -> Iterator[dict[str, Any]]:
        """By the names of their variables; those whose provider has no address yet are in the notes."""
        usable = {each.name for each in draft_of(found.keys, (), self._configuration.env).providers}
        providers = self._configuration.current.settings.providers
        for key in found.keys:
            if key.provider in usable:
                of_provider = providers[key.provider].keys if key.provider in providers else ()
                yield {
                    "provider": key.provider,
                    "variable": key.variable,
                    "configured": any(each.value.get_secret_value() == key.value for each in of_provider),
                    "provider_configured": key.provider in providers,
                }

    def _server(self, server: LocalServer) -> dict[str, Any]:
        providers = self._configuration.current.settings.providers
        models = sorted(server.models, key=lambda model: not model.chats)[:MAX_MODELS]
        return {
            "name": server.name,
            "title": server.title,
            "base_url": server.base_url,
            "variable": server.variable or None,
            "configured": any(server.base_url == each.base_url for each in providers.values()),
            "models": [
                {"id": model.id}
                | ({} if model.chats else {"kind": Kind.EMBEDDING.value})
                | ({"context": model.context} if model.context else {})
                for model in models
            ],
        }
