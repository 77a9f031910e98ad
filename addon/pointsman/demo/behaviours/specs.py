"""Behaviours by name, for scripts that come from a command line.

A spec is a name, then after a colon its first argument and others as `key=value`: `silence`, `status:503`,
`answer:hello world,pace=0.05`. What changes a behaviour follows it after a bar: `answer:hello|compressed:gzip|drip:3`.
A comma belongs to the text it is in unless `key=` follows.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from types import ModuleType, UnionType
from typing import Any, Literal, TypeAliasType, Union, get_args, get_origin, get_type_hints

from pointsman.demo.behaviours import answers, breaks, early, endpoints, errors, floods, oddities, wrappers
from pointsman.demo.script import Behaviour

type Builder = Callable[..., Behaviour]


def _builders(module: ModuleType, given: int = 0) -> dict[str, Builder]:
    """The module's own functions that make a behaviour and need no more than that many arguments."""

    def can_be_spelt(thing: object) -> bool:
        if not inspect.isfunction(thing) or thing.__module__ != module.__name__ or thing.__name__.startswith("_"):
            return False
        needed = list(inspect.signature(thing).parameters.values())[given:]
        has_defaults = all(parameter.default is not parameter.empty for parameter in needed)
        return has_defaults and get_type_hints(thing).get("return") is Behaviour

    return {name: thing for name, thing in vars(module).items() if can_be_spelt(thing)}


_BASES = {
    name: builder
    for theme in (answers, endpoints, oddities, early, breaks, errors, floods)
    for name, builder in _builders(theme).items()
}
_CHANGES = _builders(wrappers, given=1)

NAMES = (*_BASES, *(f"|{name}" for name in _CHANGES))
"""Every name a spec may use; those that begin with a bar change what stands before it."""

_OPTION = re.compile(r"(?:^|,)(?=[a-z_]+=)")
_TRUTH = {"yes": True, "true": True, "no": False, "false": False}


def parse(spec: str) -> Behaviour:
    """The behaviour a spec describes. Raises ValueError, with what is wrong and what would be right."""
    first, *others = spec.split("|")
    behaviour = _build(_BASES, first)
    for other in others:
        behaviour = _build(_CHANGES, other, behaviour)
    return behaviour


def _build(builders: dict[str, Builder], spec: str, *wrapped: Behaviour) -> Behaviour:
    name, _, rest = spec.strip().partition(":")
    builder = builders.get(name)
    if builder is None:
        raise ValueError(f"no behaviour is called {name!r}; known are {', '.join(builders)}")
    hints = get_type_hints(builder)
    keys = list(inspect.signature(builder).parameters)[len(wrapped) :]
    given = {}
    for key, text in _arguments(name, keys, rest):
        if key not in keys:
            raise ValueError(f"{name} has no {key!r}; it takes {', '.join(keys) or 'nothing'}")
        given[key] = _convert(f"{name}: {key}", hints[key], text)
    return builder(*wrapped, **given)


def _arguments(name: str, keys: list[str], rest: str) -> list[tuple[str, str]]:
    first, *options = _OPTION.split(rest)
    pairs = [(key, value) for key, _, value in (option.partition("=") for option in options)]
    if not first:
        return pairs
    if not keys:
        raise ValueError(f"{name} takes no arguments")
    return [(keys[0], first), *pairs]


def _convert(where: str, hint: Any, text: str) -> Any:
    """The value of a parameter with that type hint. Raises ValueError if the text is none, or no text can be one."""
    for kind in _kinds(hint):
        if get_origin(kind) is Literal:
            return _pick(where, {choice: choice for choice in get_args(kind)}, text)
        if kind is bool:
            return _pick(where, _TRUTH, text)
        if kind is int or kind is float:
            return _number(where, kind, text)
        if kind is str:
            return text
    raise ValueError(f"{where} cannot be given in a spec")


def _kinds(hint: Any) -> Iterator[Any]:
    """The types that a hint allows, its aliases and unions taken apart."""
    if isinstance(hint, TypeAliasType):
        yield from _kinds(hint.__value__)
    elif get_origin(hint) in (Union, UnionType):
        for kind in get_args(hint):
            yield from _kinds(kind)
    else:
        yield hint


def _pick(where: str, choices: dict[str, Any], text: str) -> Any:
    if text not in choices:
        raise ValueError(f"{where} must be one of {', '.join(choices)}, got {text!r}")
    return choices[text]


def _number(where: str, kind: type[int] | type[float], text: str) -> float:
    try:
        return kind(text)
    except ValueError as error:
        noun = "a whole number" if kind is int else "a number"
        raise ValueError(f"{where} must be {noun}, got {text!r}") from error
