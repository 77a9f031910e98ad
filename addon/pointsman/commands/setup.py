"""`pointsman setup CLIENT`: prints the settings that point a client at the router. Changes nothing."""

import argparse
from collections.abc import Mapping
from typing import NamedTuple

from pointsman.commands.admin_client import DEFAULT_ROUTER_URL, add_router_argument


class Client(NamedTuple):
    """`where` says where `settings` go; the default address in them is replaced by that of `--router`."""

    name: str
    where: str
    settings: str


CLIENTS: Mapping[str, Client] = {
    "claude-code": Client(
        "Claude Code",
        "in the shell:",
        """\
export ANTHROPIC_BASE_URL=http://127.0.0.1:8080
export ANTHROPIC_AUTH_TOKEN=$POINTSMAN_KEY
export ANTHROPIC_MODEL=auto-smart
export ANTHROPIC_SMALL_FAST_MODEL=auto-fast
claude
""",
    ),
    "codex": Client(
        "Codex",
        "~/.codex/config.toml:",
        """\
model = "auto-smart"
model_provider = "pointsman"

[model_providers.pointsman]
name = "Pointsman"
base_url = "http://127.0.0.1:8080/v1"
env_key = "POINTSMAN_KEY"
wire_api = "responses"
""",
    ),
    "continue": Client(
        "Continue",
        "~/.continue/config.yaml:",
        """\
name: pointsman
version: 1.0.0
schema: v1
models:
  - name: Pointsman
    provider: openai
    model: auto-smart
    apiBase: http://127.0.0.1:8080/v1
    apiKey: the client key
    roles: [chat, edit, apply]
""",
    ),
    "cline": Client(
        "Cline",
        "in its settings:",
        """\
API provider: OpenAI Compatible
base URL:     http://127.0.0.1:8080/v1
API key:      the client key
model id:     auto-smart
""",
    ),
    "aider": Client(
        "aider",
        "in the shell:",
        """\
export OPENAI_API_BASE=http://127.0.0.1:8080/v1
export OPENAI_API_KEY=$POINTSMAN_KEY
aider --model openai/auto-smart
""",
    ),
    "opencode": Client(
        "opencode",
        "opencode.json:",
        """\
{
  "$schema": "https://opencode.ai/config.json",
  "provider": {
    "pointsman": {
      "npm": "@ai-sdk/openai-compatible",
      "name": "Pointsman",
      "options": {"baseURL": "http://127.0.0.1:8080/v1", "apiKey": "{env:POINTSMAN_KEY}"},
      "models": {"auto-smart": {"name": "auto-smart"}, "auto-fast": {"name": "auto-fast"}}
    }
  }
}
""",
    ),
    "gemini-cli": Client(
        "Gemini CLI",
        "in the shell:",
        """\
export GOOGLE_GEMINI_BASE_URL=http://127.0.0.1:8080
export GEMINI_API_KEY=$POINTSMAN_KEY
gemini --model auto-smart
""",
    ),
}
KEY = "POINTSMAN_KEY is server.client_key; without one, the router accepts any key from this machine."


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="pointsman setup", description=__doc__)
    parser.add_argument("client", choices=CLIENTS, help=", ".join(CLIENTS), metavar="CLIENT")
    add_router_argument(parser)
    given = parser.parse_args(arguments)
    client = CLIENTS[given.client]
    print(f"# {client.name}, {client.where}\n")
    print(client.settings.replace(DEFAULT_ROUTER_URL, given.router.rstrip("/")))
    print(f"# {KEY}")
    return 0
