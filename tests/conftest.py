"""For all tests: those that drive a browser are left out where there is none, and those that take long begin first."""

from collections import Counter

import pytest

from support.browser import installed


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    _without_a_browser(config, items)
    _the_longest_first(items)


def _without_a_browser(config: pytest.Config, items: list[pytest.Item]) -> None:
    if installed():
        return
    with_browser = [item for item in items if item.get_closest_marker("browser")]
    if with_browser:
        config.hook.pytest_deselected(items=with_browser)
        items[:] = [item for item in items if item not in with_browser]


def _the_longest_first(items: list[pytest.Item]) -> None:
    """Workers take files in this order: what is begun last should not take long."""
    tests_in = Counter(item.path for item in items)
    items.sort(key=lambda item: (item.get_closest_marker("first") is None, -tests_in[item.path]))
