"""Clients on this machine: by their program on PATH, or by the folder of their settings."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from pointsman.client_setup import CLIENTS
from pointsman.client_setup.client import Client

PROGRAMS: Mapping[str, str] = {"cursor": "cursor", "vscode": "code", "zed": "zed", "windsurf": "windsurf"}
"""Beside those by which a client is started."""
FOLDERS: Mapping[str, tuple[str, ...]] = {
    "claude-code": (".claude",),
    "codex": (".codex",),
    "gemini-cli": (".gemini",),
    "opencode": (".config/opencode",),
    "continue": (".continue",),
    "cline": (".vscode/extensions/saoudrizwan.claude-dev-*", ".cline"),
    "roo-code": (".vscode/extensions/rooveterinaryinc.roo-cline-*",),
    "kilo-code": (".vscode/extensions/kilocode.kilo-code-*",),
    "cursor": (".cursor", ".config/Cursor", "Library/Application Support/Cursor"),
    "vscode": (".config/Code", "Library/Application Support/Code"),
    "zed": (".config/zed",),
    "windsurf": (".codeium/windsurf",),
    "jetbrains": (".config/JetBrains", "Library/Application Support/JetBrains"),
    "goose": (".config/goose",),
    "crush": (".config/crush",),
    "qwen-code": (".qwen",),
}
"""Of settings and extensions, below the home directory; `*` is any text."""


def installed_clients(path: str | None, home: Path) -> Iterator[Client]:
    """In the order in which `pointsman setup` lists them. `path` is PATH."""
    for name, client in CLIENTS.items():
        program = client.start[0] if client.start else PROGRAMS.get(name, "")
        if (program and _is_on_path(program, path)) or any(map(bool, map(list, _found(name, home)))):
            yield client


def _is_on_path(program: str, path: str | None) -> bool:
    """Python and Node are no clients, though some are started by them."""
    return (
        program not in ("python", "python3", "node", "npx", "uv", "uvx")
        and shutil.which(program, path=path) is not None
    )


def _found(name: str, home: Path) -> Iterator[Iterator[Path]]:
    return (home.glob(folder) for folder in FOLDERS.get(name, ()))


def command_for(client: Client) -> str:
    """What leads this client to the router."""
    if client.start and not client.needs_files:
        return f"pointsman run {client.name}"
    return f"pointsman setup {client.name}" + (" --write" if client.files else "")
