"""Clients as routing and sessions see them."""

from typing import Any

from pointsman.sessions.key_sources import Caller

SECRET = b"the secret of this installation"


def caller(**known: Any) -> Caller:
    """A client that tells nothing of itself, but for what is said."""
    return Caller(**{
        "headers": {}, "credential": None, "address": "", "body_ids": list, "conversation": lambda: None, **known
    })  # fmt: skip
