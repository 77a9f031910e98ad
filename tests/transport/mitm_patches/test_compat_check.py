"""The comparison of this mitmproxy with the one that was tested."""

import inspect
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.proxy import layer
from mitmproxy.test import taddons

from pointsman import transport
from pointsman.addon import Pointsman
from pointsman.transport.mitm_patches import compat_check
from pointsman.transport.mitm_patches.compat_check import (
    EXPECTED_SIGNATURES,
    changed_fields,
    differences,
    missing_attributes,
    signature_differences,
)
from support.settings import provider, write


class Stock:
    def steady(self, one: int, two: str = "") -> None: ...

    def changed(self, one: int, *, added: bool = False) -> None: ...


STEADY = {Stock.steady: "(self, one, two)"}
CHANGED = {Stock.changed: "(self, one)"}


def layers() -> Iterator[type]:
    """Every class of ours that mitmproxy takes for a layer of its own."""
    for module in pkgutil.walk_packages(transport.__path__, f"{transport.__name__}."):
        for _, found in inspect.getmembers(import_module(module.name), inspect.isclass):
            if issubclass(found, layer.Layer) and found.__module__ == module.name:
                yield found


def overrides() -> Iterator[tuple[str, object]]:
    """Each method of ours that stands in for one of mitmproxy's, and the one it stands in for."""
    for ours in layers():
        stock = [base for base in ours.__mro__ if base.__module__.startswith("mitmproxy.")]
        for name, method in vars(ours).items():
            if inspect.isfunction(method):
                first = next((vars(base)[name] for base in stock if name in vars(base)), None)
                if first is not None:
                    yield f"{ours.__name__}.{name}", first


def test_the_installed_libraries_are_those_that_were_tested() -> None:
    assert differences() == []


def test_what_is_as_it_was_is_not_mentioned_whatever_its_annotations_and_defaults() -> None:
    assert signature_differences(STEADY) == []


def test_each_method_that_has_changed_is_named_with_what_was_expected_and_found() -> None:
    assert signature_differences(STEADY | CHANGED) == [
        f"{__name__}.Stock.changed: expected (self, one), found (self, one, added)"
    ]


class Base:
    inherited: int

    def __init__(self) -> None:
        self.kept = 1


class Derived(Base):
    here = 1

    def __init__(self) -> None:
        super().__init__()
        self.own = self.kept


def test_attributes_are_found_where_they_are_looked_up() -> None:
    assert missing_attributes({Derived: ("here",)}, {Derived: ("inherited",)}, {Derived: ("kept", "own")}) == []


def test_each_missing_attribute_is_named() -> None:
    assert missing_attributes({Derived: ("here", "gone")}, {Derived: ("here",)}, {Derived: ("own", "away")}) == [
        f"{__name__}.Derived.gone: missing",
        f"{__name__}.Derived.here: missing",
        f"{__name__}.Derived.away: missing",
    ]


def test_what_is_merely_read_in_init_does_not_count() -> None:
    class Reading:
        def __init__(self) -> None:
            print(self.away)  # type: ignore[attr-defined]

    assert len(missing_attributes({}, {}, {Reading: ("away",)})) == 1


def test_other_fields_of_a_message_are_named() -> None:
    @dataclass
    class Message:
        body: bytes
        added: int

    [line] = changed_fields({Message: ("body", "gone")})
    assert line.endswith("Message: expected the fields body, gone, found body, added")


async def test_the_router_does_not_start_and_names_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(compat_check, "differences", lambda: ["aiohttp.connector.TCPConnector._factory: missing"])
    with taddons.context(Proxyserver(), addon := Pointsman()) as context:
        context.configure(addon, pointsman_config=str(write(tmp_path, {"one": provider("http://127.0.0.1:9/v1")})))
    assert addon.gateway is None
    assert "aiohttp.connector.TCPConnector._factory: missing" in caplog.text


OVERRIDES = dict(overrides())


def test_there_are_overrides_to_look_at() -> None:
    assert {"RoutedStream.make_server_connection", "RoutedHttpLayer.make_stream"} <= set(OVERRIDES)


@pytest.mark.parametrize("name", OVERRIDES)
def test_whatever_is_overridden_is_guarded(name: str) -> None:
    assert OVERRIDES[name] in EXPECTED_SIGNATURES
