"""Ports for programs that need theirs before they listen."""

import socket


def free_port() -> int:
    """A port of 127.0.0.1 that no server listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
