"""The configuration reference for users: its examples load, and it leaves no key out."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from pointsman.config import (
    Budget,
    ClientLimits,
    ClientSettings,
    CooldownSettings,
    Hedge,
    HistorySettings,
    Key,
    LimitSettings,
    LogSettings,
    Model,
    Provider,
    Quirks,
    Redirect,
    Routing,
    Server,
    Settings,
    Sticky,
    Stream,
    TelemetrySettings,
    Timeouts,
    load,
)
from pointsman.config.base_model import ConfigModel
from pointsman.config.providers import ModelPrices

REFERENCE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", REFERENCE, re.DOTALL)
ENVIRONMENT = {"POINTSMAN_KEY": "a", "POINTSMAN_ADMIN": "b", "GROQ_API_KEY": "c", "GROQ_KEY_2": "d", "CI_KEY": "e"}


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_loads_without_a_warning(load_text: Callable[..., Settings], example: str) -> None:
    assert load_text(example, **ENVIRONMENT).warnings == ()


def test_the_long_example_shows_the_defaults(load_text: Callable[..., Settings]) -> None:
    shown, plain = load_text(max(EXAMPLES, key=len), **ENVIRONMENT), load(None, {})
    for section in ("sticky", "stream", "hedge", "cooldowns", "history", "telemetry", "log"):
        assert getattr(shown, section) == getattr(plain, section)
    assert shown.routing.model_copy(update={"aliases": {}}) == plain.routing
    assert shown.server.model_copy(update={"client_key": None, "admin_key": None, "forward": None}) == plain.server


@pytest.mark.parametrize(
    "section",
    [
        Server,
        Routing,
        Sticky,
        Stream,
        Hedge,
        CooldownSettings,
        HistorySettings,
        LogSettings,
        TelemetrySettings,
        Provider,
        Key,
        Redirect,
        Model,
        LimitSettings,
        Timeouts,
        Quirks,
        ModelPrices,
        ClientSettings,
        ClientLimits,
        Budget,
    ],
)
def test_every_key_is_explained(section: type[ConfigModel]) -> None:
    explained = set(re.findall(r"`(\w+)`", REFERENCE))
    assert set(section.model_fields) <= explained
