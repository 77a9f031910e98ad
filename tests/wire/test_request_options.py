"""Options of one request: each value, each wrong value, and what of them the provider still sees."""

import json
from typing import Any

import pytest

from pointsman.config.enums import Mode
from pointsman.wire.errors import Code, Problem
from pointsman.wire.request_options import (
    NO_OPTIONS,
    RequestOptions,
    describe_unknown,
    read_options,
    unknown_options,
    without_options,
)


@pytest.mark.parametrize(
    ("name", "value", "options"),
    [
        ("provider", "groq, openai,groq", RequestOptions(providers=("groq", "openai"))),
        ("mode", "Smart", RequestOptions(mode=Mode.SMART)),
        ("mode", "auto-fast", RequestOptions(mode=Mode.FAST)),
        ("fallback", "off", RequestOptions(fallback=False)),
        ("hedge", "OFF", RequestOptions(hedge=False)),
        ("hedge", "on", NO_OPTIONS),
        ("recover", "off", RequestOptions(recover=False)),
        ("timeout", "30s", RequestOptions(timeout=30.0)),
        ("timeout", "1.5", RequestOptions(timeout=1.5)),
        ("max-wait", "500ms", RequestOptions(max_wait=0.5)),
        ("max-wait", "Off", RequestOptions(max_wait=0.0)),
        ("max-wait", "0", RequestOptions(max_wait=0.0)),
    ],
)
def test_a_header_and_a_member_of_metadata_say_the_same(name: str, value: str, options: RequestOptions) -> None:
    assert read_options({f"x-pointsman-{name}": value}, {}) == options
    assert read_options({}, {f"X-Pointsman-{name.title()}": value}) == options


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("provider", " , "),
        ("mode", "fastest"),
        ("fallback", "no"),
        ("hedge", ""),
        ("recover", "maybe"),
        ("timeout", "soon"),
        ("timeout", "0"),
        ("timeout", "2h"),
        ("max-wait", "31s"),
    ],
)
def test_a_wrong_value_is_named(name: str, value: str) -> None:
    with pytest.raises(Problem) as caught:
        read_options({f"x-pointsman-{name}": value}, {})
    assert caught.value.code is Code.INVALID_REQUEST
    assert caught.value.message.startswith(f"X-Pointsman-{name.title()} must be")
    assert repr(value) in caught.value.message
    assert caught.value.param == f"x-pointsman-{name}"


def test_metadata_may_hold_a_list_of_providers() -> None:
    assert read_options({}, {"x-pointsman-provider": ["groq", "openai"]}).providers == ("groq", "openai")


def test_a_header_has_precedence() -> None:
    assert read_options({"x-pointsman-mode": "fast"}, {"x-pointsman-mode": "smart"}).mode is Mode.FAST


def test_an_option_that_is_not_known_is_named_with_the_one_that_is_meant() -> None:
    headers, metadata = {"x-pointsman-modle": "fast", "x-pointsman-hedge": "off", "accept": "x"}, {"X-Pointsman-\n": 1}
    assert unknown_options(headers, metadata) == ("x-pointsman-\n", "x-pointsman-modle")
    assert describe_unknown("x-pointsman-modle") == (
        "'X-Pointsman-Modle' is not an option of a request and does nothing (did you mean \"X-Pointsman-Mode\"?)"
    )
    assert "; known are X-Pointsman-Provider, X-Pointsman-Mode" in describe_unknown("x-pointsman-" + "colour" * 99)
    assert len(describe_unknown("x-pointsman-" + "colour" * 99)) < 300


def test_what_is_not_for_the_router_is_nothing() -> None:
    assert read_options({"x-pointsman-colour": "red", "user-agent": "x"}, {"user_id": "u"}) == NO_OPTIONS


@pytest.mark.parametrize(
    ("metadata", "left"),
    [
        ({"x-pointsman-mode": "fast"}, None),
        ({"user_id": "ü", "x-pointsman-mode": "fast"}, {"user_id": "ü"}),
        ({"X-Pointsman-Modle": "fast", "user_id": "u"}, {"user_id": "u"}),
    ],
)
def test_the_provider_does_not_see_them(metadata: dict[str, Any], left: dict[str, Any] | None) -> None:
    body = b'{"model": "m",\n "metadata": %b, "seed": 12345678901234567890}' % json.dumps(metadata).encode()
    sent = without_options(body, json.loads(body))
    assert json.loads(sent).get("metadata") == left
    assert sent.startswith(b'{"model": "m",')
    assert sent.endswith(b'"seed": 12345678901234567890}')
