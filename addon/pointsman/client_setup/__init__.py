"""How each client is pointed at the router: what is printed, what is written to its files, and how it is started.

`client.py` says what is known of a client, `agents.py`, `editors.py` and `libraries.py` are the clients, and
`resolve.py:setup_of` fills in the router's address and the key. `merging.py` and `files.py` write the result,
`background_router.py` and `child.py` start a router and a client.
"""

from pointsman.client_setup.registry import CLIENTS
from pointsman.client_setup.resolve import ClientSetup, setup_of

__all__ = ["CLIENTS", "ClientSetup", "setup_of"]
