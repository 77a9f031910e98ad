"""`pointsman service install` and `remove`: a service of your user that runs the router. Without `--write`, they print
what they would do. Arguments after `--` are mitmdump's, as in `pointsman service install -- -p 9000`.
"""

import argparse
import os
import sys
from pathlib import Path

from pointsman.service_units import ENVIRONMENT_FILE, MARK, Manager, Unit, make_unit


def main(arguments: list[str]) -> int:
    own, mitmdump = _split(arguments)
    parser = argparse.ArgumentParser(prog="pointsman service", description=__doc__)
    parser.add_argument("action", choices=("install", "remove"))
    parser.add_argument("--write", action="store_true", help="write or remove the file; without it, only print")
    parser.add_argument("--config", metavar="FILE", help="configuration file (default: ~/.pointsman/pointsman.yaml)")
    parser.add_argument(
        "--for", dest="manager", choices=[each.value for each in Manager], help="default: this system's"
    )
    given = parser.parse_args(own)
    manager = Manager(given.manager) if given.manager else Manager.of_platform()
    if manager is None:
        return _failed(f"there are no units for {sys.platform}; name one with --for")
    command = [sys.executable, "-P", "-m", "pointsman", "dump"]
    if given.config:
        config = Path(given.config).expanduser().absolute()
        if not config.is_file():
            return _failed(f"{config}: no such file")
        command += ["--set", f"pointsman_config={config}"]
    unit = make_unit(manager, [*command, *mitmdump], Path.home(), os.environ)
    try:
        return install(unit, given.write) if given.action == "install" else remove(unit, given.write)
    except OSError as error:
        return _failed(f"{error.filename or unit.path}: {error.strerror or error}")


def install(unit: Unit, write: bool) -> int:
    """Raises OSError."""
    if not write:
        print(f"{unit.path} would be:\n\n{unit.text}\nWrite it with --write.")
        return 0
    if _is_foreign(unit.path):
        return _failed(f"{unit.path} was not written by this command; remove it first")
    unit.path.parent.mkdir(parents=True, exist_ok=True)
    unit.path.write_text(unit.text)
    print(f"{unit.path} is written. Start it now and at each login:\n    {unit.start}")
    print(f"Keys that the configuration names as ${{NAME}} go into ~/{ENVIRONMENT_FILE} (chmod 600), as NAME=value.")
    return 0


def remove(unit: Unit, write: bool) -> int:
    """Raises OSError."""
    if not unit.path.exists():
        return _failed(f"there is no {unit.path}")
    if _is_foreign(unit.path):
        return _failed(f"{unit.path} was not written by this command")
    if write:
        unit.path.unlink()
        print(f"{unit.path} is removed. If the service still runs, stop it:\n    {unit.stop}")
    else:
        print(f"{unit.path} would be removed. Stop the service first, then add --write:\n    {unit.stop}")
    return 0


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    """What stands before `--`, and after it."""
    if "--" not in arguments:
        return arguments, []
    at = arguments.index("--")
    return arguments[:at], arguments[at + 1 :]


def _is_foreign(path: Path) -> bool:
    return path.exists() and MARK not in path.read_text(errors="replace")


def _failed(message: str) -> int:
    print(f"pointsman service: {message}", file=sys.stderr)
    return 1
