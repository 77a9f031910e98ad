"""Known providers and models: `catalog.yaml`, in the very shape of the configuration's section `providers`.

>>> key_variables("groq")
('GROQ_API_KEY',)
"""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pointsman.data_file import Sections

FILE = Path(__file__).with_name("catalog.yaml")
KEY_ENV = "key_env"
"""The one member of a row that is not part of a configuration."""
THIS_MACHINE = ("127.0.0.1", "localhost", "::1")


class Catalog(Mapping[str, Mapping[str, Any]]):
    """Each known provider by name, in the form of a configuration file. Not to be changed."""

    def __init__(self) -> None:
        self._rows: dict[str, Mapping[str, Any]] = {}

    def __getitem__(self, name: str) -> Mapping[str, Any]:
        if name not in self._rows:
            self._rows[name] = {key: value for key, value in _rows()[name].items() if key != KEY_ENV}
        return self._rows[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_rows())

    def __len__(self) -> int:
        return len(_rows())


@cache
def known() -> Mapping[str, Mapping[str, Any]]:
    """The catalog. The file is read once, and a row parsed when it is first asked for."""
    return Catalog()


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
    return Sections(FILE)
