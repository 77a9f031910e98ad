"""Writing a client's files and taking it back: exactly, and with nothing of the user's lost."""

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from pointsman.client_setup import CLIENTS, ClientSetup, setup_of
from pointsman.client_setup.files import FileReport, Outcome, SetupFileError, SetupFiles, is_written

URL = "http://127.0.0.1:8080"
WRITTEN = [name for name, client in CLIENTS.items() if client.files]

type Setup = Callable[..., ClientSetup]


@pytest.fixture
def files(tmp_path: Path) -> SetupFiles:
    return SetupFiles(tmp_path / ".pointsman")


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return lambda name, url=URL: setup_of(name, url, home=tmp_path, environ={})


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file and folder but our own records: its mode, and the content of a file."""
    paths = [path for path in folder.rglob("*") if ".pointsman" not in path.relative_to(folder).parts[:1]]
    return {
        str(path.relative_to(folder)): (stat.S_IMODE(path.stat().st_mode), path.read_bytes() if path.is_file() else b"")
        for path in paths
    }


def outcomes(reports: list[FileReport]) -> set[Outcome]:
    return {report.outcome for report in reports}


@pytest.mark.parametrize("name", WRITTEN)
def test_new_files_are_written_and_removed_with_their_folders(
    files: SetupFiles, setup: Setup, tmp_path: Path, name: str
) -> None:
    before = tree(tmp_path)
    assert outcomes(files.write(setup(name))) == {Outcome.WRITTEN}
    assert is_written(setup(name))
    for file in setup(name).files:
        assert file.path.read_text() == file.text
        assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert outcomes(files.undo(name)) == {Outcome.REMOVED}
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", WRITTEN)
def test_files_that_exist_are_merged_and_restored_exactly(
    files: SetupFiles, setup: Setup, tmp_path: Path, name: str
) -> None:
    for file in setup(name).files:
        file.path.parent.mkdir(parents=True, exist_ok=True)
        text = {".yml": "# mine\n", ".yaml": "# mine\n", ".json": "", ".toml": "# mine", "": "# mine\r\nA=1\n"}
        file.path.write_bytes(text[file.path.suffix].encode())
        file.path.chmod(0o640)
    before = tree(tmp_path)
    reports = files.write(setup(name))
    assert outcomes(reports) == {Outcome.WRITTEN}
    for report in reports:
        assert report.kept
        assert report.kept.name == f"{report.path.name}.pointsman-backup"
        assert (stat.S_IMODE(report.path.stat().st_mode), stat.S_IMODE(report.kept.stat().st_mode)) == (0o640, 0o640)
    assert outcomes(files.undo(name)) == {Outcome.RESTORED}
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", WRITTEN)
def test_twice_is_once(files: SetupFiles, setup: Setup, tmp_path: Path, name: str) -> None:
    files.write(setup(name))
    before = tree(tmp_path)
    assert outcomes(files.write(setup(name))) == {Outcome.UNCHANGED}
    assert tree(tmp_path) == before


def test_the_first_content_is_restored_after_several_writes(files: SetupFiles, setup: Setup, tmp_path: Path) -> None:
    settings = tmp_path / ".claude" / "settings.json"
    settings.parent.mkdir()
    settings.write_text('{"model": "opus"}')
    before = tree(tmp_path)
    files.write(setup("claude-code"))
    files.write(setup("claude-code", "http://127.0.0.1:9090"))
    assert json.loads(settings.read_text())["env"]["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:9090"
    assert json.loads(settings.read_text())["model"] == "opus"
    files.undo("claude-code")
    assert tree(tmp_path) == before


@pytest.mark.parametrize("written_again", [False, True])
def test_what_was_changed_since_is_kept_beside_it(
    files: SetupFiles, setup: Setup, tmp_path: Path, written_again: bool
) -> None:
    settings = tmp_path / ".claude" / "settings.json"
    settings.parent.mkdir()
    settings.write_text("{}")
    files.write(setup("claude-code"))
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"mine": "later"}))
    if written_again:
        files.write(setup("claude-code", "http://127.0.0.1:9090"))
    [report] = files.undo("claude-code")
    assert settings.read_text() == "{}"
    assert report.kept == settings.with_name("settings.json.pointsman-changed")
    assert json.loads(report.kept.read_text())["mine"] == "later"


def test_a_file_that_was_removed_since_is_restored(files: SetupFiles, setup: Setup, tmp_path: Path) -> None:
    settings = tmp_path / ".claude" / "settings.json"
    settings.parent.mkdir()
    settings.write_text('{"a": 1}')
    files.write(setup("claude-code"))
    settings.unlink()
    files.undo("claude-code")
    assert settings.read_text() == '{"a": 1}'


def test_nothing_is_written_if_one_file_cannot_be(files: SetupFiles, setup: Setup, tmp_path: Path) -> None:
    (tmp_path / ".aider.model.settings.yml").write_text("broken: [")
    before = tree(tmp_path)
    with pytest.raises(SetupFileError, match=r"\.aider\.model\.settings\.yml is not valid YAML .* nothing was written"):
        files.write(setup("aider"))
    assert tree(tmp_path) == before


def test_a_backup_that_is_gone_is_named(files: SetupFiles, setup: Setup, tmp_path: Path) -> None:
    path = tmp_path / ".claude/settings.json"
    path.parent.mkdir()
    path.write_text("{}")
    [report] = files.write(setup("claude-code"))
    assert report.kept
    report.kept.unlink()
    before = tree(tmp_path)
    with pytest.raises(SetupFileError, match="pointsman-backup, its former content, is gone"):
        files.undo("claude-code")
    assert tree(tmp_path) == before


def test_a_link_stays_a_link(files: SetupFiles, setup: Setup, tmp_path: Path) -> None:
    dotfile, link = tmp_path / "dotfiles" / "config.toml", tmp_path / ".codex" / "config.toml"
    dotfile.parent.mkdir()
    link.parent.mkdir()
    dotfile.write_text('approval_policy = "never"\n')
    link.symlink_to(dotfile)
    files.write(setup("codex"))
    assert link.is_symlink()
    assert "gpt-5.5" in dotfile.read_text()
    files.undo("codex")
    assert link.is_symlink()
    assert dotfile.read_text() == 'approval_policy = "never"\n'


def test_each_client_is_undone_for_itself(files: SetupFiles, setup: Setup) -> None:
    files.write(setup("codex"))
    files.write(setup("pi"))
    assert files.undo("claude-code") == []
    assert len(files.undo("pi")) == 2
    assert is_written(setup("codex"))
    assert not is_written(setup("pi"))


def test_a_file_in_the_way_of_a_folder_is_named(files: SetupFiles, setup: Setup, tmp_path: Path) -> None:
    (tmp_path / ".codex").write_text("")
    with pytest.raises(SetupFileError, match=r"\.codex/config\.toml: Not a directory"):
        files.write(setup("codex"))


def test_a_file_that_is_not_text_is_refused(files: SetupFiles, setup: Setup, tmp_path: Path) -> None:
    (tmp_path / ".aider.conf.yml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SetupFileError, match=r"\.aider\.conf\.yml is not UTF-8; nothing was written"):
        files.write(setup("aider"))


def test_damaged_records_are_named(files: SetupFiles, setup: Setup) -> None:
    files.write(setup("codex"))
    (files.folder / "client-setup.json").write_text("{")
    with pytest.raises(SetupFileError, match=r"client-setup\.json is damaged"):
        files.undo("codex")


def test_an_older_backup_is_not_overwritten(files: SetupFiles, setup: Setup, tmp_path: Path) -> None:
    settings = tmp_path / ".claude" / "settings.json"
    settings.parent.mkdir()
    settings.write_text("{}")
    settings.with_name("settings.json.pointsman-backup").write_text("older")
    [report] = files.write(setup("claude-code"))
    assert report.kept == settings.with_name("settings.json.pointsman-backup-2")
    files.undo("claude-code")
    assert settings.with_name("settings.json.pointsman-backup").read_text() == "older"
    assert settings.read_text() == "{}"
