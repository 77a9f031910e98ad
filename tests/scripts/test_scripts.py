"""The shell scripts: which Python they settle on, and when they make the virtual environment.

They run in a copy of what they need, on a PATH that holds nothing else, with pretended interpreters: these let the real
Python judge a pretended version, make "environments" out of copies of themselves, and note what else they are asked.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.time_limit import LONGEST

REPOSITORY = Path(__file__).parents[2]
TOOLS = ("bash", "cat", "chmod", "dirname", "env", "ls", "mkdir", "rm")

PRETEND = """
import os, shutil, sys
version, missing, itself, *arguments = sys.argv[1:]
sys.version_info = tuple(map(int, version.split(".")))
sys.modules.update(dict.fromkeys(missing.split(), None))
match [argument for argument in arguments if argument != "-P"]:
    case ["-c", program, *rest]:
        sys.argv = ["-c", *rest]
        exec(program)
    case ["-m", "venv", place]:
        os.makedirs(f"{place}/bin")
        os.makedirs(f"{place}/lib/python3.12/site-packages")
        shutil.copy(itself, f"{place}/bin/python")
    case ["-m", *run]:
        with open(os.environ["JOURNAL"], "a") as journal:
            print(*run, file=journal)
        if run[0] == "pip":
            print("Collecting something", "WARNING: noise", "Installing collected packages: something", sep=os.linesep)
        if run[0] == "pip" and "GATE" in os.environ:
            open(os.environ["GATE"]).read()
        sys.exit(run[0] in os.environ.get("FAILING", "").split())
"""


def write_executable(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
    return path


@dataclass
class Machine:
    """A machine with a checkout in `repository`, and on it what a test puts there."""

    root: Path
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for script in ("scripts/setup.sh", "scripts/run", "scripts/test", ".ci/run"):
            (self.repository / script).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / script, self.repository / script)
        (self.repository / "requirements.lock").write_text("something==1.0\n")
        (self.repository / "requirements-dev.lock").write_text("something==1.0\nmore==1.0\n")
        self.bin.mkdir()
        for tool in TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool) or f"/bin/{tool}")
        (self.root / "pretend.py").write_text(PRETEND)
        self.variables |= {
            "PATH": str(self.bin),
            "HOME": str(self.root / "home"),
            "JOURNAL": str(self.root / "journal"),
        }

    @property
    def repository(self) -> Path:
        return self.root / "repository"

    @property
    def bin(self) -> Path:
        return self.root / "bin"

    @property
    def venv(self) -> Path:
        return self.repository / ".venv"

    @property
    def journal(self) -> list[str]:
        """What Pythons were asked to run with -m, without the environments made and the code compiled."""
        path = self.root / "journal"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in lines if not line.startswith("compileall ")]

    def python(self, path: str, version: str = "3.12.8", missing: str = "") -> Path:
        """Put a pretended Python at `path`, relative to the machine's root."""
        pretend = f"""exec '{sys.executable}' '{self.root}/pretend.py' '{version}' '{missing}' "$0" "$@" """
        return write_executable(self.root / path, pretend)

    def start(self, *command: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self.bin / "bash"), *command],
            cwd=self.root,
            env=self.variables | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        with self.start(*command, **variables) as process:
            out, err = process.communicate(timeout=LONGEST)
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def find_python(self, **variables: str) -> subprocess.CompletedProcess[str]:
        """Prints the Python that set-up would use."""
        find = f"set -euo pipefail; ROOT='{self.repository}'; . '{self.repository}/scripts/setup.sh'; find_python"
        return self.run("-c", find + '; echo "$PYTHON"', **variables)

    def found(self, **variables: str) -> Path:
        result = self.find_python(**variables)
        assert result.returncode == 0, result.stderr
        return Path(result.stdout.strip())


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "a machine")  # a blank in every path


