"""The three providers of a start without configuration: one fails every other time, one is slow, one is steady.

Flaky comes first, so that the first question already shows a failover.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pointsman.demo import behaviours
from pointsman.demo.dialects import DEFAULT, DIALECTS
from pointsman.demo.script import Behaviour, Script, rotation
from pointsman.demo.server import Provider

SHARED_MODEL = "demo"
"""The model that all three have."""

READING_PACE = 0.05
"""Seconds between words."""

FIRST_TOKEN_DELAY = 2.5
"""Seconds that the slow one takes to begin."""

DEMO_ROUTING: dict[str, Any] = {
    "unknown_model": "map",
    "weights": {mode: {"reliability": 0, "speed": 0, "latency": 0, "intelligence": 1} for mode in ("balanced", "fast")},
}
"""Clients that insist on a model name of their own get answers, too. Only ranks count: otherwise the router would soon
avoid the flaky provider, and no failover would be shown. The mode `smart` is as always.
"""

KEEP = 16
"""Requests that each remembers: enough to look at, little enough to run for days."""


def demo_providers() -> tuple[Provider, ...]:
    """The three, not yet started, in the order in which they should be tried."""
    return (
        _provider("demo-flaky", rotation(*_every_other_fails())),
        _provider("demo-slow", _echo("slow", first_delay=FIRST_TOKEN_DELAY)),
        _provider("demo-steady", _echo("steady")),
    )


def demo_settings(providers: Sequence[Provider]) -> dict[str, Any]:
    """The `providers:` section of a configuration that names these providers, which have been started."""
    return {
        provider.name: {
            "base_url": provider.base_url,
            "dialect": DEFAULT.name.value,
            "dialects": {name.value: provider.base_url for name in DIALECTS if name != DEFAULT.name},
            "keys": [],
            "models": [{"id": model, "intelligence": rank} for model in provider.models],
        }
        for rank, provider in enumerate(providers, start=1)
    }


def _every_other_fails() -> list[Behaviour]:
    failures = [
        behaviours.status(503),
        behaviours.wrapped("openai"),
        behaviours.rate_limited(),
        behaviours.cut(after_tokens=0),
        behaviours.reset(),
        behaviours.empty("stop"),
        behaviours.html(),
        behaviours.status(500),
        behaviours.reset("headers"),
    ]
    return [each for failure in failures for each in (failure, _echo("flaky"))]


def _provider(name: str, script: Script) -> Provider:
    return Provider(script, name=name, models=(f"{name}-1", SHARED_MODEL), keep=KEEP)


def _echo(who: str, first_delay: float = 0.0) -> Behaviour:
    before = f'Hello from the {who} demo provider! You said: "'
    after = '". Add a provider of your own to get real answers.'
    return behaviours.echo(before, after, first_delay=first_delay, pace=READING_PACE)
