"""Units that start the router with the user's session: systemd on Linux, launchd on macOS.

Keys that the configuration names as `${NAME}` come from a file of `NAME=value` lines, since a service does not have
the environment of the user's shell.
"""

import plistlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import assert_never

LABEL = "pointsman"
MARK = "Written by `pointsman service install`"
ENVIRONMENT_FILE = ".pointsman/env"
"""Below the home folder."""
STOP_SECONDS = 30
LOAD_ENVIRONMENT = 'set -a; [ ! -r "$0" ] || . "$0"; set +a; exec "$@"'


class Manager(StrEnum):
    SYSTEMD = "systemd"
    LAUNCHD = "launchd"

    @classmethod
    def of_platform(cls, platform: str = sys.platform) -> "Manager | None":
        return {"linux": cls.SYSTEMD, "darwin": cls.LAUNCHD}.get(platform)


@dataclass(frozen=True, slots=True)
class Unit:
    """A file, its text, and the commands that put it in force and out of force."""

    path: Path
    text: str
    start: str
    stop: str


def make_unit(manager: Manager, command: Sequence[str], home: Path, env: Mapping[str, str]) -> Unit:
    """The unit that runs `command` for the user of `home`."""
    match manager:
        case Manager.SYSTEMD:
            config = Path(env.get("XDG_CONFIG_HOME") or home / ".config")
            return Unit(
                config / "systemd" / "user" / f"{LABEL}.service",
                _systemd_text(command),
                f"systemctl --user daemon-reload && systemctl --user enable --now {LABEL}",
                f"systemctl --user disable --now {LABEL}",
            )
        case Manager.LAUNCHD:
            path = home / "Library" / "LaunchAgents" / f"{LABEL}.plist"
            return Unit(
                path, _launchd_text(command, home), f"launchctl load -w '{path}'", f"launchctl unload -w '{path}'"
            )
        case _:
            assert_never(manager)


def _systemd_text(command: Sequence[str]) -> str:
    return f"""# {MARK}
[Unit]
Description=Pointsman, a router for LLM chat traffic
After=network-online.target
StartLimitIntervalSec=60
StartLimitBurst=5

[Service]
ExecStart={" ".join(map(_systemd_quoted, command))}
ExecReload=/bin/kill -HUP $MAINPID
WorkingDirectory=%h
EnvironmentFile=-%h/{ENVIRONMENT_FILE}
Restart=on-failure
RestartSec=2
TimeoutStopSec={STOP_SECONDS}
NoNewPrivileges=yes
UMask=0077

[Install]
WantedBy=default.target
"""


def _systemd_quoted(argument: str) -> str:
    """One argument of ExecStart: specifiers, variables and quotes stand for themselves."""
    for character, written in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("$", "$$")):
        argument = argument.replace(character, written)
    return f'"{argument}"'


def _launchd_text(command: Sequence[str], home: Path) -> str:
    log = str(home / "Library" / "Logs" / f"{LABEL}.log")
    agent = {
        "Label": LABEL,
        "ProgramArguments": ["/bin/sh", "-c", LOAD_ENVIRONMENT, str(home / ENVIRONMENT_FILE), *command],
        "WorkingDirectory": str(home),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ExitTimeOut": STOP_SECONDS,
        "Umask": 0o077,
        "StandardOutPath": log,
        "StandardErrorPath": log,
    }
    head, line, rest = plistlib.dumps(agent, sort_keys=False).decode().partition("<plist")
    return f"{head}<!-- {MARK} -->\n{line}{rest}"
