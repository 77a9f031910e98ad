"""Known providers and models: `catalog.yaml`, in the very shape of the configuration's section `providers`.

>>> key_variables("groq")
('GROQ_API_KEY',)
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from ruamel.yaml import YAML

FILE = Path(__file__).with_name("catalog.yaml")
KEY_ENV = "key_env"
"""The one member of a row that is not part of a configuration."""
THIS_MACHINE = ("127.0.0.1", "localhost", "::1")


@cache
def known() -> Mapping[str, Mapping[str, Any]]:
    """The catalog: each known provider by name, in the form of a configuration file. Read once; not to be changed."""
    return MappingProxyType({name: {key: row[key] for key in row if key != KEY_ENV} for name, row in _rows().items()})


def key_variables(provider: str) -> tuple[str, ...]:
    """The environment variables that usually hold a key of this provider. Raises KeyError for an unknown one."""
    return tuple(_rows()[provider].get(KEY_ENV, ()))


def is_local(base_url: str) -> bool:
    """It is the address of a server on this machine."""
    return urlsplit(base_url).hostname in THIS_MACHINE


def local_servers() -> Mapping[str, str]:
    """The base URLs of the catalog's servers on this machine, by provider."""
    return {name: row["base_url"] for name, row in known().items() if is_local(row["base_url"])}


@cache
def _rows() -> Mapping[str, Mapping[str, Any]]:
    return MappingProxyType(YAML(typ="safe", pure=True).load(FILE))