class TestFindingAPython:
    @pytest.mark.parametrize("name", ["python3.14", "python3.13", "python3.12", "python3", "python"])
    def test_takes_any_usual_name_on_the_path(self, machine: Machine, name: str) -> None:
        placed = machine.python(f"bin/{name}")
        assert machine.found() == placed

    def test_passes_over_an_older_default(self, machine: Machine) -> None:
        machine.python("bin/python3", "3.11.9")
        machine.python("bin/python", "2.7.18")
        newer = machine.python("bin/python3.12")
        assert machine.found() == newer

    def test_passes_over_an_older_one_earlier_on_the_path_under_the_same_name(self, machine: Machine) -> None:
        machine.python("earlier/python3", "3.9.2")
        newer = machine.python("bin/python3")
        assert machine.found(PATH=f"{machine.root}/earlier:{machine.bin}") == newer

    def test_passes_over_one_that_cannot_make_environments(self, machine: Machine) -> None:
        machine.python("bin/python3.13", missing="ensurepip")
        whole = machine.python("bin/python3.12")
        assert machine.found() == whole

    @pytest.mark.parametrize(
        ("place", "variable", "value"),
        [
            ("home/.pyenv/versions/3.12.1", "UNUSED", ""),
            ("elsewhere/versions/3.12.1", "PYENV_ROOT", "elsewhere"),
            ("home/.local/share/uv/python/cpython-3.12.1-linux", "UNUSED", ""),
            ("data/uv/python/cpython-3.12.1-linux", "XDG_DATA_HOME", "data"),
            ("pythons/cpython-3.12.1-linux", "UV_PYTHON_INSTALL_DIR", "pythons"),
        ],
    )
    def test_finds_those_of_pyenv_and_uv(self, machine: Machine, place: str, variable: str, value: str) -> None:
        kept = machine.python(f"{place}/bin/python3")
        assert machine.found(**{variable: f"{machine.root}/{value}"}) == kept

    def test_passes_over_shims_that_fail_for_the_versions_behind_them(self, machine: Machine) -> None:
        for name in ("python3.13", "python3"):
            write_executable(machine.root / f"pyenv/shims/{name}", f"echo '{name}: command not found' >&2", "exit 127")
        machine.python("pyenv/versions/3.11.7/bin/python3", "3.11.7")
        behind = machine.python("pyenv/versions/3.12.1/bin/python3", "3.12.1")
        assert machine.found(PATH=f"{machine.root}/pyenv/shims:{machine.bin}") == behind

    def test_asks_uv(self, machine: Machine) -> None:
        known_to_uv = machine.python("somewhere/python3.13")
        write_executable(machine.bin / "uv", f"echo '{known_to_uv}'")
        assert machine.found() == known_to_uv

    def test_leaves_out_the_environment_that_is_to_be_replaced(self, machine: Machine) -> None:
        machine.python("repository/.venv/bin/python3")
        outside = machine.python("bin/python3")
        assert machine.found(PATH=f"{machine.venv}/bin:{machine.bin}") == outside

    @pytest.mark.parametrize(("name", "version"), [("python3.14", "3.14.0"), ("python3", "3.12.6")])
    def test_prefers_one_with_security_fixes(self, machine: Machine, name: str, version: str) -> None:
        machine.python("bin/python3.12", "3.12.5")
        fixed = machine.python(f"bin/{name}", version)
        result = machine.find_python()
        assert (result.stdout, result.stderr) == (f"{fixed}\n", "")

    def test_warns_where_there_is_none(self, machine: Machine) -> None:
        first = machine.python("bin/python3.12", "3.12.5")
        machine.python("bin/python3", "3.12.1")
        machine.python("bin/python", "3.11.9")
        result = machine.find_python()
        assert (result.returncode, result.stdout) == (0, f"{first}\n")
        assert f"{first} is Python 3.12.5, which works; 3.12.6 and newer have security fixes" in result.stderr

    def test_a_named_python_is_the_only_one_looked_at(self, machine: Machine) -> None:
        machine.python("bin/python3")
        old = machine.python("old/python3", "3.8.0")
        result = machine.find_python(POINTSMAN_PYTHON=str(old))
        assert result.returncode == 1
        assert f"{old}: is Python 3.8.0" in result.stderr
        assert str(machine.bin / "python3") not in result.stderr
        assert "POINTSMAN_PYTHON names:" in result.stderr
        gone = machine.find_python(POINTSMAN_PYTHON="/gone/python3")
        assert "  /gone/python3: No such file or directory\n" in gone.stderr

    def test_says_what_it_looked_at_when_none_fits(self, machine: Machine) -> None:
        old = machine.python("bin/python3", "3.11.2")
        bare = machine.python("bin/python3.12", missing="ensurepip")
        shim = write_executable(
            machine.bin / "python3.13", "printf 'python3.13: command not found\\n\\nmore\\n' >&2", "exit 127"
        )
        result = machine.find_python()
        assert result.returncode == 1
        assert result.stdout == ""
        assert "needs Python 3.12 or newer" in result.stderr
        assert f"{old}: is Python 3.11.2\n" in result.stderr
        assert f"{bare}: lacks the module ensurepip" in result.stderr
        assert f"{shim}: python3.13: command not found\n" in result.stderr
        assert "more" not in result.stderr
        assert "uv python install" in result.stderr

    def test_says_so_when_there_is_none_at_all(self, machine: Machine) -> None:
        result = machine.find_python()
        assert result.returncode == 1
        assert "  nothing: there is no Python at all\n" in result.stderr
        assert "POINTSMAN_PYTHON=" in result.stderr


