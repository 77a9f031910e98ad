"""Older Pythons work, with a warning about what they miss."""

import logging
import sys
from pathlib import Path

import pytest

from pointsman.python_version import security_advice
from support.router import running
from support.settings import provider


@pytest.mark.parametrize("version", [(3, 12, 0), (3, 12, 1), (3, 12, 5)])
def test_an_update_is_advised(version: tuple[int, int, int]) -> None:
    told = security_advice(version)
    assert told
    assert ".".join(map(str, version)) in told
    assert "3.12.6" in told


@pytest.mark.parametrize("version", [(3, 12, 6), (3, 12, 11), (3, 13, 0), (3, 14, 0)])
def test_newer_ones_are_fine(version: tuple[int, int, int]) -> None:
    assert security_advice(version) is None


async def test_it_is_said_at_the_start_and_ends_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with running(tmp_path, {"one": provider("http://127.0.0.1:1")}):
        said = [record.levelno for record in caplog.records if "security fixes" in record.getMessage()]
        assert said == ([logging.WARNING] if sys.version_info < (3, 12, 6) else [])
