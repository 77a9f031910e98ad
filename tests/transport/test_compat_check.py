"""The comparison of this mitmproxy with the one that was tested."""

import inspect
import pkgutil
from collections.abc import Iterator
from importlib import import_module

import pytest
from mitmproxy.proxy import layer

from pointsman import transport
from pointsman.transport.compat_check import EXPECTED_SIGNATURES, signature_differences


class Stock:
    def steady(self, one: int, two: str = "") -> None: ...

    def changed(self, one: int, *, added: bool = False) -> None: ...


STEADY = {Stock.steady: "(self, one, two)"}
CHANGED = {Stock.changed: "(self, one)"}


def layers() -> Iterator[type]:
    """Every class of ours that mitmproxy takes for a layer of its own."""
    for module in pkgutil.iter_modules(transport.__path__, f"{transport.__name__}."):
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


def test_the_installed_mitmproxy_is_the_one_that_was_tested() -> None:
    assert signature_differences() == []


def test_what_is_as_it_was_is_not_mentioned_whatever_its_annotations_and_defaults() -> None:
    assert signature_differences(STEADY) == []


def test_each_method_that_has_changed_is_named_with_what_was_expected_and_found() -> None:
    assert signature_differences(STEADY | CHANGED) == [
        f"{__name__}.Stock.changed: expected (self, one), found (self, one, added)"
    ]


OVERRIDES = dict(overrides())


def test_there_are_overrides_to_look_at() -> None:
    assert {"RoutedStream.make_server_connection", "RoutedHttpLayer.make_stream"} <= set(OVERRIDES)


@pytest.mark.parametrize("name", OVERRIDES)
def test_whatever_is_overridden_is_guarded(name: str) -> None:
    assert OVERRIDES[name] in EXPECTED_SIGNATURES
