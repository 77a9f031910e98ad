"""Imports without their side effects: aiohttp's contexts are as they were, and the collector runs again."""

import subprocess
import sys

PROGRAM = """
import gc, ssl
from pointsman.transport.mitm_patches.quick_import import LateContext, quick_imports
stock = ssl.SSLContext.load_default_certs
with quick_imports():
    assert not gc.isenabled()
    from aiohttp import connector
assert gc.isenabled()
assert ssl.SSLContext.load_default_certs is stock
assert "set_default_verify_paths" not in vars(ssl.SSLContext)
verified, unverified = connector._SSL_CONTEXT_VERIFIED, connector._SSL_CONTEXT_UNVERIFIED
assert type(verified) is LateContext and not verified.get_ca_certs()
usual = ssl.create_default_context()
assert (verified.verify_mode, verified.check_hostname) == (usual.verify_mode, usual.check_hostname)
assert (verified.options, verified.verify_flags) == (usual.options | ssl.OP_NO_COMPRESSION, usual.verify_flags)
for context in (verified, unverified):
    context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="example.org")
    assert type(context) is ssl.SSLContext
assert verified.cert_store_stats() == usual.cert_store_stats()
"""


def test_contexts_get_their_certificates_when_they_are_used() -> None:
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
