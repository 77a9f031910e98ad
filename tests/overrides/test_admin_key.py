"""The admin key that is made once and kept."""

import stat
from pathlib import Path

import pytest

from pointsman.overrides.admin_key import FILE, keep_admin_key, read_admin_key
from pointsman.private_files import NotPrivate


def test_it_is_made_once_and_is_the_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    assert read_admin_key(folder) is None
    key = keep_admin_key(folder)
    assert len(key) >= 32
    assert keep_admin_key(folder) == read_admin_key(folder) == key
    assert stat.S_IMODE((folder / FILE).stat().st_mode) == 0o600


def test_a_damaged_one_is_replaced(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("short\n")
    (tmp_path / FILE).chmod(0o600)
    assert read_admin_key(tmp_path) is None
    assert keep_admin_key(tmp_path) == read_admin_key(tmp_path)


def test_one_that_others_can_write_is_refused(tmp_path: Path) -> None:
    keep_admin_key(tmp_path)
    (tmp_path / FILE).chmod(0o666)
    with pytest.raises(NotPrivate, match="chmod 600"):
        keep_admin_key(tmp_path)
