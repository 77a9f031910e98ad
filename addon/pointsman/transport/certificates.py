"""mitmproxy's own certificates, in time."""

from mitmproxy import ctx


def make_certificates() -> None:
    """mitmproxy makes them when it runs, but listens before: its own addon fails on a request in between, and an error
    at the start ends mitmdump.
    """
    tls = ctx.master.addons.get("tlsconfig")
    if tls is not None and tls.certstore is None:
        tls.configure({"confdir"})