PIP = "pip install --no-deps --no-input --disable-pip-version-check --progress-bar off --requirement"


def installs(machine: Machine) -> int:
    return sum(line.startswith("pip install") for line in machine.journal)


class TestSettingUp:
    @pytest.fixture(autouse=True)
    def _python(self, machine: Machine) -> None:
        machine.python("bin/python3")

    def router(self, machine: Machine) -> str:
        return f"{machine.repository}/scripts/run"

    def test_the_first_run_installs_the_lock_file_and_starts_the_router(self, machine: Machine) -> None:
        result = machine.run(self.router(machine), "--dump", "-p", "9000")
        assert result.returncode == 0, result.stderr
        assert machine.journal == [f"{PIP} {machine.repository}/requirements.lock", "pointsman --dump -p 9000"]
        assert result.stdout == ""

    def test_it_says_what_it_does_and_nothing_of_pips_noise(self, machine: Machine) -> None:
        told = machine.run(self.router(machine)).stderr.splitlines()
        assert [line.partition(" in /")[0] for line in told[:1]] == ["pointsman: first start: making an environment"]
        assert told[1:3] == ["pointsman: fetching 1 packages", "pointsman: unpacking them"]
        assert told[3].startswith("pointsman: the environment is complete (")
        assert len(told) == 4

    def test_a_failed_installation_shows_all_that_pip_said(self, machine: Machine) -> None:
        assert "WARNING: noise" in machine.run(self.router(machine), FAILING="pip").stderr

    def test_the_tests_add_their_packages_to_the_same_environment(self, machine: Machine) -> None:
        machine.run(self.router(machine))
        (machine.venv / "kept").touch()
        machine.run(f"{machine.repository}/scripts/test", "-q")
        assert machine.journal[2:] == [f"{PIP} {machine.repository}/requirements-dev.lock", "pytest -q"]
        assert (machine.venv / "kept").exists()
        machine.run(f"{machine.repository}/scripts/test", "-q")
        machine.run(self.router(machine))
        assert machine.journal[4:] == ["pytest -q", "pointsman"]

    def test_changed_packages_of_the_tests_do_not_concern_the_router(self, machine: Machine) -> None:
        machine.run(f"{machine.repository}/scripts/test", "-q")
        (machine.venv / "leftover").touch()
        (machine.repository / "requirements-dev.lock").write_text("something==1.0\nmore==2.0\n")
        machine.run(self.router(machine))
        assert installs(machine) == 2
        machine.run(f"{machine.repository}/scripts/test", "-q")
        assert installs(machine) == 4
        assert not (machine.venv / "leftover").exists()

    def test_an_interrupted_addition_is_done_again(self, machine: Machine) -> None:
        machine.run(self.router(machine))
        assert machine.run(f"{machine.repository}/scripts/test", "-q", FAILING="pip").returncode == 1
        assert machine.run(f"{machine.repository}/scripts/test", "-q").returncode == 0
        assert machine.journal[-1] == "pytest -q"

    def test_the_second_run_only_starts_the_router(self, machine: Machine) -> None:
        machine.run(self.router(machine))
        result = machine.run(self.router(machine))
        assert machine.journal[-2:] == ["pointsman", "pointsman"]
        assert result.stderr == ""

    def test_a_changed_lock_file_makes_the_environment_again(self, machine: Machine) -> None:
        machine.run(self.router(machine))
        (machine.venv / "leftover").touch()
        (machine.repository / "requirements.lock").write_text("something==2.0\n")
        machine.run(self.router(machine))
        assert installs(machine) == 2
        assert not (machine.venv / "leftover").exists()

    def test_an_environment_whose_python_has_gone_is_made_again(self, machine: Machine) -> None:
        machine.run(self.router(machine))
        (machine.venv / "bin/python").unlink()
        assert machine.run(self.router(machine)).returncode == 0
        assert installs(machine) == 2

    def test_whatever_lies_in_the_default_place_is_replaced(self, machine: Machine) -> None:
        write_executable(machine.venv / "bin/python", "exit 1")
        assert machine.run(self.router(machine)).returncode == 0
        assert machine.journal[-1] == "pointsman"

    def test_a_failed_installation_is_not_taken_for_an_environment(self, machine: Machine) -> None:
        failed = machine.run(self.router(machine), FAILING="pip")
        assert failed.returncode == 1
        assert "pip could not install" in failed.stderr
        assert "PIP_FIND_LINKS=" in failed.stderr
        assert machine.run(self.router(machine)).returncode == 0
        assert machine.journal[-1] == "pointsman"
        assert installs(machine) == 2

    def test_a_folder_that_may_hold_the_users_files_is_refused(self, machine: Machine) -> None:
        precious = machine.root / "documents/novel.txt"
        precious.parent.mkdir()
        precious.touch()
        result = machine.run(self.router(machine), POINTSMAN_VENV="documents")
        assert result.returncode == 1
        assert "was not made by this script" in result.stderr
        assert precious.exists()

    def test_the_environment_can_be_elsewhere(self, machine: Machine) -> None:
        elsewhere = machine.root / "deep/down/venv"
        assert machine.run(self.router(machine), POINTSMAN_VENV="deep/down/venv").returncode == 0
        assert (elsewhere / "bin/pointsman").exists()
        assert not machine.venv.exists()

    def test_the_environment_has_the_package_and_the_command(self, machine: Machine) -> None:
        machine.run(self.router(machine))
        [link] = machine.venv.glob("lib/python3*/site-packages/pointsman.pth")
        assert link.read_text() == f"{machine.repository}/addon\n"
        assert machine.run(f"{machine.venv}/bin/pointsman", "dump").returncode == 0
        assert machine.journal[-1] == "pointsman dump"

    def test_the_routers_status_is_the_scripts(self, machine: Machine) -> None:
        assert machine.run(self.router(machine), FAILING="pointsman").returncode == 1

    def test_of_two_at_once_one_installs_and_the_other_waits(self, machine: Machine) -> None:
        gate = machine.root / "gate"
        os.mkfifo(gate)
        with machine.start(self.router(machine), "first", GATE=str(gate)) as first:
            with gate.open("w"):  # opens once the first has got to its installation
                second = machine.start(self.router(machine), "second")
                assert second.stderr is not None
                assert "waiting for it" in second.stderr.readline()
            first.communicate(timeout=LONGEST)
        with second:
            second.communicate(timeout=LONGEST)
        assert (first.returncode, second.returncode) == (0, 0)
        assert installs(machine) == 1
        assert sorted(machine.journal[1:]) == ["pointsman first", "pointsman second"]

    def test_a_set_up_that_was_killed_half_way_is_done_again(self, machine: Machine) -> None:
        gate = machine.root / "gate"
        os.mkfifo(gate)
        with machine.start(self.router(machine), "killed", GATE=str(gate)) as killed, gate.open("w"):
            killed.kill()
        result = machine.run(self.router(machine), "again")
        assert result.returncode == 0, result.stderr
        assert installs(machine) == 2
        assert machine.journal[-1] == "pointsman again"


