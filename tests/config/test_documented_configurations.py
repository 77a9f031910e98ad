"""Every configuration in the README and the documentation loads without a warning.

The reference, docs/configuration.md, has tests of its own.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pointsman.config import Settings

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SAMPLE = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
VARIABLE = re.compile(r"\$\{(\w+)\}")
FRAGMENTS = ("clients.md",)
"""Its YAML is that of clients."""


def samples() -> Iterator[object]:
    for page in PAGES:
        if page.name not in FRAGMENTS:
            for number, sample in enumerate(SAMPLE.findall(page.read_text(encoding="utf-8")), 1):
                yield pytest.param(sample, id=f"{page.relative_to(ROOT)}-{number}")


@pytest.mark.parametrize("sample", [*samples()])
def test_it_loads_without_a_warning(load_text: Callable[..., Settings], sample: str) -> None:
    variables = {name: f"key-{name}" for name in VARIABLE.findall(sample)}
    sample = sample if "providers:" in sample else f"{sample}\nproviders: {{groq: {{keys: [a-key]}}}}\n"
    assert load_text(sample, **variables).warnings == ()
