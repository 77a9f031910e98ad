"""Known providers and models: `catalog.yaml`, in the very shape of the configuration's section `providers`."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ruamel.yaml import YAML

FILE = Path(__file__).with_name("catalog.yaml")


@cache
def known() -> Mapping[str, Mapping[str, Any]]:
    """The catalog: each known provider by name, in the form of a configuration file. Read once; not to be changed."""
    return MappingProxyType(YAML(typ="safe", pure=True).load(FILE))
