"""A router with two providers, whose admin API is asked over a socket."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pointsman.demo import Provider, behaviours
from support import router
from support.admin import SERVER
from support.settings import provider

FILE_KEY = "sk-of-the-file-0001"


@pytest.fixture
async def one(tmp_path: Path) -> AsyncIterator[router.Router]:
    """Its providers are `a`, with a key, and `b`, without; each has the model `m`."""
    async with (
        Provider(behaviours.answer("from a"), name="a") as a,
        Provider(behaviours.answer("from b"), name="b") as b,
    ):
        entries = {"a": provider(a.base_url, keys=[FILE_KEY]), "b": provider(b.base_url)}
        sections = {"server": SERVER, "history": {"path": str(tmp_path / "history.db")}}
        async with router.running(tmp_path, entries, **sections) as running:
            yield running
