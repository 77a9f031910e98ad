"""What is kept of changes, how it is written, and what becomes of damage."""

import json
import logging
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from pointsman.config.overlay import NOTHING, AddedKey, KeyChange, Overlay, TargetChange
from pointsman.config.words import Pool
from pointsman.overrides import Store, data_folder
from pointsman.overrides.store import FILE, KEY_FILE
from pointsman.overrides.vault import Unreadable, Vault

SECRET = "sk-very-secret-value-1234"
WHOLE = Overlay(
    settings={"hedge": {"after": "8s"}, "protection": {"a/m": "off"}},
    targets={"a/m": TargetChange(enabled=False), "b/m": TargetChange(pool=Pool.FAST)},
    order=("b/m", "a/m"),
    keys={("a", "key-1"): KeyChange(enabled=False, label="old")},
    added=(AddedKey("0123456789ab", "a", "new", SECRET, enabled=False),),
)


@pytest.mark.parametrize("overlay", [NOTHING, WHOLE], ids=["nothing", "everything"])
def test_what_was_saved_is_loaded(tmp_path: Path, overlay: Overlay) -> None:
    Store(tmp_path / "new" / "folder").save(overlay)
    assert Store(tmp_path / "new" / "folder").load() == overlay


def test_no_key_stands_in_clear_on_disk_and_both_files_are_their_owners_alone(tmp_path: Path) -> None:
    Store(tmp_path).save(WHOLE)
    assert sorted(path.name for path in tmp_path.iterdir()) == [FILE, KEY_FILE]
    for path in tmp_path.iterdir():
        assert SECRET.encode() not in path.read_bytes()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_key_file_is_made_when_the_first_key_is_kept(tmp_path: Path) -> None:
    Store(tmp_path).save(Overlay(order=("a/m",)))
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_a_key_file_that_others_may_read_is_closed_to_them(tmp_path: Path) -> None:
    Store(tmp_path).save(WHOLE)
    (tmp_path / KEY_FILE).chmod(0o644)
    assert Store(tmp_path).load() == WHOLE
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600


def test_nothing_saved_is_no_change(tmp_path: Path) -> None:
    assert Store(tmp_path / "absent").load() == NOTHING


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"version": 2}', b'{"version": 1, "more": 1}', b'{"version": 1, "order": "a/m"}', b"\xff\xfe",
     b"[" * 100_000, b'{"version": 1, "targets": [{"target": "a/m", "pool": "slow"}]}'],
)  # fmt: skip
def test_a_damaged_file_is_moved_aside_with_a_warning(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE).write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert Store(tmp_path).load() == NOTHING
    assert [path.name for path in tmp_path.iterdir()] == [f"{FILE}.damaged-1"]
    assert (tmp_path / f"{FILE}.damaged-1").read_bytes() == content
    assert "not in force" in caplog.text


def lose(path: Path) -> None:
    path.unlink()


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def alter(path: Path) -> None:
    path.write_bytes(bytes(32))


@pytest.mark.parametrize("harm", [lose, shorten, alter])
def test_with_a_damaged_key_file_everything_but_the_keys_holds(
    tmp_path: Path, harm: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    Store(tmp_path).save(WHOLE)
    harm(tmp_path / KEY_FILE)
    with caplog.at_level(logging.WARNING):
        found = Store(tmp_path).load()
    assert found == Overlay(WHOLE.settings, WHOLE.targets, WHOLE.order, WHOLE.keys)
    assert "1 keys that were added earlier cannot be read" in caplog.text
    assert (tmp_path / f"{FILE}.damaged-1").exists()
    again = Store(tmp_path)
    assert again.load() == found
    again.save(WHOLE)
    assert Store(tmp_path).load() == WHOLE


def test_a_sealed_key_moved_to_another_entry_does_not_open(tmp_path: Path) -> None:
    Store(tmp_path).save(WHOLE)
    written = json.loads((tmp_path / FILE).read_text())
    written["added"][0]["provider"] = "elsewhere"
    (tmp_path / FILE).write_text(json.dumps(written))
    assert Store(tmp_path).load().added == ()


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    store.save(WHOLE)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        store.save(NOTHING)
    monkeypatch.undo()
    assert Store(tmp_path).load() == WHOLE
    assert sorted(path.name for path in tmp_path.iterdir()) == [FILE, KEY_FILE]


def test_no_two_sealings_look_alike(tmp_path: Path) -> None:
    vault = Vault(tmp_path / "key")
    one, other = vault.seal(SECRET, "x"), vault.seal(SECRET, "x")
    assert one != other
    assert vault.open(one, "x") == vault.open(other, "x") == SECRET
    with pytest.raises(Unreadable):
        vault.open(one, "y")


def test_no_key_is_ever_printed() -> None:
    assert SECRET not in repr(WHOLE)


@pytest.mark.parametrize(
    ("named", "history", "expected"),
    [
        ("/data", Path("/h/history.db"), "/data"),
        ("~/data", None, "/home/me/data"),
        (None, Path("/h/history.db"), "/h"),
        (None, None, "/home/me/.pointsman"),
        ("", None, "/home/me/.pointsman"),
    ],
)
def test_where_changes_are_kept(named: str | None, history: Path | None, expected: str) -> None:
    assert data_folder(named, history, Path("/home/me")) == Path(expected)
