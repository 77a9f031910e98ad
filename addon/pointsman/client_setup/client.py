"""What is known of a client.

In every text, `{url}` stands for the router's address (`http://127.0.0.1:8080`), `{base}` for the same with `/v1`,
`{key}` for the key, `{session}` for the id of a conversation, and `{run}` for the folder of `run_files`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pointsman.config.enums import Dialect

NOT_RUN = "not run"
SMART, BALANCED, FAST = "auto-smart", "auto-balanced", "auto-fast"
CONTEXT, OUTPUT = 128_000, 16_384
"""Tokens that most models of the catalog take and give: clients cut a conversation, or refuse to start, by them."""


class FileFormat(StrEnum):
    JSON = "json"
    YAML = "yaml"
    TOML = "toml"
    DOTENV = "dotenv"


@dataclass(frozen=True, slots=True)
class Folder:
    """`variable` names the environment variable that moves it, `mac` the folder on macOS if that is another one."""

    default: str
    variable: str = ""
    mac: str = ""


CONFIG = Folder("~/.config", "XDG_CONFIG_HOME")
HOME = Folder("~")


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """`name` is a path in `folder`. `content` is a mapping or a list, merged into what the file has; that of a `.env`
    file maps names to values. `initial` is written only where the file does not have it: the client changes it itself.
    """

    folder: Folder
    name: str
    format: FileFormat
    content: Any
    initial: Any = None


@dataclass(frozen=True, slots=True)
class Code:
    """A program that uses a library; `language` is that of a Markdown code block."""

    language: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """`env` alone is enough to use the client, unless `needs_files`. `start` is the program with the arguments that
    come before the user's; `unset` are variables that would lead it elsewhere. `steps` are for what is set by hand.
    `aliases` are model names that the router has to know, with what they mean. `run_here` is the version that the
    set-up was tried with.
    """

    name: str
    title: str
    dialect: Dialect
    files: tuple[ConfigFile, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    unset: tuple[str, ...] = ()
    run_files: tuple[ConfigFile, ...] = ()
    needs_files: bool = False
    start: tuple[str, ...] = ()
    install: str = ""
    steps: tuple[str, ...] = ()
    code: Code | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    run_here: str = NOT_RUN
