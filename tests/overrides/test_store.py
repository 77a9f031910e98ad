"""What is kept of changes, how it is written, and what becomes of damage."""

import json
import logging
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pointsman.config import ConfigError
from pointsman.config.document import Document
from pointsman.config.enums import Pool
from pointsman.config.runtime_overrides import (
    NO_OVERRIDES,
    AddedKey,
    AddedModel,
    AddedProvider,
    KeyChange,
    RuntimeOverrides,
    TargetChange,
)
from pointsman.overrides import Configuration, OverrideStore, data_folder
from pointsman.overrides.atomic_file import write_new
from pointsman.overrides.key_encryption import DecryptionError, KeyEncryption
from pointsman.overrides.store import FILE, KEY_FILE
from pointsman.private_files import NotPrivate

SECRET = "sk-very-secret-value-1234"
WHOLE = RuntimeOverrides(
    settings={"hedge": {"after": "8s"}, "protection": {"a/m": "off"}},
    targets={"a/m": TargetChange(enabled=False), "b/m": TargetChange(pool=Pool.FAST)},
    order=("b/m", "a/m"),
    keys={("a", "key-1"): KeyChange(enabled=False, label="old")},
    added=(AddedKey("0123456789ab", "a", "new", SECRET, enabled=False),),
    providers=(AddedProvider("mine", {"base_url": "http://127.0.0.1:9/v1", "dialect": "anthropic"}),),
    models=(AddedModel("mine", {"id": "m", "kind": ["embedding"]}),),
    entries={"a": {"timeouts": {"stall": "2 m"}}, "a/m": {"context": 1000}},
)


@pytest.mark.parametrize("overlay", [NO_OVERRIDES, WHOLE], ids=["nothing", "everything"])
def test_what_was_saved_is_loaded(tmp_path: Path, overlay: RuntimeOverrides) -> None:
    OverrideStore(tmp_path / "new" / "folder").save(overlay)
    assert OverrideStore(tmp_path / "new" / "folder").load() == overlay


def test_no_key_stands_in_clear_on_disk_and_both_files_are_their_owners_alone(tmp_path: Path) -> None:
    OverrideStore(tmp_path).save(WHOLE)
    assert sorted(path.name for path in tmp_path.iterdir()) == [FILE, KEY_FILE]
    for path in tmp_path.iterdir():
        assert SECRET.encode() not in path.read_bytes()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_key_file_is_made_when_the_first_key_is_kept(tmp_path: Path) -> None:
    OverrideStore(tmp_path).save(RuntimeOverrides(order=("a/m",)))
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_a_key_file_that_others_may_read_is_closed_to_them(tmp_path: Path) -> None:
    OverrideStore(tmp_path).save(WHOLE)
    (tmp_path / KEY_FILE).chmod(0o644)
    assert OverrideStore(tmp_path).load() == WHOLE
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600


FOLDER = ""
WAYS = pytest.mark.parametrize("name", [FOLDER, FILE, KEY_FILE], ids=["folder", "file", "key file"])
REMEDY = {FOLDER: "chmod 700", FILE: "chmod 600", KEY_FILE: "chmod 600"}


