"""Who else can read a configuration file that holds keys."""

import os
import stat
from pathlib import Path

import pytest

from pointsman.config import load

KEYLESS = "providers: {a: {base_url: 'http://x'}}\n"
LITERAL = [
    "providers: {a: {base_url: 'http://x', keys: [sk-literal]}}",
    "providers: {a: {base_url: 'http://x', keys: [{value: sk-literal, label: one}]}}",
    KEYLESS + "server: {client_key: literal-client-key}",
    "providers: {a: {base_url: 'http://x', proxy: 'http://me:literal-password@p'}}",
    KEYLESS + "server: {admin_key: literal-admin-key}",
]
NONE = [
    "providers: {a: {base_url: 'http://x', keys: ['${KEY}']}}",
    "providers: {a: {base_url: 'http://x', keys: [{value: '${KEY}', label: one}]}}",
    "providers: {a: {base_url: 'http://x', keys: []}}",
    "providers: {a: {base_url: 'http://x', proxy: direct}}",
    "providers: {a: {base_url: 'http://x', proxy: 'http://p:3128'}}",
    KEYLESS + "server: {client_key: '${KEY}'}",
]


def warnings(file: Path, text: str, mode: int) -> list[str]:
    """Those about the file itself."""
    file.write_text(text)
    file.chmod(mode)
    return [warning for warning in load(file, {"KEY": "sk-from-the-environment"}).warnings if str(file) in warning]


@pytest.mark.parametrize("text", LITERAL)
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_keys_in_clear_text_are_warned_about(file: Path, text: str, mode: int) -> None:
    [warning] = warnings(file, text, mode)
    assert f"chmod 600 {file}" in warning
    assert "literal" not in warning


@pytest.mark.parametrize("text", LITERAL)
def test_a_file_of_its_owner_alone_is_not(file: Path, text: str) -> None:
    assert warnings(file, text, 0o600) == []


@pytest.mark.parametrize("text", NONE)
def test_nor_is_one_whose_keys_come_from_the_environment(file: Path, text: str) -> None:
    assert warnings(file, text, 0o644) == []


def test_a_file_that_is_lent_to_us_by_its_group_is_not_warned_about(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: own + 1)
    assert warnings(file, LITERAL[0], stat.S_IRUSR | stat.S_IRGRP) == []
