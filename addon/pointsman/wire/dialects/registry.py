"""All dialects by name, and which of them a path belongs to.

To add a dialect: write its folder beside this file, named as in `config.enums.Dialect` with `_` for `-`, whose
`__init__` has its `DIALECT`; and add the line of its name there.
"""

import json
from collections.abc import Mapping
from importlib import import_module
from typing import NamedTuple

from pointsman.config.enums import Dialect as DialectName
from pointsman.wire.account_requests import METHODS
from pointsman.wire.dialects.base import Dialect, Purpose
from pointsman.wire.paths import standard_path


def _load(name: DialectName) -> Dialect:
    """The `DIALECT` of the folder of that name."""
    dialect: Dialect = import_module(f"{__package__}.{name.replace('-', '_')}").DIALECT
    return dialect


DIALECTS: Mapping[DialectName, Dialect] = {name: _load(name) for name in DialectName}
DEFAULT = DIALECTS[DialectName.OPENAI_CHAT]
"""For clients that do not show which one they speak."""


class Route(NamedTuple):
    """What a path is for."""

    dialect: DialectName
    purpose: Purpose = Purpose.CHAT
    endpoint: Dialect | None = None
    """None for chats, and questions about them."""
    methods: tuple[str, ...] = ("POST",)


def route_of_path(path: str) -> Route | None:
    """None for a path that asks no model. A query string is ignored.

    route_of_path("/v1/messages/count_tokens?beta=true") == Route(DialectName.ANTHROPIC, Purpose.COUNT)
    """
    path = path.partition("?")[0]
    for name, dialect in DIALECTS.items():
        if purpose := dialect.purpose_of(path):
            if purpose is Purpose.STORED and dialect.stored_methods:
                return Route(name, purpose, methods=dialect.stored_methods(path))
            return Route(name, purpose)
    for name, dialect in DIALECTS.items():
        for endpoint in dialect.endpoints:
            if purpose := endpoint.purpose_of(path):
                return Route(name, purpose, endpoint)
    return None


def account_route(path: str, headers: Mapping[str, str]) -> Route | None:
    """For a path about files or batches, which dialects share: where they do, the headers (names in lower case) decide.
    None for any other path.
    """
    path = path.partition("?")[0]
    found = [each for each in DIALECTS.values() if each.account and each.account.purpose_of(path)]
    if not found:
        return None
    asked = next((each for each in found if each.model_list.is_asked(path, headers)), found[0])
    return Route(asked.name, Purpose.ACCOUNT, asked.account, METHODS)


def dialect_of_path(path: str) -> DialectName | None:
    """The dialect that chat requests to `path` speak, however it is spelt; None for a path that is no chat path."""
    route = route_of_path(standard_path(path, is_own=True).path)
    return route.dialect if route and route.purpose is Purpose.CHAT else None


def dialect_of_asker(path: str, headers: Mapping[str, str]) -> Dialect:
    """The dialect of a request that is no chat: header names in lower case, the path without its query."""
    return next((each for each in DIALECTS.values() if each.model_list.is_asked(path, headers)), DEFAULT)


def count_body(dialect: DialectName, tokens: int) -> bytes:
    """The answer to a question for a number of tokens, in one of the dialects that have such a question."""
    count = DIALECTS[dialect].count_tokens
    assert count
    kind = {"object": count.kind} if count.kind else {}
    return json.dumps({**kind, count.member: tokens}).encode()
