"""Options for connections to providers: what mitmproxy's options say about servers, for connections that aiohttp makes.

An `UpstreamOptions` is a plain value, so that connections made under one set of options are never used under another.
"""

import os
import ssl
from base64 import b64encode
from dataclasses import dataclass, field
from pathlib import Path

import certifi
from mitmproxy.net.tls import Version
from mitmproxy.options import Options
from mitmproxy.proxy.mode_specs import ProxyMode, UpstreamMode

TLS_VERSIONS = {
    Version.TLS1: ssl.TLSVersion.TLSv1,
    Version.TLS1_1: ssl.TLSVersion.TLSv1_1,
    Version.TLS1_2: ssl.TLSVersion.TLSv1_2,
    Version.TLS1_3: ssl.TLSVersion.TLSv1_3,
}


@dataclass(frozen=True, slots=True)
class UpstreamOptions:
    """`proxy` is the URL of the proxy that every provider is reached through, None for direct connections."""

    proxy: str | None
    proxy_auth: str | None = field(repr=False)
    """The value of `Proxy-Authorization` for that proxy."""
    local_address: str | None
    insecure: bool
    trusted_ca: str | None
    trusted_confdir: str | None
    client_certs: str | None
    min_version: str
    max_version: str
    ciphers: str | None

    @classmethod
    def from_options(cls, options: Options, mode: ProxyMode) -> "UpstreamOptions":
        """From mitmproxy's options, for clients connected through `mode`."""
        upstream = f"{mode.scheme}://{_authority(*mode.address)}" if isinstance(mode, UpstreamMode) else None
        auth = getattr(options, "upstream_auth", None)  # an option of an addon, which an embedder may have left out
        return cls(
            proxy=upstream,
            proxy_auth=f"Basic {b64encode(auth.encode()).decode()}" if upstream and auth else None,
            local_address=getattr(options, "connect_addr", None) or None,
            insecure=options.ssl_insecure,
            trusted_ca=options.ssl_verify_upstream_trusted_ca,
            trusted_confdir=options.ssl_verify_upstream_trusted_confdir,
            client_certs=options.client_certs,
            min_version=getattr(options, "tls_version_server_min", Version.TLS1_2.name),
            max_version=getattr(options, "tls_version_server_max", Version.UNBOUNDED.name),
            ciphers=getattr(options, "ciphers_server", None),
        )

    def client_cert(self, host: str) -> str | None:
        """The client certificate for a host: the file named, or `<host>.pem` of the folder named."""
        if not self.client_certs:
            return None
        path = Path(self.client_certs).expanduser()
        if path.is_file():
            return str(path)
        return str(path / f"{host}.pem") if (path / f"{host}.pem").is_file() else None

    def ssl_context(self, client_cert: str | None) -> ssl.SSLContext:
        """The TLS context for connections that show this client certificate. Raises OSError or ssl.SSLError."""
        trusted = os.path.expanduser(self.trusted_ca) if self.trusted_ca else None
        folder = os.path.expanduser(self.trusted_confdir) if self.trusted_confdir else None
        context = ssl.create_default_context(
            cafile=trusted or (None if folder else certifi.where()),
            capath=folder,
        )
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        context.minimum_version = TLS_VERSIONS.get(Version[self.min_version], ssl.TLSVersion.MINIMUM_SUPPORTED)
        context.maximum_version = TLS_VERSIONS.get(Version[self.max_version], ssl.TLSVersion.MAXIMUM_SUPPORTED)
        if self.ciphers:
            context.set_ciphers(self.ciphers)
        if client_cert:
            context.load_cert_chain(client_cert)
        return context


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
