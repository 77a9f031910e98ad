"""Configurations as a file would hold them, and what is wrong with them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pointsman.config import ConfigError, Settings, load

type Load = Callable[..., Settings]
type Faults = Callable[..., dict[str, str]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "pointsman.yaml"


@pytest.fixture
def load_text(file: Path) -> Load:
    """`load_text(yaml, **env)`: the settings that the text gives."""

    def run(text: str, **env: str) -> Settings:
        file.write_text(text, encoding="utf-8")
        file.chmod(0o600)
        return load(file, env)

    return run


@pytest.fixture
def faults_in(load_text: Load) -> Faults:
    """`faults_in(yaml, **env)`: path and problem of each fault; fails when there is none."""

    def run(text: str, **env: str) -> dict[str, str]:
        with pytest.raises(ConfigError) as caught:
            load_text(text, **env)
        assert str(caught.value) == "\n".join(f"{fault.path}: {fault.problem}" for fault in caught.value.issues)
        return dict(caught.value.issues)

    return run
