"""A network of its own for a test, in which this machine has another address: clients there are strangers."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from support.time_limit import LONGEST

OWN = "192.0.2.1"
"""The machine's other address within it. A client that connects there comes from there, and not from loopback."""
SETUP = f'ip link set lo up && ip addr add {OWN}/24 dev lo && exec "$@"'


def command(*arguments: str) -> list[str]:
    """What runs this command in such a network."""
    return ["unshare", "--user", "--map-root-user", "--net", "sh", "-c", SETUP, "sh", *arguments]


def is_allowed() -> bool:
    """This machine lets its users make networks."""
    if not (shutil.which("unshare") and shutil.which("ip")):
        return False
    return subprocess.run(command("true"), capture_output=True, check=False, timeout=LONGEST).returncode == 0


def run_tests(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the tests of a file within such a network."""
    pytest = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(path), *arguments)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        command(*pytest), env=environment, capture_output=True, text=True, check=False, timeout=LONGEST
    )
