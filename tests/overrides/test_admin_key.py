"""The admin key that is made once and kept."""

import stat
from pathlib import Path

import pytest
from pydantic import SecretStr

from pointsman.overrides.admin_key import FILE, AdminKey, keep_admin_key, read_admin_key
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


def test_the_configured_one_comes_before_the_kept_one(tmp_path: Path) -> None:
    kept, key = keep_admin_key(tmp_path), AdminKey()
    key.find(None, tmp_path)
    assert key.value == kept
    key.update(SecretStr("configured"))
    assert key.value == "configured"
    key.update(None)
    assert key.value == "configured"
    assert read_admin_key(tmp_path) == kept


def test_one_that_cannot_be_kept_is_for_this_run_until_one_is_configured(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "data").touch()
    key = AdminKey()
    key.find(None, tmp_path / "data")
    assert len(key.value) >= 32
    assert key.is_for_this_run
    assert "cannot be kept" in caplog.text
    assert key.value not in caplog.text
    key.update(SecretStr("configured"))
    assert not key.is_for_this_run
