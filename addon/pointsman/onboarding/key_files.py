"""API keys in the files of other tools. A file is read only when its user agrees."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pointsman import catalog
from pointsman.config.values import VISIBLE
from pointsman.onboarding.keys import FoundKey, FoundKeys, variable_owner

MAX_BYTES = 1 << 20
"""Bytes of a file; a larger one is not read."""

OTHER_NAMES: Mapping[str, str] = {
    "gemini": "google", "claude": "anthropic", "togetherai": "together", "fireworks-ai": "fireworks",
    "github-models": "github", "zhipuai": "zhipu", "cloudflare-workers-ai": "cloudflare", "ovhcloud": "ovh",
    "amazon-bedrock": "bedrock",
}  # fmt: skip
"""What other tools call providers of the catalog."""

type Found = Iterator[tuple[str, str]]
"""A provider, or a variable that holds its key, and the key."""


@dataclass(frozen=True, slots=True)
class KeyFile:
    tool: str
    path: Path
    read: Callable[[str], Found]


def key_files(env: Mapping[str, str], home: Path) -> list[KeyFile]:
    """The files that exist. Nothing is read."""
    config = Path(env.get("XDG_CONFIG_HOME") or home / ".config")
    data = Path(env.get("XDG_DATA_HOME") or home / ".local" / "share")
    known = [
        KeyFile("Codex", Path(env.get("CODEX_HOME") or home / ".codex") / "auth.json", _members),
        KeyFile("Claude Code", Path(env.get("CLAUDE_CONFIG_DIR") or home / ".claude") / "settings.json", _claude),
        KeyFile("Gemini CLI", home / ".gemini" / ".env", _dotenv),
        KeyFile("opencode", data / "opencode" / "auth.json", _opencode),
        KeyFile("aider", home / ".aider.conf.yml", _aider),
        KeyFile("aider", home / ".env", _dotenv),
        KeyFile("Continue", home / ".continue" / ".env", _dotenv),
        KeyFile("llm", config / "io.datasette.llm" / "keys.json", _members),
    ]
    return [each for each in known if each.path.is_file()]


def keys_of(file: KeyFile) -> FoundKeys:
    """The keys in it; for a file that cannot be read, a note."""
    try:
        if os.path.getsize(file.path) > MAX_BYTES:
            return FoundKeys((), (f"{file.path} is too large, and was not read",))
        found = list(file.read(file.path.read_text("utf-8-sig")))
    except OSError as error:
        return FoundKeys((), (f"{file.path} cannot be read ({error.strerror})",))
    except (ValueError, YAMLError, RecursionError):
        return FoundKeys((), (f"{file.path} is not in the form that {file.tool} writes",))
    keys = (
        FoundKey(provider, value.strip(), file=str(file.path), tool=file.tool)
        for name, value in found
        if (provider := _provider(name)) and VISIBLE.fullmatch(value.strip())
    )
    return FoundKeys(tuple(dict.fromkeys(keys)))


def _provider(name: str) -> str | None:
    if owner := variable_owner(name):
        return None if owner in catalog.local_servers() else owner
    name = OTHER_NAMES.get(name, name)
    return name if name in catalog.known() and name not in catalog.local_servers() else None


def _members(text: str) -> Found:
    yield from _strings(_mapping(json.loads(text)))


def _claude(text: str) -> Found:
    """Not where the same file leads the client elsewhere: the key is for that place then."""
    env = _mapping(_mapping(json.loads(text)).get("env"))
    if "ANTHROPIC_BASE_URL" not in env:
        yield from _strings(env)


def _opencode(text: str) -> Found:
    for name, entry in _mapping(json.loads(text)).items():
        entry = _mapping(entry)
        if entry.get("type") == "api" and isinstance(key := entry.get("key"), str):
            yield name, key


def _aider(text: str) -> Found:
    written = _mapping(YAML(typ="safe", pure=True).load(text))
    for name in ("openai", "anthropic"):
        if isinstance(key := written.get(f"{name}-api-key"), str):
            yield name, key
    entries = written.get("api-key")
    for entry in entries if isinstance(entries, list) else [entries]:
        name, equals, key = str(entry).partition("=")
        if equals:
            yield (f"{name.upper()}_API_KEY", key) if variable_owner(f"{name.upper()}_API_KEY") else (name, key)


def _dotenv(text: str) -> Found:
    for line in text.splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and not name.startswith("#"):
            yield name.strip(), value.split(" #")[0].strip().strip("\"'")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _strings(values: Mapping[str, Any]) -> Found:
    return ((name, value) for name, value in values.items() if isinstance(value, str))
