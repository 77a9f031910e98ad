"""What mitmproxy looks up many times for each flow, in fewer steps: headers, options, and what hooks are about.

Why: each header that is asked for calls two functions for every header that there is. Each option that is read is
copied, twice if it has its default. Each hook looks twice for the names of its fields.
Inner parts: `Headers.get_all`, `get` and `__contains__`, `Hook.args` and `_Option.current`, replaced; `value` and
`_default` of `_Option`.
Gain: see "Patches" in docs/measurements.md. Switch: `quick_lookups`.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import cache
from typing import Any, cast

from mitmproxy import http, optmanager
from mitmproxy.hooks import Hook

from pointsman.transport.mitm_patches.switches import switches

IMMUTABLE = frozenset({bool, int, str, float, type(None)})
"""The types of nearly all options: what needs no copy."""

type Methods = Mapping[tuple[type, str], Callable[..., Any]]


def install() -> None:
    if switches().quick_lookups:
        _replace(QUICK)


def remove() -> None:
    _replace(STOCK)


def _replace(methods: Methods) -> None:
    for (owner, name), method in methods.items():
        setattr(owner, name, method)


def header_values(self: http.Headers, name: str | bytes) -> list[str]:
    raw = name if isinstance(name, bytes) else name.encode("utf-8", "surrogateescape")
    wanted = raw.lower()
    return [value.decode("utf-8", "surrogateescape") for key, value in self.fields if key.lower() == wanted]


def header_value(self: http.Headers, name: str | bytes, default: Any = None) -> Any:
    values = self.get_all(name)
    return ", ".join(values) if values else default


def has_header(self: http.Headers, name: str | bytes) -> bool:
    return bool(self.get_all(name))


def hook_arguments(self: Hook) -> list[Any]:
    return [getattr(self, name) for name in _field_names(cast(Any, type(self)))]


@cache  # as many as mitmproxy and its addons have hooks
def _field_names(hook: Any) -> list[str]:
    return [field.name for field in fields(hook)]


def option_value(self: optmanager._Option) -> Any:
    value = self._default if self.value is optmanager.unset else self.value
    return value if type(value) in IMMUTABLE else copy.deepcopy(value)


QUICK: Methods = {
    (http.Headers, "get_all"): header_values,
    (http.Headers, "get"): header_value,
    (http.Headers, "__contains__"): has_header,
    (Hook, "args"): hook_arguments,
    (optmanager._Option, "current"): option_value,
}
STOCK: Methods = {(owner, name): getattr(owner, name) for owner, name in QUICK}
