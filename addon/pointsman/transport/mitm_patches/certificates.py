"""mitmproxy's own certificates, in time.

Why: mitmproxy listens before its addon `tlsconfig` has made the certificates, and a request in between fails.
Inner parts: `TlsConfig.certstore`, and a call of `configure` before its time. Gain: none in speed. Switch:
`certificates`; such a request then fails.
"""

from mitmproxy import ctx

from pointsman.transport.mitm_patches.switches import switches


def make_certificates() -> None:
    """mitmproxy makes them when it runs, but listens before: its own addon fails on a request in between, and an error
    at the start ends mitmdump.
    """
    if not switches().certificates:
        return
    tls = ctx.master.addons.get("tlsconfig")
    if tls is not None and tls.certstore is None:
        tls.configure({"confdir"})
