"""The configuration: what a file and the environment may say, and the frozen `Settings` that come of it.

The way of a value: `document` reads the YAML, `environment` puts overrides over it and fills in `${NAME}`,
`inheritance` adds what the catalog knows, the models in `settings` and `providers` judge each value, `rules` judge what
spans several, `loading` runs all that in order.
"""

from pointsman.config.enums import (
    Capability,
    Dialect,
    Forward,
    KeySource,
    Level,
    Mode,
    Pool,
    RedirectMatch,
    UnknownModel,
)
from pointsman.config.errors import ConfigError, Found
from pointsman.config.loading import build, find, load, read
from pointsman.config.providers import Key, Limits, Model, Provider, Quirks, Redirect, Timeouts
from pointsman.config.settings import Cooldowns, History, Routing, Server, Settings, Sticky, Weights
from pointsman.config.stream import Hedge, Stream
from pointsman.config.values import parse_duration, parse_size

__all__ = [
    "Capability",
    "ConfigError",
    "Cooldowns",
    "Dialect",
    "Forward",
    "Found",
    "Hedge",
    "History",
    "Key",
    "KeySource",
    "Level",
    "Limits",
    "Mode",
    "Model",
    "Pool",
    "Provider",
    "Quirks",
    "Redirect",
    "RedirectMatch",
    "Routing",
    "Server",
    "Settings",
    "Sticky",
    "Stream",
    "Timeouts",
    "UnknownModel",
    "Weights",
    "build",
    "find",
    "load",
    "parse_duration",
    "parse_size",
    "read",
]
