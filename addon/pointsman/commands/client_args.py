"""What `setup` and `run` have in common: which router, which key, and what the router's configuration says of both."""

import argparse
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pointsman.client_setup.client import Client
from pointsman.client_setup.resolve import NO_KEY
from pointsman.commands.admin_client import add_router
from pointsman.commands.config_args import load_config
from pointsman.config import ConfigError, Settings
from pointsman.config.enums import UnknownModel

KEY_VARIABLE = "POINTSMAN_KEY"
PLACEHOLDER = "YOUR_CLIENT_KEY"
NEEDS_KEY = (
    f"The router requires a key: put the value of server.client_key in the place of {PLACEHOLDER}, or give it with "
    f"--key or in {KEY_VARIABLE}."
)
NEEDS_NO_KEY = (
    f"The router has no client key and accepts any from this machine; {NO_KEY!r} is there because clients insist."
)


NEEDS_OWN_KEY = (
    "The router requires the key of a client ({clients}), of which the configuration is read as a hash: put the key in "
    f"the place of {PLACEHOLDER}, or give it with --key or in {KEY_VARIABLE}. `pointsman clients add NAME` makes one."
)
MAX_LISTED = 5


@dataclass(frozen=True, slots=True)
class RouterKey:
    """`shown` may be printed, `used` is written to files and given to clients; `note` says where it is from.
    `is_missing`: the router requires one, and it is not known here.
    """

    shown: str
    used: str
    note: str
    is_missing: bool = False


def add_client_arguments(parser: argparse.ArgumentParser) -> None:
    add_router(parser)
    parser.add_argument(
        "--key",
        help=f"client key of the router (default: {KEY_VARIABLE}, else that of the configuration, else {NO_KEY!r})",
    )


def load_settings(named: str | None) -> tuple[Path | None, Settings] | None:
    """The router's configuration. None if it is invalid: what the router says of that does not stop a set-up."""
    try:
        return load_config(named)
    except ConfigError:
        return None


def router_key(given: str | None, settings: Settings | None) -> RouterKey:
    """The key that was given, else the environment's, else that of the client `default`, else one that only fills the
    place.
    """
    if named := given or os.environ.get(KEY_VARIABLE):
        return RouterKey(named, named, "")
    if settings and settings.server.client_key:
        return RouterKey(PLACEHOLDER, settings.server.client_key.get_secret_value(), NEEDS_KEY)
    if settings and settings.clients:
        names = list(settings.clients)
        listed = ", ".join(names[:MAX_LISTED]) + (", …" if len(names) > MAX_LISTED else "")
        return RouterKey(PLACEHOLDER, PLACEHOLDER, NEEDS_OWN_KEY.format(clients=listed), is_missing=True)
    return RouterKey(NO_KEY, NO_KEY, NEEDS_NO_KEY)


def missing_aliases(client: Client, path: Path | None, settings: Settings) -> Iterator[str]:
    """What the router's configuration has to be given so that it knows the model names of the set-up."""
    if path is None or settings.routing.unknown_model is not UnknownModel.ERROR:
        return
    models = {model.id for provider in settings.providers.values() for model in provider.models}
    missing = {name: mode for name, mode in client.aliases.items() if name not in {*settings.routing.aliases, *models}}
    if missing:
        written = ", ".join(f"{name}: {mode}" for name, mode in missing.items())
        yield f"{path} does not know the model {', '.join(missing)}. Add to it: routing: {{aliases: {{{written}}}}}"
