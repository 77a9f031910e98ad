"""Ports for what must be told its own before it listens, and for what must not be there."""

import secrets
import socket

PORTS = range(20_000, 32_000)
"""Below those that systems choose for sockets which ask for none: no other program gets one of these meanwhile."""
_kept: list[socket.socket] = []
"""One for each port that this process was given, until it ends."""


def free_port() -> int:
    """A port of 127.0.0.1 that no server listens on, and that no other test is given: the UDP port of the same number
    is kept.
    """
    while True:
        port = secrets.choice(PORTS)
        keeper = socket.socket(type=socket.SOCK_DGRAM)
        try:
            keeper.bind(("127.0.0.1", port))
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            keeper.close()
            continue
        _kept.append(keeper)
        return port
