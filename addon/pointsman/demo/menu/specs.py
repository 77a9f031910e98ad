"""Behaviours by name, for scripts that come from a command line.

A spec is a name, then after a colon its first argument and others as `key=value`: `silence`, `status:503`,
`answer:hello world,pace=0.05`. What changes a behaviour follows it after a bar: `answer:hello|compressed:gzip|drip:3`.
A comma belongs to the text it is in unless `key=` follows.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from types import UnionType
from typing import Any, Literal, TypeAliasType, Union, get_args, get_origin, get_type_hints

from pointsman.demo.menu import answers, breaks, early, errors, floods, manners, oddities
from pointsman.demo.script import Behaviour

type Builder = Callable[..., Behaviour]

_BUILDERS: tuple[Builder, ...] = (
    *(answers.answer, answers.echo, answers.counted),
    *(early.reset, early.hang_up, early.silence, early.hang, early.slow_headers, early.early_hints),
    *(early.json_for_stream, early.sse_for_whole),
    *(errors.status, errors.rate_limited, errors.huge_error, errors.wrapped, errors.wrapped_json, errors.html),
    *(errors.garbage, errors.empty, errors.no_content, errors.redirect, errors.not_found, errors.bad_request),
    *(breaks.pause, breaks.stall, breaks.cut, breaks.reset_within, breaks.truncated, breaks.wrong_length),
    *(breaks.error_within, breaks.garbled),
    *(oddities.pings, oddities.comments, oddities.multiline, oddities.finish_twice, oddities.usage_at),
    *(oddities.hop_by_hop, oddities.line_ends),
    *(floods.endless, floods.endless_line, floods.flood, floods.big_event, floods.bomb),
)
_WRAPPERS: tuple[Builder, ...] = (
    *(manners.delayed, manners.compressed, manners.drip, manners.with_trailers),
    *(manners.until_close, manners.closing, manners.unread),
)
_BY_NAME = {builder.__name__: builder for builder in _BUILDERS}
_WRAPPER_BY_NAME = {builder.__name__: builder for builder in _WRAPPERS}

NAMES = (*_BY_NAME, *(f"|{name}" for name in _WRAPPER_BY_NAME))
"""Every name a spec may use; those that begin with a bar change what stands before it."""

_OPTION = re.compile(r"(?:^|,)(?=[a-z_]+=)")
_TRUTH = {"yes": True, "true": True, "no": False, "false": False}


def parse(spec: str) -> Behaviour:
    """The behaviour a spec describes. Raises ValueError, with what is wrong and what would be right."""
    first, *others = spec.split("|")
    behaviour = _build(_BY_NAME, first)
    for other in others:
        behaviour = _build(_WRAPPER_BY_NAME, other, behaviour)
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
    try:
        return builder(*wrapped, **given)
    except TypeError as error:
        raise ValueError(f"{name}: {error}") from error


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
    hint = hint.__value__ if isinstance(hint, TypeAliasType) else hint
    if get_origin(hint) is Literal:
        return _pick(where, {choice: choice for choice in get_args(hint)}, text)
    kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    for kind in kinds:
        if get_origin(kind) is Literal:
            return _convert(where, kind, text)
        if kind is bool:
            return _pick(where, _TRUTH, text)
        if kind is int or kind is float:
            return _number(where, kind, text)
        if kind is str:
            return text
    raise ValueError(f"{where} cannot be given in a spec")


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
