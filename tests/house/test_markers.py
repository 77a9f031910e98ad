"""The markers of the tests: each test has exactly one, and one marked `core` can use neither sockets nor processes."""

import socket
import subprocess
import sys

import pytest
from hypothesis import settings

from support.markers import BROWSER, CORE, SOCKETS, TESTS, marker_of, no_input_or_output


@pytest.mark.parametrize(
    ("place", "marker"),
    [
        ("wire/test_sse.py", "core"),
        ("views/reading/test_answers.py", "core"),
        ("house/test_house.py", "core"),
        ("wire/test_control_events_and_sdks.py", "sockets"),
        ("views/test_views.py", "sockets"),
        ("transport/mitm_patches/test_flow_kill.py", "sockets"),
        ("house/test_markers.py", "sockets"),
        ("scripts/test_scripts.py", "sockets"),
        ("test_admission.py", "sockets"),
        ("web/dashboard/test_now.py", "browser"),
        ("recording/test_browser.py", "browser"),
    ],
)
def test_the_place_decides(place: str, marker: str) -> None:
    assert marker_of(TESTS / place) == marker


def test_every_place_listed_exists() -> None:
    assert [place for place in (*CORE, *SOCKETS, *BROWSER) if not (TESTS / place).exists()] == []


def test_this_test_has_exactly_one(request: pytest.FixtureRequest) -> None:
    assert {mark.name for mark in request.node.iter_markers()} & {"core", "sockets", "browser"} == {"sockets"}


def test_a_property_may_take_its_time() -> None:
    assert settings().deadline is None


def test_a_core_test_can_neither_connect_nor_start_a_process() -> None:
    with no_input_or_output():
        with socket.socket() as one, pytest.raises(AssertionError, match="core must not use sockets"):
            one.connect(("127.0.0.1", 9))
        with pytest.raises(AssertionError, match="core must not use sockets"):
            subprocess.run([sys.executable, "-c", ""], check=True)
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
