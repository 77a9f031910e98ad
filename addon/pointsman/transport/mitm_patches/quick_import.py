"""Imports without what they do beside loading code.

Why: importing aiohttp makes two TLS contexts with the system's certificates, which the router does not use: it has
contexts of its own, by mitmproxy's options. And the garbage collector walks all modules again and again, although
modules stay. Inner parts: the contexts of `aiohttp.connector`. Gain: a sixth of the time until the port is open.
No switch: other code of this process finds both contexts as they were, as they get their certificates when first used.
"""

import gc
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class LateContext(ssl.SSLContext):
    """Loads the system's certificates when it is first used."""

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:
        self._load()
        return self.wrap_bio(*arguments, **options)

    def wrap_socket(self, *arguments: Any, **options: Any) -> ssl.SSLSocket:
        self._load()
        return self.wrap_socket(*arguments, **options)

    def _load(self) -> None:
        self.__class__ = ssl.SSLContext  # type: ignore[assignment]
        self.load_default_certs()


@contextmanager
def quick_imports() -> Iterator[None]:
    """While the router's modules are imported, in the main thread."""
    is_collecting = gc.isenabled()
    gc.disable()
    try:
        _import_aiohttp()
        yield
    finally:
        if is_collecting:
            gc.enable()


def _import_aiohttp() -> None:
    if "aiohttp" in sys.modules:
        return
    stock = ssl.SSLContext.load_default_certs

    def put_off(context: ssl.SSLContext, *_: Any) -> None:
        context.__class__ = LateContext

    ssl.SSLContext.load_default_certs = put_off  # type: ignore[method-assign,assignment]
    ssl.SSLContext.set_default_verify_paths = put_off  # type: ignore[method-assign,assignment]
    try:
        import aiohttp  # noqa: F401
    finally:
        ssl.SSLContext.load_default_certs = stock  # type: ignore[method-assign]
        del ssl.SSLContext.set_default_verify_paths  # the one of its base class
