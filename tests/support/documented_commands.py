"""The commands that README.md and docs/ show, and a scratch home in which they can be run against a router."""

import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
GENERATED = re.compile(r"<!-- begin: clients -->.*?<!-- end: clients -->", re.DOTALL)
"""What `pointsman setup` prints has tests of its own."""
FENCE = re.compile(r"^ *```(\w*)$")
SHELLS = ("", "sh", "bash", "console")
COMMAND = re.compile(r"(?:\$ )?((?:pointsman|(?:\./)?scripts/\w+|curl|tar|export)(?: .*)?)")
COMMENT = re.compile(r"\s{2,}#.*|\s+# .*")
DEFAULT_ADDRESS = "127.0.0.1:8080"
ASK_THE_ROUTER = ("clients", "status", "top", "explain", "setup", "run", "dashboard", "requests", "tail", "usage")
"""Commands of `pointsman` that take `--router`."""

POINTSMAN = """\
#!{python}
import os, sys
arguments = [each.replace({default!r}, {address!r}) for each in sys.argv[1:]]
asks = arguments[:1] and arguments[0] in {asking!r} or "--sticky" in arguments
if asks and "--router" not in arguments:
    arguments[1:1] = ["--router", "http://" + {address!r}]
os.environ["PYTHONPATH"] = {addon!r}
os.execv(sys.executable, [sys.executable, "-m", "pointsman", *arguments])
"""
CURL = """\
#!{python}
import os, sys
arguments = [each.replace({default!r}, {address!r}) for each in sys.argv[1:]]
os.execv({curl!r}, ["curl", "-sS", "--fail-with-body", "--max-time", "60", "--noproxy", "*", *arguments])
"""


def commands_of(text: str) -> Iterator[str]:
    """The commands in the code blocks of a page, in order: without prompt and comment, continued lines joined."""
    language: str | None = None
    begun = ""
    for line in GENERATED.sub("", text).splitlines():
        if fence := FENCE.match(line):
            language = fence[1] if language is None else None
            continue
        if language not in (None, *SHELLS) or (language is None and not line.startswith("    ")):
            continue
        stripped = begun + line.strip()
        begun = ""
        found = COMMAND.fullmatch(stripped)
        if found and stripped.endswith("\\"):
            begun = stripped.removesuffix("\\")
        elif found:
            yield COMMENT.sub("", found[1]).strip()


def make_home(folder: Path, address: str, clients: tuple[str, ...]) -> dict[str, str]:
    """The environment of the commands: `pointsman`, `scripts/run` and `curl` reach the router at `address`, `clients`
    are programs that do nothing, and everything beyond this machine is behind a proxy that does not answer.
    """
    curl = shutil.which("curl")
    assert curl, "curl is not installed"
    filled = {"python": sys.executable, "default": DEFAULT_ADDRESS, "address": address, "asking": ASK_THE_ROUTER}
    pointsman = POINTSMAN.format(**filled, addon=str(ROOT / "addon"))
    _write_program(folder / "bin" / "pointsman", pointsman)
    _write_program(folder / "scripts" / "run", pointsman)
    _write_program(folder / "bin" / "curl", CURL.format(**filled, curl=curl))
    for client in clients:
        _write_program(folder / "bin" / client, "#!/bin/sh\nexit 0\n")
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9")
    path = os.pathsep.join([str(folder / "bin"), os.environ["PATH"]])
    return {**_without_settings(os.environ), **nowhere, "HOME": str(folder), "PATH": path, "NO_PROXY": "127.0.0.1"}


def _without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith(("POINTSMAN_", "PYTEST_"))}


def _write_program(file: Path, text: str) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    file.chmod(0o700)
