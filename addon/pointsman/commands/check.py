"""`pointsman check`: is the configuration sound, and does each provider accept each key? Providers are asked for their
list of models, which costs nothing.
"""

import argparse
import asyncio
from collections.abc import Iterator
from typing import Any

from mitmproxy.options import Options
from mitmproxy.proxy.mode_specs import ProxyMode

from pointsman import catalog
from pointsman.commands.config_args import add_config, configured, refused
from pointsman.commands.models import needs_key
from pointsman.config import ConfigError, Key, Provider, Settings
from pointsman.key_check import KeyTest
from pointsman.transport.upstream_client import Providers
from pointsman.transport.upstream_options import Outlet

AT_ONCE = 8
"""Questions in flight."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="pointsman check", description=__doc__)
    add_config(parser)
    parser.add_argument("--no-keys", action="store_true", help="look at the configuration only, and ask nobody")
    given = parser.parse_args(arguments)
    try:
        path, settings = configured(given.config)
    except ConfigError as error:
        return refused("check", error)
    print(f"{path} is sound." if path else "There is no configuration file: the built-in demo providers would serve.")
    for warning in settings.warnings:
        print(f"warning: {warning}")
    faults = 0 if given.no_keys else sum(not is_good for is_good in _told(asyncio.run(tried(settings))))
    return 1 if faults else 0


async def tried(settings: Settings) -> list[tuple[str, dict[str, Any]]]:
    """Each enabled key, by the name that people know it by, with what came of it."""
    providers, gate = Providers(), asyncio.Semaphore(AT_ONCE)
    test = KeyTest(providers, lambda: Outlet.of(Options(), ProxyMode.parse("regular")))

    async def one(name: str, provider: Provider, key: Key | None) -> tuple[str, dict[str, Any]]:
        async with gate:
            return name, await test(provider, key)

    try:
        return await asyncio.gather(*(one(*each) for each in _to_try(settings)))
    finally:
        await providers.close()


def _to_try(settings: Settings) -> Iterator[tuple[str, Provider, Key | None]]:
    known = catalog.known()
    for provider in settings.providers.values():
        keys = [key for key in provider.keys if key.enabled]
        if not provider.enabled:
            continue
        if not provider.keys and not needs_key(provider, known):
            yield f"{provider.name} (no key)", provider, None
        for key in keys:
            yield f"{provider.name} {key.label}", provider, key


def _told(found: list[tuple[str, dict[str, Any]]]) -> Iterator[bool]:
    width = max((len(name) for name, _ in found), default=0)
    for name, told in found:
        models = f", {told['models']} models" if told["models"] is not None else ""
        print(f"{'good ' if told['ok'] else 'WRONG'}  {name:<{width}}  {told['message']}{models} ({told['ms']:.0f} ms)")
        yield told["ok"]
