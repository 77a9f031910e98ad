"""All clients, by name."""

from collections.abc import Mapping

from pointsman.client_setup.agents import AGENTS
from pointsman.client_setup.client import Client
from pointsman.client_setup.editors import EDITORS
from pointsman.client_setup.libraries import LIBRARIES

CLIENTS: Mapping[str, Client] = {client.name: client for client in (*AGENTS, *EDITORS, *LIBRARIES)}
BY_PROGRAM: Mapping[str, str] = {client.start[0]: client.name for client in CLIENTS.values() if client.start}
OTHER_NAMES: Mapping[str, str] = {
    "copilot": "vscode",
    "vs-code": "vscode",
    "roo": "roo-code",
    "kilo": "kilo-code",
    "ai-sdk": "vercel-ai-sdk",
    "vercel": "vercel-ai-sdk",
}
"""What people call them, beside their titles and programs."""
_BY_NAME = {
    **{client.title.lower().replace(" ", "-"): client.name for client in CLIENTS.values()},
    **BY_PROGRAM,
    **OTHER_NAMES,
    **{name: name for name in CLIENTS},
}


def name_of(given: str) -> str:
    """The client's name, where its title, its program or another name was given.

    >>> name_of("claude"), name_of("VS Code"), name_of("Copilot")
    ('claude-code', 'vscode', 'vscode')
    """
    return _BY_NAME.get(given.strip().lower().replace(" ", "-"), given)
