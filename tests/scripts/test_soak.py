"""The two-minute soak, as its command runs it. It takes long and asks little of the machine: `scripts/test` runs it
beside all the others.
"""

import os
import sys
from pathlib import Path

from support.process import ROOT, started
from support.time_limit import LONGEST

PATIENCE = "3"
"""The other tests keep the machine busy: what is late because of them is not the router's fault."""


async def test_after_two_minutes_of_load_every_answer_was_right_and_nothing_grows(tmp_path: Path) -> None:
    samples = tmp_path / "soak.csv"
    command = (sys.executable, "-P", "-m", "robustness.soak", "--quick", "--patience", PATIENCE, "--csv", str(samples))
    path = os.pathsep.join(str(ROOT / folder) for folder in ("scripts", "tests", "addon"))
    async with started(*command, folder=tmp_path, PYTHONPATH=path) as soak:
        status = await soak.ends(within=2 * LONGEST)
        assert status == 0, soak.text
    assert len(samples.read_text().splitlines()) > 60
