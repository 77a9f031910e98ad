"""A real server for the tests of shared state."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.valkey import Valkey, valkey


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Valkey]:
    async with valkey(tmp_path / "valkey") as server:
        yield server
