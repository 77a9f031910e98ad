"""What mitmproxy looks up many times for each flow, in fewer steps: headers, options, and what hooks are about.

Why: each header that is asked for calls two functions for every header that there is. Each option that is read is
copied, twice if it has its default. Each hook looks twice for the names of its fields.
Inner parts: `Headers.get_all`, `Hook.args` and `_Option.current`, replaced; `_Option.value` and `_Option._default`.
Gain: see "Patches" in docs/measurements.md. Switch: `quick_lookups`.
"""

import copy
from dataclasses import fields
from functools import cache
from typing import Any, cast

from mitmproxy import http, optmanager
from mitmproxy.hooks import Hook

from pointsman.transport.mitm_patches.switches import switches

STOCK = http.Headers.get_all, Hook.args, optmanager._Option.current
IMMUTABLE = frozenset({bool, int, str, float, type(None)})
"""The types of nearly all options: what needs no copy."""


def install() -> None:
    if switches().quick_lookups:
        _replace(header_values, hook_arguments, option_value)


def remove() -> None:
    _replace(*STOCK)


def _replace(get_all: Any, args: Any, current: Any) -> None:
    http.Headers.get_all, Hook.args, optmanager._Option.current = get_all, args, current  # type: ignore[method-assign]


def header_values(self: http.Headers, name: str | bytes) -> list[str]:
    raw = name if isinstance(name, bytes) else name.encode("utf-8", "surrogateescape")
    wanted = raw.lower()
    return [value.decode("utf-8", "surrogateescape") for key, value in self.fields if key.lower() == wanted]


def hook_arguments(self: Hook) -> list[Any]:
    return [getattr(self, name) for name in _field_names(cast(Any, type(self)))]


@cache  # as many as mitmproxy and its addons have hooks
def _field_names(hook: Any) -> list[str]:
    return [field.name for field in fields(hook)]


def option_value(self: optmanager._Option) -> Any:
    value = self._default if self.value is optmanager.unset else self.value
    return value if type(value) in IMMUTABLE else copy.deepcopy(value)
