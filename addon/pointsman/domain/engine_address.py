"""The address of the engine, as the setting `shared.url` writes it."""

from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

EXAMPLE = "valkey://127.0.0.1:6379/0"
PLAIN = {"valkey": False, "redis": False, "valkeys": True, "rediss": True}
"""Whether a scheme means TLS. `+cluster` may follow."""
CLUSTER = "+cluster"
DEFAULT_PORT = 6379
FILES = {"ca": "ssl_ca_certs", "cert": "ssl_certfile", "key": "ssl_keyfile"}
"""Parameters of a TLS address: paths of files."""


@dataclass(frozen=True, slots=True)
class EngineAddress:
    """`files` has the paths that the parameters `ca`, `cert` and `key` name."""

    host: str
    port: int
    database: int
    username: str | None
    password: str | None
    is_tls: bool
    is_cluster: bool
    files: tuple[tuple[str, str], ...] = ()

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self.password,) if self.password else ()

    def __str__(self) -> str:
        """Without user name and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        scheme = f"valkey{'s' if self.is_tls else ''}{CLUSTER if self.is_cluster else ''}"
        return f"{scheme}://{host}:{self.port}{'' if self.is_cluster else f'/{self.database}'}"


def parse_address(text: str) -> EngineAddress:
    """Raises ValueError with a sentence without subject, which does not repeat the text."""
    try:
        url = urlsplit(text)
    except ValueError:
        raise ValueError(f"must be the URL of a Valkey or Redis server, such as {EXAMPLE}") from None
    if "@" not in url.netloc and "@" in url.path + url.query + url.fragment:
        raise ValueError("must have / ? # % of the user name and the password written as %2F %3F %23 %25")
    scheme = url.scheme.removesuffix(CLUSTER)
    if scheme not in PLAIN or not url.hostname or url.fragment:
        raise ValueError(f"must be the URL of a Valkey or Redis server, such as {EXAMPLE}; TLS is valkeys://")
    is_cluster = url.scheme.endswith(CLUSTER)
    try:
        port = url.port or DEFAULT_PORT
    except ValueError:
        raise ValueError("must have a port from 1 to 65535") from None
    database = url.path.strip("/") or "0"
    if not database.isdecimal() or (is_cluster and int(database)):
        raise ValueError("must end with the number of a database, which is 0 in a cluster")
    files = dict(parse_qsl(url.query, keep_blank_values=True))
    if files and (not files.keys() <= FILES.keys() or not PLAIN[scheme]):
        raise ValueError("may have the parameters ca, cert and key, which are paths of files, with valkeys:// alone")
    name, word = (unquote(each) if each else None for each in (url.username, url.password))
    return EngineAddress(
        url.hostname, port, int(database), name, word, PLAIN[scheme], is_cluster, tuple(sorted(files.items()))
    )
