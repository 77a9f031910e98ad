"""`pointsman check`: checks that the configuration is valid, that each provider accepts each key, and that it has the
models of the configuration. It requests each provider's list of models, which is free of charge. With --sticky, it
checks instead whether a running router keeps a conversation on one provider.
"""

import argparse
import asyncio
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mitmproxy.options import Options
from mitmproxy.proxy.mode_specs import ProxyMode

from pointsman import catalog
from pointsman.clients.unpriced import unpriced_warnings
from pointsman.commands import sticky_check
from pointsman.commands.admin_client import add_router_argument
from pointsman.commands.config_args import add_config_argument, load_config, print_config_error
from pointsman.commands.models import needs_key
from pointsman.commands.terminal import printable
from pointsman.config import ConfigError, Key, Model, Provider, Settings
from pointsman.config.enums import Kind
from pointsman.config.messages import format_path, quoted, suggestion
from pointsman.configured_secrets import secrets_of
from pointsman.domain.targets import Inventory
from pointsman.key_check import KeyCheck, KeyReport
from pointsman.live_check import LiveCheck, LiveReport
from pointsman.masking import Masker
from pointsman.provider_models import ListedModel, compare, read_list
from pointsman.transport.upstream_client import UpstreamClient
from pointsman.transport.upstream_options import UpstreamOptions

MAX_PARALLEL = 8
"""Checks in flight."""


@dataclass(frozen=True, slots=True)
class Account:
    """A provider and one of its keys, None where it has none."""

    provider: Provider
    key: Key | None

    @property
    def name(self) -> str:
        return f"{self.provider.name} {self.key.label if self.key else '(no key)'}"


type Checked = tuple[Account, KeyReport]
type LiveChecked = tuple[str, LiveReport]
"""The second begins with what was asked: `provider/model label`."""


def main(arguments: list[str]) -> int:
    given = _parser().parse_args(arguments)
    if given.sticky:
        return sticky_check.main(given)
    try:
        path, settings = load_config(given.config)
    except ConfigError as error:
        return print_config_error("check", error)
    return report(path, settings, contact=not given.no_keys, live=given.live)


def report(path: Path | None, settings: Settings, *, contact: bool, live: str | None = None) -> int:
    """Prints what is wrong with the configuration and, if providers may be contacted, with each key; `live` as in
    `check_accounts`. Returns the exit status.
    """
    if settings.faults:
        print(f"{path} is invalid:", *settings.faults, sep="\n", file=sys.stderr)
    elif path:
        print(f"{path} is valid.")
    else:
        print("No configuration file was found: the router would use the built-in demo providers.")
        print("pointsman init writes one for the keys and model servers on this machine.")
    for warning in (*settings.warnings, *_unpriced(settings)):
        print(f"warning: {warning}")
    is_good = asyncio.run(check_accounts(settings, live)) if contact else True
    return 0 if is_good and not settings.faults else 1


def _unpriced(settings: Settings) -> Iterator[str]:
    if any(client.budgets for client in settings.clients.values()):
        yield from unpriced_warnings(settings.clients, Inventory.from_settings(settings))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pointsman check", description=__doc__)
    add_config_argument(parser)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--no-keys", action="store_true", help="check the configuration only; do not contact providers")
    how.add_argument(
        "--live",
        nargs="?",
        const="keys",
        choices=("keys", "all"),
        help="request one token with each key from the provider's first chat model; with `all`, from every chat model",
    )
    how.add_argument(
        "--sticky", action="store_true", help="send a conversation of three turns through a running router"
    )
    sticky = parser.add_argument_group("with --sticky")
    add_router_argument(sticky)
    sticky_check.add_arguments(sticky)
    return parser


async def check_accounts(settings: Settings, live: str | None = None) -> bool:
    """Prints what each key, and each model that is asked (`live`: `keys` or `all`), came to; False if one failed."""
    client, gate = UpstreamClient(), asyncio.Semaphore(MAX_PARALLEL)
    upstream = partial(UpstreamOptions.from_options, Options(), ProxyMode.parse("regular"))
    key_check = KeyCheck(client, upstream)
    live_check = LiveCheck(client, upstream, Masker(secrets_of(settings)))

    async def check(account: Account) -> Checked:
        async with gate:
            return account, await key_check.report(account.provider, account.key)

    async def ask(account: Account, model: Model) -> LiveChecked:
        async with gate:
            name = f"{account.provider.name}/{model.id}{f' {account.key.label}' if account.key else ''}"
            return name, await live_check(account.provider, model, account.key)

    try:
        checked = await asyncio.gather(*map(check, _accounts(settings)))
        _print_keys(checked)
        for warning in _unlisted_models(checked):
            print(f"warning: {warning}")
        asked = await asyncio.gather(*(ask(*each) for each in _to_ask(checked, live)))
        _print_live(asked)
    finally:
        await client.close()
    return all(report.ok for _, report in checked) and all(report.ok for _, report in asked)


def _accounts(settings: Settings) -> Iterator[Account]:
    known = catalog.known()
    for provider in settings.providers.values():
        if not provider.enabled:
            continue
        if not provider.keys and not needs_key(provider, known):
            yield Account(provider, None)
        for key in provider.keys:
            if key.enabled:
                yield Account(provider, key)


def _unlisted_models(checked: Sequence[Checked]) -> Iterator[str]:
    """A warning for each enabled model that its provider does not list: it may have it all the same."""
    lists: dict[str, tuple[Provider, list[ListedModel]]] = {}
    for account, report in checked:
        listed = read_list(report.listed) if report.listed else None
        if listed and listed.models and listed.complete:
            lists.setdefault(account.provider.name, (account.provider, []))[1].extend(listed.models)
    for provider, models in lists.values():
        yield from _unlisted_of(provider, models)


def _unlisted_of(provider: Provider, listed: Sequence[ListedModel]) -> Iterator[str]:
    for model in compare(provider, listed).gone:
        path = format_path(("providers", provider.name, "models", provider.models.index(model)))
        remedy = suggestion(model.id, [each.id for each in listed]) or "; correct or remove it"
        yield f"{path}: {provider.name} does not list {quoted(model.id)}{remedy}; `--live all` shows whether it answers"


def _to_ask(checked: Sequence[Checked], live: str | None) -> Iterator[tuple[Account, Model]]:
    """With each key the first chat model, or every one with the first key that the provider accepts."""
    first: Mapping[str, Account] = {
        account.provider.name: account for account, report in sorted(checked, key=lambda each: each[1].ok)
    }
    for account, _ in checked if live else ():
        models = [model for model in account.provider.models if model.enabled and Kind.CHAT in model.kind]
        is_first = live == "all" and account.key == first[account.provider.name].key
        for model in models if is_first else models[:1]:
            yield account, model


def _print_keys(checked: Sequence[Checked]) -> None:
    width = max((len(account.name) for account, _ in checked), default=0)
    for account, report in checked:
        models = "" if report.count is None else f", {report.count} model{'' if report.count == 1 else 's'}"
        _print_line(report.ok, f"{account.name:<{width}}", f"{report.message}{models}", report.ms)


def _print_live(asked: Sequence[LiveChecked]) -> None:
    width = max((len(name) for name, _ in asked), default=0)
    for name, report in asked:
        _print_line(report.ok, f"{name:<{width}}", report.message, report.ms)


def _print_line(ok: bool, name: str, message: str, ms: float) -> None:
    print(f"{'ok' if ok else 'FAILED':<6}  {name}  {printable(message)} ({ms:.0f} ms)")
