"""The configuration: the file and the environment, validated into the frozen `Settings`.

The way of a value: `document` reads the YAML, `environment` puts overrides over it and fills in `${NAME}`,
`inheritance` adds what the catalog knows, the models in `settings` and `providers` judge each value, `rules` judge what
spans several, `loading` runs all that in order.
"""

from pointsman.config.clients import Budget, ClientLimits, ClientSettings
from pointsman.config.enums import (
    BudgetPeriod,
    Capability,
    Dialect,
    Forward,
    KeySource,
    LogFormat,
    Mode,
    Pool,
    ProtectionLevel,
    RedirectMatch,
    UnknownModel,
)
from pointsman.config.errors import ConfigError, ConfigIssue
from pointsman.config.loading import build, find_file, load, read_file
from pointsman.config.providers import Key, LimitSettings, Model, Provider, Quirks, Redirect, Timeouts
from pointsman.config.settings import (
    CooldownSettings,
    HistorySettings,
    LogSettings,
    Routing,
    Server,
    Settings,
    SharedSettings,
    Sticky,
    TelemetrySettings,
    Weights,
)
from pointsman.config.stream import Hedge, Stream
from pointsman.config.values import parse_duration, parse_size

__all__ = [
    "Budget",
    "BudgetPeriod",
    "Capability",
    "ClientLimits",
    "ClientSettings",
    "ConfigError",
    "ConfigIssue",
    "CooldownSettings",
    "Dialect",
    "Forward",
    "Hedge",
    "HistorySettings",
    "Key",
    "KeySource",
    "LimitSettings",
    "LogFormat",
    "LogSettings",
    "Mode",
    "Model",
    "Pool",
    "ProtectionLevel",
    "Provider",
    "Quirks",
    "Redirect",
    "RedirectMatch",
    "Routing",
    "Server",
    "Settings",
    "SharedSettings",
    "Sticky",
    "Stream",
    "TelemetrySettings",
    "Timeouts",
    "UnknownModel",
    "Weights",
    "build",
    "find_file",
    "load",
    "parse_duration",
    "parse_size",
    "read_file",
]
