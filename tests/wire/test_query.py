"""Query strings: what goes on to a provider, and what they say."""

import pytest

from pointsman.wire import query


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/messages", ""),
        ("/v1/messages?", ""),
        ("/v1/messages?beta=true", "?beta=true"),
        ("/x?key=secret", ""),
        ("/x?alt=sse&key=secret", "?alt=sse"),
        ("/x?$key=a&%24key=b&access_token=c&a=%20b&&c", "?a=%20b&c"),
        ("/x?monkey=1&key", "?monkey=1"),
        ("/x?q=a?key=b", "?q=a?key=b"),
    ],
)
def test_all_but_credentials_is_forwarded_as_it_came(path: str, expected: str) -> None:
    assert query.forwarded(path) == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [("", None), ("?a=1", None), ("?alt=sse", "sse"), ("?alt=json&alt=sse", "sse"), ("?$alt=sse", "sse"), ("?alt", "")],
)
def test_the_last_value_of_a_name_counts(text: str, value: str | None) -> None:
    assert query.value(text, "alt") == value