class TestTheTestCommand:
    @pytest.fixture(autouse=True)
    def _python(self, machine: Machine) -> None:
        machine.python("bin/python3")

    def test_without_arguments_it_checks_everything(self, machine: Machine) -> None:
        result = machine.run(f"{machine.repository}/scripts/test")
        assert result.returncode == 0, result.stderr
        soak, steps = "pytest -q tests/scripts/test_soak.py", machine.journal[2:]
        steps.remove(soak)  # beside the others
        assert steps[:3] == ["ruff check .", "ruff format --check .", "mypy"]
        assert [line.split()[:2] for line in steps[3:]] == [["pytest", "-q"]]

    def test_quick_leaves_out_what_takes_long(self, machine: Machine) -> None:
        result = machine.run(f"{machine.repository}/scripts/test", "--quick")
        assert result.returncode == 0, result.stderr
        *checks, tests = machine.journal[2:]
        assert checks == ["ruff check .", "ruff format --check .", "mypy"]
        assert tests.startswith("pytest -q ")
        assert tests.endswith(" -m core --ignore tests/simulation")

    @pytest.mark.parametrize("tool", ["ruff", "mypy", "pytest"])
    def test_one_failing_step_fails_the_quick_run_too(self, machine: Machine, tool: str) -> None:
        result = machine.run(f"{machine.repository}/scripts/test", "--quick", FAILING=tool)
        assert result.returncode == 1
        assert f"failed: {tool}" in result.stderr
        assert len(machine.journal[2:]) == 4

    def test_with_arguments_it_runs_only_pytest(self, machine: Machine) -> None:
        machine.run(f"{machine.repository}/scripts/test", "-k", "two words")
        assert machine.journal[2:] == ["pytest -k two words"]

    @pytest.mark.parametrize("command", ["scripts/test", ".ci/run"])
    @pytest.mark.parametrize("tool", ["ruff", "mypy", "pytest"])
    def test_one_failing_step_fails_it_and_the_others_still_run(
        self, machine: Machine, command: str, tool: str
    ) -> None:
        result = machine.run(f"{machine.repository}/{command}", FAILING=tool)
        assert result.returncode == 1
        assert f"failed: {tool}" in result.stderr
        assert len(machine.journal[2:]) == 5
