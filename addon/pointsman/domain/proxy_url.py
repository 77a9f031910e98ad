"""The URL of an HTTP proxy, as the configuration and the environment write it."""

import re
from urllib.parse import urlsplit

DIRECT = "direct"
"""No proxy."""
VISIBLE = re.compile(r"[!-~]+")


def checked_proxy_url(text: str) -> str:
    """`direct`, or the URL without a slash at its end. It may hold a password, so it is in no error.

    Raises ValueError, whose text is a sentence without subject.
    """
    example = "must be direct or the URL of an HTTP proxy, such as http://proxy.example.com:3128"
    if text == DIRECT:
        return text
    text = text.rstrip("/")
    try:
        url = urlsplit(text)
        is_whole = bool(url.hostname) and url.port != 0 and not (url.path or url.query or url.fragment)
    except ValueError:
        raise ValueError(example) from None
    if url.scheme.startswith("socks"):
        raise ValueError("must be an HTTP proxy: SOCKS is not supported")
    if url.scheme not in ("http", "https") or not is_whole or not VISIBLE.fullmatch(text):
        raise ValueError(example)
    return text
