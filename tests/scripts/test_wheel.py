"""The wheel in an environment of its own, used from a folder that is no checkout.

The environment has the wheel's package and, through a path file, the dependencies of the environment of the tests.
"""

import os
import re
import signal
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest

from pointsman.demo import Provider, behaviours
from support.http_requests import ask, get
from support.process import started
from support.settings import provider, write

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Environment:
    bin: Path

    def run(self, *command: str, folder: Path) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "HOME": str(folder), "PYTHONPATH": ""}
        return subprocess.run(
            [str(self.bin / command[0]), *command[1:]], cwd=folder, env=env, capture_output=True, text=True, check=False
        )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    [packages] = folder.glob("venv/lib/python3*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "venv"), "install", "--no-index", "--no-deps"]
    subprocess.run([*pip, "--force-reinstall", str(wheel)], check=True, capture_output=True)
    return Environment(folder / "venv" / "bin")


def test_the_command_is_on_the_path_and_is_the_wheels(installed: Environment, tmp_path: Path) -> None:
    helped = installed.run("pointsman", "--help", folder=tmp_path)
    assert helped.returncode == 0, helped.stderr
    assert "usage: pointsman" in helped.stdout
    script = Path(installed.run("pointsman", "script", folder=tmp_path).stdout.strip())
    assert script.is_relative_to(installed.bin.parent)
    assert script.is_file()


def test_data_files_are_in_it(installed: Environment, tmp_path: Path) -> None:
    [package] = installed.bin.parent.glob("lib/python3*/site-packages/pointsman")
    source = ROOT / "addon" / "pointsman"
    files = [path.relative_to(source) for path in source.rglob("*") if path.is_file()]
    data = [path for path in files if "__pycache__" not in path.parts]
    assert [str(path) for path in data if not (package / path).is_file()] == []
    assert (package / "configuration.md").read_bytes() == (ROOT / "docs" / "configuration.md").read_bytes()


def test_it_checks_a_configuration(installed: Environment, tmp_path: Path) -> None:
    write(tmp_path, {"one": provider()})
    checked = installed.run("pointsman", "check", "--no-keys", folder=tmp_path)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "is valid" in checked.stdout


@pytest.mark.parametrize("way", ["pointsman dump", "mitmdump -s"])
async def test_it_routes(installed: Environment, tmp_path: Path, way: str) -> None:
    python, script = str(installed.bin / "python"), installed.run("pointsman", "script", folder=tmp_path).stdout.strip()
    launcher = "from mitmproxy.tools.main import mitmdump; mitmdump()"
    command = {
        "pointsman dump": [str(installed.bin / "pointsman"), "dump"],
        "mitmdump -s": [python, "-c", launcher, "-s", script],
    }[way]
    async with Provider(behaviours.answer("hello")) as one:
        write(tmp_path, {"one": provider(one.base_url)})
        async with started(*command, "-p", "0", folder=tmp_path, PYTHONPATH="") as router:
            base_url = await router.base_url()
            if way == "mitmdump -s":  # the command does not say which script it loads
                assert str(installed.bin.parent) in (await router.prints(r"Loading script (\S+)"))[1]
            assert (await ask(base_url)).headers["x-routed-via"] == "one/m"
            page = await get(base_url.removesuffix("v1"), accept="text/html")
            assert re.search(rb"<title>.*Pointsman", page.body)
            router.tell(signal.SIGTERM)
            await router.ends_cleanly()
