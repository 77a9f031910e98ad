"""Which dialect the demo provider answers in, by the path and headers of the request."""

from collections.abc import Mapping

from pointsman.wire.dialects.base import Dialect
from pointsman.wire.dialects.demo_base import DemoDialect
from pointsman.wire.dialects.registry import DEFAULT, DIALECTS, account_route, route_of_path

__all__ = ["DEFAULT", "DIALECTS", "count_member", "dialect_for", "is_about_account", "is_endpoint", "list_writer"]


def dialect_for(route: str) -> Dialect | None:
    """The dialect whose chat path this is, None for any other path."""
    return next((dialect for dialect in DIALECTS.values() if dialect.demo().claims(route)), None)


def is_endpoint(route: str) -> bool:
    """Whether this path is one of a dialect's endpoints besides chats."""
    found = route_of_path(route)
    return found is not None and found.endpoint is not None


def is_about_account(route: str) -> bool:
    """Whether this path is about files or batches."""
    return account_route(route, {}) is not None


def count_member(route: str) -> str | None:
    """The member with the number, if this path counts tokens; None for any other path."""
    asked = (dialect.count_tokens for dialect in DIALECTS.values() if dialect.demo().asks_count(route))
    return next((count.member for count in asked if count), None)


def list_writer(route: str, headers: Mapping[str, str]) -> DemoDialect:
    """Writes the list of models for this request; `headers` by name in lower case."""
    asked = (dialect for dialect in DIALECTS.values() if dialect.model_list.is_asked(route, headers))
    return next(asked, DEFAULT).demo()
