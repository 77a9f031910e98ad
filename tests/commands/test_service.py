"""`pointsman service`: prints by default, writes and removes only its own file."""

from pathlib import Path

import pytest

from pointsman import cli

UNIT = ".config/systemd/user/pointsman.service"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)


def service(*arguments: str) -> int:
    return cli.main(["service", *arguments, "--for", "systemd"])


def test_without_write_it_only_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert service("install") == 0
    out = capsys.readouterr().out
    assert str(tmp_path / UNIT) in out
    assert '"-m" "pointsman" "dump"' in out
    assert list(tmp_path.iterdir()) == []


def test_it_writes_and_removes_the_unit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert service("install", "--write") == service("install", "--write") == 0
    assert "systemctl --user enable --now pointsman" in capsys.readouterr().out
    assert service("remove") == 0
    assert (tmp_path / UNIT).exists()
    assert service("remove", "--write") == 0
    assert not (tmp_path / UNIT).exists()
    assert service("remove", "--write") == 1
    assert "there is no" in capsys.readouterr().err


def test_another_file_in_its_place_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / UNIT).parent.mkdir(parents=True)
    (tmp_path / UNIT).write_text("[Service]\n")
    assert service("install", "--write") == service("remove", "--write") == 1
    assert "was not written by this command" in capsys.readouterr().err
    assert (tmp_path / UNIT).read_text() == "[Service]\n"


def test_a_configuration_and_arguments_of_mitmdump_go_into_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "my.yaml").touch()
    assert cli.main(["service", "install", "--for", "systemd", "--config", f"{tmp_path}/my.yaml", "--", "-p", "9"]) == 0
    assert f'"--set" "pointsman_config={tmp_path}/my.yaml" "-p" "9"' in capsys.readouterr().out
    assert service("install", "--config", f"{tmp_path}/gone.yaml") == 1
    assert "gone.yaml: no such file" in capsys.readouterr().err


def test_launchd_is_for_macos(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["service", "install", "--for", "launchd"]) == 0
    assert "Library/LaunchAgents/pointsman.plist" in capsys.readouterr().out
