"""The quick lookups find what mitmproxy's own find."""

from collections.abc import Iterator

import pytest
from mitmproxy import http, optmanager
from mitmproxy.hooks import Hook
from mitmproxy.proxy.layers.http import HttpRequestHook
from mitmproxy.test import tflow

from pointsman.transport.mitm_patches import quick_lookups
from support.patches import needs_patch

HEADERS = http.Headers(
    [(b"Accept", b"text/html"), (b"X-Name", b"m\xc3\xbcller"), (b"accept", b"*/*"), (b"Odd", b"\xff"), (b"Empty", b"")]
)
NAMES = ["accept", "ACCEPT", b"x-name", "odd", "empty", "absent", "m\udcff"]

pytestmark = needs_patch("quick_lookups", "nothing is looked up in another way")


@pytest.fixture(autouse=True)
def _stock() -> Iterator[None]:
    """The stock code is in its place, whatever other tests have left."""
    quick_lookups.remove()
    yield
    quick_lookups.remove()


def found(name: str | bytes) -> tuple[object, ...]:
    return HEADERS.get_all(name), HEADERS.get(name), HEADERS.get(name, "other"), name in HEADERS


@pytest.mark.parametrize("name", NAMES)
def test_headers_are_found_alike(name: str | bytes) -> None:
    before = found(name)
    quick_lookups.install()
    assert http.Headers.get_all is quick_lookups.header_values
    assert found(name) == before


def test_a_header_that_is_absent_still_raises() -> None:
    quick_lookups.install()
    with pytest.raises(KeyError):
        HEADERS["absent"]


def test_hooks_are_about_the_same() -> None:
    hook = HttpRequestHook(tflow.tflow())
    before = hook.args()
    quick_lookups.install()
    assert Hook.args is quick_lookups.hook_arguments
    assert hook.args() == before == [hook.flow]


def test_options_have_the_same_values_and_what_can_change_is_a_copy() -> None:
    options = optmanager.OptManager()
    options.add_option("flag", bool, True, "")
    options.add_option("list", optmanager.Sequence[str], ["one"], "")
    quick_lookups.install()
    options.list.append("changed")
    assert (options.flag, list(options.list)) == (True, ["one"])
    options.update(flag=False, list=["two"])
    options.list.append("changed")
    assert (options.flag, list(options.list)) == (False, ["two"])
