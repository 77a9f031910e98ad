"""A client's set-up for one router: its files, its environment and its texts, with the address and the key in them."""

import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pointsman.client_setup.client import Client, Code, ConfigFile, FileFormat, Folder
from pointsman.client_setup.merging import merged
from pointsman.client_setup.registry import CLIENTS

NO_KEY = "any"
"""Sent to a router without keys: most clients insist on one."""


@dataclass(frozen=True, slots=True)
class SetupFile:
    """`content` is merged into what `path` has, `initial` under it; `text` is the file if there is none."""

    path: Path
    format: FileFormat
    content: Any
    initial: Any = None

    @property
    def text(self) -> str:
        return self.merged_into(None)

    def merged_into(self, current: str | None) -> str:
        """The text of the file once it is written, from its text now. Raises MergeError."""
        return merged(self.format, current, self.content, self.initial)


@dataclass(frozen=True, slots=True)
class ClientSetup:
    """`files` are written once and for all, `run_files` for one run, in its own folder. With `env` (and `run_files`),
    `start` is the command that starts the client, to which arguments are appended; it is empty for what is not started
    from a shell.
    """

    client: Client
    files: tuple[SetupFile, ...]
    run_files: tuple[SetupFile, ...]
    env: Mapping[str, str]
    start: tuple[str, ...]
    steps: tuple[str, ...]
    code: Code | None

    def to_dict(self) -> dict[str, Any]:
        """In plain JSON types."""
        return {
            "client": self.client.name,
            "files": [
                {"path": str(file.path), "format": file.format.value, "content": file.content, "text": file.text}
                for file in self.files
            ],
            "env": dict(self.env),
            "start": list(self.start),
            "steps": list(self.steps),
            "code": self.code.text if self.code else None,
        }


def setup_of(
    client: str,
    router_url: str,
    key: str = NO_KEY,
    *,
    home: Path | None = None,
    environ: Mapping[str, str] | None = None,
    run_folder: Path | None = None,
    session: str | None = None,
) -> ClientSetup:
    """The set-up that leads `client`, one of CLIENTS, to the router.

    `router_url` is the router's address; a final `/v1` does no harm. Files are those of the user whose `home` and
    environment are given (default: this user). `run_folder` is where the files of one run go, `session` the id of its
    conversation. Raises KeyError for an unknown client, ValueError for an address that is none.
    """
    known = CLIENTS[client]
    url = normal_url(router_url)
    values = {
        "{url}": url,
        "{base}": f"{url}/v1",
        "{key}": key,
        "{session}": session or client,
        "{run}": str(run_folder) if run_folder else "{run}",
    }
    fill = _filler(values)
    quoted = _filler({name: json.dumps(value)[1:-1] for name, value in values.items()})
    place = _placer(home or Path.home(), os.environ if environ is None else environ)
    return ClientSetup(
        client=known,
        files=tuple(SetupFile(place(file), file.format, fill(file.content), file.initial) for file in known.files),
        run_files=tuple(
            SetupFile((run_folder or Path("{run}")) / file.name, file.format, fill(file.content), file.initial)
            for file in known.run_files
        ),
        env=fill(dict(known.env)),
        start=tuple(quoted(part) if "=" in part else fill(part) for part in known.start),
        steps=tuple(fill(step) for step in known.steps),
        code=Code(known.code.language, quoted(known.code.text)) if known.code else None,
    )


def normal_url(given: str) -> str:
    """The router's address without `/v1` and final slashes; `HOST:PORT` and `:PORT` will do. Raises ValueError if it is
    no address.
    """
    url = given if "://" in given else f"http://{'127.0.0.1' if given.startswith(':') else ''}{given}"
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address or re.search(r"\s", url):
        raise ValueError(f"{given!r} is not an address such as 127.0.0.1:8080 or http://127.0.0.1:8080")
    return url.rstrip("/").removesuffix("/v1").rstrip("/")


def exports(setup: ClientSetup) -> Iterator[tuple[str, str]]:
    """The environment that can be set in a shell: not what names files of one run."""
    return ((name, value) for name, value in setup.env.items() if "{run}" not in value)


def _filler(values: Mapping[str, str]) -> Callable[[Any], Any]:
    """Replaces placeholders in every string of a JSON value, keys of objects included."""

    def fill(value: Any) -> Any:
        match value:
            case str():
                for name, text in values.items():
                    value = value.replace(name, text)
                return value
            case list():
                return [fill(item) for item in value]
            case dict():
                return {fill(name): fill(item) for name, item in value.items()}
            case _:
                return value

    return fill


def _placer(home: Path, environ: Mapping[str, str]) -> Callable[[ConfigFile], Path]:
    def place(file: ConfigFile) -> Path:
        return _folder(file.folder, home, environ) / file.name

    return place


def _folder(folder: Folder, home: Path, environ: Mapping[str, str]) -> Path:
    if folder.variable and (named := environ.get(folder.variable)):
        return Path(named)
    default = folder.mac if folder.mac and sys.platform == "darwin" else folder.default
    return home / default.removeprefix("~").lstrip("/")
