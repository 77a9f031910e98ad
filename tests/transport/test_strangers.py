"""What clients of other machines can do, in a network in which there are some: `strangers.py` has the tests."""

from pathlib import Path

import pytest

from support.namespace import is_allowed, run_tests

TESTS = Path(__file__).with_name("strangers.py")


@pytest.mark.skipif(not is_allowed(), reason="this machine allows no network namespaces (unshare -rn, ip)")
@pytest.mark.parametrize("group", ["TestTheRouterThroughItself", "TestForwarding"])
def test_strangers_get_nowhere(group: str) -> None:
    done = run_tests(TESTS, "-k", group)
    assert done.returncode == 0, done.stdout + done.stderr
