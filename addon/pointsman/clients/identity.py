"""Which client a key belongs to. Keys are compared by their hashes alone, so that the time that it takes reveals
nothing.
"""

from collections.abc import Iterable, Mapping

from pointsman.config.clients import ClientSettings, KeyHash, hash_key


class ClientKeys:
    """The keys of all clients; immutable, made for one configuration. It is true if there are any.

    >>> keys = ClientKeys({"ci": ClientSettings(key="sk-ci")})
    >>> keys.client_of("sk-ci"), keys.client_of("sk-other")
    ('ci', None)
    """

    def __init__(self, clients: Mapping[str, ClientSettings]) -> None:
        self._names = {client.key: name for name, client in clients.items() if client.key}
        self._disabled = frozenset(name for name, client in clients.items() if client.disabled)

    def __bool__(self) -> bool:
        return bool(self._names)

    def client_of(self, credential: str) -> str | None:
        return self._names.get(hash_key(credential)) if self._names else None

    def client_of_hash(self, key: KeyHash | None) -> str | None:
        return self._names.get(key) if key else None

    def first_known(self, credentials: Iterable[str]) -> str | None:
        """The client that the first known one of them belongs to."""
        return next(filter(None, map(self.client_of, credentials)), None)

    def is_disabled(self, client: str | None) -> bool:
        return client in self._disabled


NO_CLIENTS = ClientKeys({})
