"""Which headers hold a credential, and which belong to a connection or a message rather than to its sender."""

SECRETS = frozenset(
    {"authorization", "cookie", "set-cookie", "api-key", "apikey", "token", "x-auth", "x-auth-key", "x-access-key"}
)
SECRET_SUFFIXES = ("-api-key", "-apikey", "-authorization", "-token", "-secret", "-password", "-subscription-key")
"""Headers that hold credentials, by name."""
HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
OF_THE_MESSAGE = frozenset({"accept-encoding", "content-encoding", "content-length", "content-type", "expect", "host"})
"""What the router itself says of each request."""


def holds_secret(name: str) -> bool:
    """A header of this name holds a credential."""
    name = name.lower()
    return name in SECRETS or name.endswith(SECRET_SUFFIXES)


def belongs_to_router(name: str) -> bool:
    """The router or its HTTP client sets a header of this name, or takes it off."""
    name = name.lower()
    return name in HOP_BY_HOP | OF_THE_MESSAGE or name.startswith("x-pointsman-")
