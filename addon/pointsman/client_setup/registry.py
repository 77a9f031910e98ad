"""All clients, by name."""

from collections.abc import Mapping

from pointsman.client_setup.agents import AGENTS
from pointsman.client_setup.client import Client
from pointsman.client_setup.editors import EDITORS
from pointsman.client_setup.libraries import LIBRARIES

CLIENTS: Mapping[str, Client] = {client.name: client for client in (*AGENTS, *EDITORS, *LIBRARIES)}
BY_PROGRAM: Mapping[str, str] = {client.start[0]: client.name for client in CLIENTS.values() if client.start}


def name_of(given: str) -> str:
    """The client's name, where its program's was given: `claude` is `claude-code`."""
    return given if given in CLIENTS else BY_PROGRAM.get(given, given)
