"""For all tests: those that drive a browser are left out where there is none."""

import pytest

from support.browser import installed


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if installed():
        return
    with_browser = [item for item in items if item.get_closest_marker("browser")]
    if with_browser:
        config.hook.pytest_deselected(items=with_browser)
        items[:] = [item for item in items if item not in with_browser]
