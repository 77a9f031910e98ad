"""Options for connections to providers: what mitmproxy's options say about servers, for connections that aiohttp makes.

An `UpstreamOptions` is a plain value, so that connections made under one set of options are never used under another.
"""

import os
import ssl
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from os import environ
from pathlib import Path
from urllib.parse import urlsplit

import certifi
from mitmproxy.net.tls import Version
from mitmproxy.options import Options
from mitmproxy.proxy.mode_specs import ProxyMode, UpstreamMode

from pointsman.domain.proxy_url import DIRECT
from pointsman.transport.proxies import EnvironmentProxies, Proxy, host_and_port, is_on_this_machine

TLS_VERSIONS = {
    Version.TLS1: ssl.TLSVersion.TLSv1,
    Version.TLS1_1: ssl.TLSVersion.TLSv1_1,
    Version.TLS1_2: ssl.TLSVersion.TLSv1_2,
    Version.TLS1_3: ssl.TLSVersion.TLSv1_3,
}


@dataclass(frozen=True, slots=True)
class UpstreamOptions:
    """`proxy` is the proxy that providers are reached through, None for direct connections; a provider that has its own
    is reached through that, and one on this machine directly. `environment` says which proxy it is where no other is
    known.
    """

    proxy: Proxy | None
    environment: EnvironmentProxies | None
    local_address: str | None
    insecure: bool
    trusted_ca: str | None
    trusted_confdir: str | None
    client_certs: str | None
    min_version: str
    max_version: str
    ciphers: str | None

    def __hash__(self) -> int:
        """Of what mostly differs: each request asks for it several times."""
        return hash((self.proxy, self.local_address))

    @classmethod
    def from_options(cls, options: Options, mode: ProxyMode, env: Mapping[str, str] = environ) -> "UpstreamOptions":
        """From mitmproxy's options and the environment, for clients connected through `mode`."""
        upstream = f"{mode.scheme}://{_authority(*mode.address)}" if isinstance(mode, UpstreamMode) else None
        auth = getattr(options, "upstream_auth", None)  # an option of an addon, which an embedder may have left out
        basic = f"Basic {b64encode(auth.encode()).decode()}" if auth else None
        return cls(
            proxy=Proxy(upstream, basic) if upstream else None,
            environment=None if upstream else EnvironmentProxies.from_environment(env),
            local_address=getattr(options, "connect_addr", None) or None,
            insecure=options.ssl_insecure,
            trusted_ca=options.ssl_verify_upstream_trusted_ca,
            trusted_confdir=options.ssl_verify_upstream_trusted_confdir,
            client_certs=options.client_certs,
            min_version=getattr(options, "tls_version_server_min", Version.TLS1_2.name),
            max_version=getattr(options, "tls_version_server_max", Version.UNBOUNDED.name),
            ciphers=getattr(options, "ciphers_server", None),
        )

    def for_provider(self, url: str, own_proxy: str | None) -> "UpstreamOptions":
        """The same with the proxy that this URL of a provider is reached through, whatever else was known.

        `own_proxy` is the provider's setting: `direct`, a URL, or None.
        """
        return _for_provider(self, url, own_proxy)

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


@lru_cache(maxsize=256)
def _for_provider(options: UpstreamOptions, url: str, own_proxy: str | None) -> UpstreamOptions:
    host, port = host_and_port(url)
    if own_proxy == DIRECT or is_on_this_machine(host):
        proxy = None
    elif own_proxy is not None:
        proxy = Proxy.from_url(own_proxy)
    elif options.environment is not None:
        proxy = options.environment.proxy_for(urlsplit(url).scheme, host, port)
    else:
        proxy = options.proxy
    return replace(options, proxy=proxy, environment=None)


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
