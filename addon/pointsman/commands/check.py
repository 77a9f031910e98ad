"""`pointsman check`: checks that the configuration is valid and that each provider accepts each key. It requests each
provider's list of models, which is free of charge.
"""

import argparse
import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mitmproxy.options import Options
from mitmproxy.proxy.mode_specs import ProxyMode

from pointsman import catalog
from pointsman.commands.config_args import add_config_argument, load_config, print_config_error
from pointsman.commands.models import needs_key
from pointsman.config import ConfigError, Key, Provider, Settings
from pointsman.key_check import KeyCheck
from pointsman.transport.upstream_client import UpstreamClient
from pointsman.transport.upstream_options import UpstreamOptions

MAX_PARALLEL = 8
"""Checks in flight."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="pointsman check", description=__doc__)
    add_config_argument(parser)
    parser.add_argument("--no-keys", action="store_true", help="check the configuration only; do not contact providers")
    given = parser.parse_args(arguments)
    try:
        path, settings = load_config(given.config)
    except ConfigError as error:
        return print_config_error("check", error)
    return report(path, settings, contact=not given.no_keys)


def report(path: Path | None, settings: Settings, *, contact: bool) -> int:
    """Prints what is wrong with the configuration and, if providers may be contacted, with each key. Returns the exit
    status.
    """
    if settings.faults:
        print(f"{path} is at fault:", *settings.faults, sep="\n", file=sys.stderr)
    elif path:
        print(f"{path} is valid.")
    else:
        print("No configuration file was found: the router would use the built-in demo providers.")
        print("pointsman init writes one for the keys and model servers on this machine.")
    for warning in settings.warnings:
        print(f"warning: {warning}")
    faults = 0 if not contact else sum(not is_good for is_good in _print_results(asyncio.run(check_keys(settings))))
    return 1 if faults or settings.faults else 0


async def check_keys(settings: Settings) -> list[tuple[str, dict[str, Any]]]:
    """`(name, result)` for each enabled key: `provider label`, and what `KeyCheck` returned."""
    providers, gate = UpstreamClient(), asyncio.Semaphore(MAX_PARALLEL)
    check = KeyCheck(providers, lambda: UpstreamOptions.from_options(Options(), ProxyMode.parse("regular")))

    async def one(name: str, provider: Provider, key: Key | None) -> tuple[str, dict[str, Any]]:
        async with gate:
            return name, await check(provider, key)

    try:
        return await asyncio.gather(*(one(*each) for each in _keys_to_check(settings)))
    finally:
        await providers.close()


def _keys_to_check(settings: Settings) -> Iterator[tuple[str, Provider, Key | None]]:
    known = catalog.known()
    for provider in settings.providers.values():
        keys = [key for key in provider.keys if key.enabled]
        if not provider.enabled:
            continue
        if not provider.keys and not needs_key(provider, known):
            yield f"{provider.name} (no key)", provider, None
        for key in keys:
            yield f"{provider.name} {key.label}", provider, key


def _print_results(found: list[tuple[str, dict[str, Any]]]) -> Iterator[bool]:
    width = max((len(name) for name, _ in found), default=0)
    for name, result in found:
        models = f", {result['models']} models" if result["models"] is not None else ""
        verdict = "ok" if result["ok"] else "FAILED"
        print(f"{verdict:<6}  {name:<{width}}  {result['message']}{models} ({result['ms']:.0f} ms)")
        yield result["ok"]
