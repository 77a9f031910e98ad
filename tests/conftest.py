"""For all tests: each gets the marker of its place, and those that drive a browser are left out where there is none."""

import os
import shutil
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import certifi
import pytest
from hypothesis import HealthCheck, settings

from support.browser import installed
from support.markers import marker_of, no_input_or_output

sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
"""Otherwise every process that a test starts would compile the whole package again."""


def pytest_configure(config: pytest.Config) -> None:
    """No property has a deadline: the machine may be busy. All clients trust the first public authority alone: to load
    all of them takes each client 16 ms of CPU time.
    """
    settings.register_profile("pointsman", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("pointsman")
    folder = Path(tempfile.mkdtemp(prefix="pointsman-tests-"))
    config.add_cleanup(lambda: shutil.rmtree(folder))
    end = "-----END CERTIFICATE-----\n"
    first, *_ = Path(certifi.where()).read_text(encoding="utf-8").partition(end)
    (one := folder / "one-authority.pem").write_text(first + end, encoding="utf-8")
    certifi.where = lambda: str(one)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With `-m core`, other files are not even imported: that would take longer than the tests."""
    is_other = collection_path.suffix == ".py" and marker_of(collection_path) != "core"
    return True if config.option.markexpr == "core" and is_other else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(marker_of(item.path))
    if installed():
        return
    with_browser = [item for item in items if item.get_closest_marker("browser")]
    if with_browser:
        config.hook.pytest_deselected(items=with_browser)
        items[:] = [item for item in items if item not in with_browser]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    if not item.get_closest_marker("core"):
        return (yield)
    with no_input_or_output():
        return (yield)
