"""The units' text, read by the parsers of their formats."""

import configparser
import os
import plistlib
import shutil
import subprocess
from pathlib import Path

import pytest

from pointsman.service_units import ENVIRONMENT_FILE, Manager, Unit, make_unit

HOME = Path("/home/some one")
COMMAND = ["/opt/a venv/bin/python", "-P", "-m", "pointsman", "dump", "--set", 'x=50%"$A\\b']


def systemd(home: Path = HOME, command: list[str] = COMMAND, **env: str) -> Unit:
    return make_unit(Manager.SYSTEMD, command, home, env)


def parsed(unit: Unit) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(unit.text)
    return parser


def test_the_systemd_unit_restarts_and_leaves_streams_their_time() -> None:
    unit = parsed(systemd())
    assert unit["Service"]["Restart"] == "on-failure"
    assert int(unit["Service"]["TimeoutStopSec"]) > 10  # server.drain
    assert unit["Service"]["EnvironmentFile"] == f"-%h/{ENVIRONMENT_FILE}"
    assert unit["Install"]["WantedBy"] == "default.target"


def test_arguments_of_the_systemd_unit_stand_for_themselves() -> None:
    assert parsed(systemd())["Service"]["ExecStart"] == (
        r'"/opt/a venv/bin/python" "-P" "-m" "pointsman" "dump" "--set" "x=50%%\"$$A\\b"'
    )


def test_the_systemd_unit_is_where_user_units_are() -> None:
    assert systemd().path == HOME / ".config/systemd/user/pointsman.service"
    assert systemd(XDG_CONFIG_HOME="/cfg").path == Path("/cfg/systemd/user/pointsman.service")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd")
def test_systemd_finds_no_fault_in_the_unit(tmp_path: Path) -> None:
    path = tmp_path / "pointsman.service"
    path.write_text(systemd(command=["/bin/sh", "-c", "exit 0"]).text)
    env = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    verify = ["systemd-analyze", "--user", "verify", str(path)]
    found = subprocess.run(verify, env=env, capture_output=True, text=True, check=False)
    assert "pointsman.service" not in found.stderr, found.stderr


def test_the_launchd_agent_loads_the_environment_and_runs_the_command(tmp_path: Path) -> None:
    (tmp_path / ".pointsman").mkdir()
    (tmp_path / ENVIRONMENT_FILE).write_text("GROQ_API_KEY='a key'\n")
    unit = make_unit(Manager.LAUNCHD, ["/bin/sh", "-c", 'printf %s "$GROQ_API_KEY|$1"', "sh", "x y"], tmp_path, {})
    assert unit.path == tmp_path / "Library/LaunchAgents/pointsman.plist"
    agent = plistlib.loads(unit.text.encode())
    assert (agent["RunAtLoad"], agent["KeepAlive"]) == (True, {"SuccessfulExit": False})
    ran = subprocess.run(agent["ProgramArguments"], capture_output=True, text=True, check=True)
    assert ran.stdout == "a key|x y"
    (tmp_path / ENVIRONMENT_FILE).unlink()
    assert subprocess.run(agent["ProgramArguments"], capture_output=True, text=True, check=True).stdout == "|x y"


def test_the_manager_is_that_of_the_system() -> None:
    assert Manager.of_platform("linux") is Manager.SYSTEMD
    assert Manager.of_platform("darwin") is Manager.LAUNCHD
    assert Manager.of_platform("win32") is None