class TestOtherUsers:
    @WAYS
    @pytest.mark.parametrize("bit", [stat.S_IWGRP, stat.S_IWOTH])
    def test_what_they_may_write_is_neither_read_nor_written(self, tmp_path: Path, name: str, bit: int) -> None:
        OverrideStore(tmp_path).save(WHOLE)
        shared = tmp_path / name
        shared.chmod(shared.stat().st_mode | bit)
        before = (tmp_path / FILE).read_bytes()
        with pytest.raises(NotPrivate, match=f"{REMEDY[name]} {shared}"):
            OverrideStore(tmp_path).load()
        with pytest.raises(NotPrivate):
            OverrideStore(tmp_path).save(NO_OVERRIDES)
        assert (tmp_path / FILE).read_bytes() == before
        assert sorted(path.name for path in tmp_path.iterdir()) == [FILE, KEY_FILE]

    @WAYS
    def test_what_they_own_is_not_read(self, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        OverrideStore(tmp_path).save(WHOLE)
        own = os.geteuid()
        if own == 0:
            os.chown(tmp_path / name, 54321, -1)
        else:  # which only root can do: so another user reads them
            monkeypatch.setattr(os, "geteuid", lambda: own + 1)
        with pytest.raises(NotPrivate, match=r"belongs to another user .*; chown"):
            OverrideStore(tmp_path).load()

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give root a file")
    def test_root_is_no_other_user(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        OverrideStore(tmp_path).save(WHOLE)
        monkeypatch.setattr(os, "geteuid", lambda: 54321)
        assert OverrideStore(tmp_path).load() == WHOLE

    @pytest.mark.parametrize("name", [FILE, KEY_FILE])
    @pytest.mark.parametrize("there", [True, False], ids=["to a file", "to nothing"])
    def test_a_link_in_the_place_of_a_file_is_not_followed(self, tmp_path: Path, name: str, there: bool) -> None:
        folder, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
        OverrideStore(folder).save(WHOLE)
        (folder / name).rename(elsewhere)
        (folder / name).symlink_to(elsewhere if there else tmp_path / "nothing")
        with pytest.raises(NotPrivate, match=f"{folder / name} is a link"):
            OverrideStore(folder).load()
        with pytest.raises(NotPrivate):
            OverrideStore(folder).save(WHOLE)
        assert not (tmp_path / "nothing").exists()

    def test_a_draft_of_theirs_is_not_written_to(self, tmp_path: Path) -> None:
        """Its name cannot be guessed, and one that is there already is not opened."""
        victim = tmp_path / "victim"
        victim.write_text("theirs")
        folder = tmp_path / "data"
        folder.mkdir(mode=0o700)
        for guess in (f".{FILE}.{os.getpid()}.draft", f".{FILE}.draft"):
            (folder / guess).symlink_to(victim)
        OverrideStore(folder).save(WHOLE)
        assert victim.read_text() == "theirs"
        assert OverrideStore(folder).load() == WHOLE
        with pytest.raises(FileExistsError):
            write_new(folder / f".{FILE}.draft", b"ours")

    def test_a_folder_that_all_share_is_not_to_be_closed(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o1777)
        with pytest.raises(NotPrivate, match="use a folder that you own") as caught:
            OverrideStore(tmp_path).load()
        assert "chmod" not in str(caught.value)

    def test_the_router_does_not_start_on_them(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o777)
        configuration = Configuration(lambda: Document({}), {}, lambda _: OverrideStore(tmp_path))
        with pytest.raises(ConfigError, match=f"pointsman_data: .*chmod 700 {tmp_path}"):
            configuration.start()

    def test_a_new_folder_is_the_owners_alone_whatever_the_umask(self, tmp_path: Path) -> None:
        before = os.umask(0)
        try:
            OverrideStore(tmp_path / "data").save(WHOLE)
        finally:
            os.umask(before)
        modes = {
            path: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "data", *(tmp_path / "data").iterdir())
        }
        assert modes.pop(tmp_path / "data") == 0o700
        assert set(modes.values()) == {0o600}


def test_nothing_saved_is_no_change(tmp_path: Path) -> None:
    assert OverrideStore(tmp_path / "absent").load() == NO_OVERRIDES


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"version": 2}', b'{"version": 1, "more": 1}', b'{"version": 1, "order": "a/m"}', b"\xff\xfe",
     b"[" * 100_000, b'{"version": 1, "targets": [{"target": "a/m", "pool": "slow"}]}'],
)  # fmt: skip
def test_a_damaged_file_is_moved_aside_with_a_warning(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE).write_bytes(content)
    (tmp_path / FILE).chmod(0o600)
    with caplog.at_level(logging.WARNING):
        assert OverrideStore(tmp_path).load() == NO_OVERRIDES
    assert [path.name for path in tmp_path.iterdir()] == [f"{FILE}.damaged-1"]
    assert (tmp_path / f"{FILE}.damaged-1").read_bytes() == content
    assert "not applied" in caplog.text


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
    OverrideStore(tmp_path).save(WHOLE)
    harm(tmp_path / KEY_FILE)
    with caplog.at_level(logging.WARNING):
        found = OverrideStore(tmp_path).load()
    assert found == replace(WHOLE, added=())
    assert "1 keys that were added earlier cannot be read" in caplog.text
    assert (tmp_path / f"{FILE}.damaged-1").exists()
    again = OverrideStore(tmp_path)
    assert again.load() == found
    again.save(WHOLE)
    assert OverrideStore(tmp_path).load() == WHOLE


def test_a_sealed_key_moved_to_another_entry_does_not_open(tmp_path: Path) -> None:
    OverrideStore(tmp_path).save(WHOLE)
    written = json.loads((tmp_path / FILE).read_text())
    written["added"][0]["provider"] = "elsewhere"
    (tmp_path / FILE).write_text(json.dumps(written))
    assert OverrideStore(tmp_path).load().added == ()


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = OverrideStore(tmp_path)
    store.save(WHOLE)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        store.save(NO_OVERRIDES)
    monkeypatch.undo()
    assert OverrideStore(tmp_path).load() == WHOLE
    assert sorted(path.name for path in tmp_path.iterdir()) == [FILE, KEY_FILE]


def test_no_two_sealings_look_alike(tmp_path: Path) -> None:
    vault = KeyEncryption(tmp_path / "key")
    one, other = vault.encrypt(SECRET, "x"), vault.encrypt(SECRET, "x")
    assert one != other
    assert vault.decrypt(one, "x") == vault.decrypt(other, "x") == SECRET
    with pytest.raises(DecryptionError):
        vault.decrypt(one, "y")


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
