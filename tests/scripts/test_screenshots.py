"""The pictures of the documentation: the script that takes them still runs, and what is committed is small."""

import os
import re
import struct
import sys
from pathlib import Path

from support.process import ROOT, started

MAX_BYTES = 300_000
NAMES = ("dashboard.png", "mitmweb.png")
README = ROOT / "README.md"


def size_of(image: Path) -> tuple[int, int]:
    """Width and height of a PNG file."""
    content = image.read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", content[16:24])
    return width, height


async def test_the_script_takes_both_pictures(tmp_path: Path) -> None:
    images = tmp_path / "images"
    path = os.pathsep.join(str(ROOT / folder) for folder in ("tests", "addon"))
    command = (sys.executable, "-P", "-m", "support.screenshots", str(images))
    async with started(*command, folder=tmp_path, PYTHONPATH=path) as taking:
        assert await taking.ends() == 0, taking.text
    assert sorted(image.name for image in images.iterdir()) == sorted(NAMES)
    for name in NAMES:
        assert size_of(images / name) == size_of(ROOT / "docs" / "images" / name), f"{name}: run scripts/screenshots"


def test_the_pictures_are_small_and_shown() -> None:
    images = sorted((ROOT / "docs" / "images").iterdir())
    assert [image.name for image in images] == sorted(NAMES)
    assert [image.name for image in images if image.stat().st_size > MAX_BYTES] == []
    assert sorted(re.findall(r"!\[[^]]+\]\(docs/images/([\w.]+)\)", README.read_text())) == sorted(NAMES)
