"""Shell completion, in the shells themselves where they are installed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pointsman.commands.completion import SHELLS

BASH = """
source {file}
complete_words() {{ COMP_WORDS=(pointsman "$@"); COMP_CWORD=$#; _pointsman; echo "${{COMPREPLY[*]}}"; }}
complete_words ser; complete_words status --j; complete_words service re
complete_words check --no; complete_words completion f
complete -p pointsman
"""
ZSH = """
compdef() {{ }}
source {file}
compadd() {{ shift; print -r -- "$@"; }}
_describe() {{ print -rl -- $commands; }}
_files() {{ }}
words=(pointsman se) CURRENT=2; _pointsman
words=(pointsman status --) CURRENT=3; _pointsman
"""
FISH = """
source {file}
complete -C 'pointsman ser'; complete -C 'pointsman status --j'; complete -C 'pointsman service re'
"""
PATH = "/usr/local/bin:/usr/bin:/bin"
ADDON = Path(__file__).parents[2] / "addon"


def completion(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pointsman", "completion", *arguments]
    env = {**os.environ, "PYTHONPATH": str(ADDON)}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env)


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("completion")
    for shell in SHELLS:
        made = completion(shell)
        assert (made.returncode, made.stderr) == (0, "")
        (folder / shell).write_text(made.stdout)
    return folder


def in_shell(shell: str, script: str, folder: Path) -> list[str]:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    arguments = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    command = [shell, *arguments, "-c", script.format(file=folder / shell)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env={"HOME": str(folder), "PATH": PATH})
    assert ran.stderr == ""
    return ran.stdout.splitlines()


def test_bash_completes_commands_their_options_and_their_words(scripts: Path) -> None:
    *answers, registered = in_shell("bash", BASH, scripts)
    assert answers == ["service", "--json", "remove", "--no-keys", "fish"]
    assert registered == "complete -o default -F _pointsman pointsman"


def test_zsh_describes_commands_and_completes_options(scripts: Path) -> None:
    lines = in_shell("zsh", ZSH, scripts)
    assert "status:show the state of the running router, its providers and its keys" in lines
    assert "--json" in lines[-1].split()


def test_fish_describes_commands_and_completes_options(scripts: Path) -> None:
    service, json, remove = in_shell("fish", FISH, scripts)
    assert service.startswith("service\trun the router as a service")
    assert (json, remove) == ("--json", "remove")


@pytest.mark.parametrize("arguments", [[], ["tcsh"]])
def test_a_wrong_use_names_the_shells(arguments: list[str]) -> None:
    ran = completion(*arguments)
    assert ran.returncode == 2
    assert "shell" in ran.stderr
