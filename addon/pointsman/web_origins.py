"""The web pages that requests come from: those of this machine, whose answers they may read, and all others."""

from collections.abc import Mapping

from pointsman.host_names import host_of, is_loopback_name
from pointsman.wire.headers import Headers


def is_cross_site(headers: Mapping[str, str]) -> bool:
    """A browser sent this for a page that is not on this machine."""
    if headers.get("sec-fetch-site", "").lower() == "cross-site":
        return True
    origin = headers.get("origin")
    return origin is not None and not is_loopback_name(host_of(origin))


def is_local_origin(headers: Mapping[str, str]) -> bool:
    """The request comes from a web page, and that page is on this machine."""
    return "origin" in headers and not is_cross_site(headers)


def cors_headers(headers: Mapping[str, str]) -> Headers:
    """The headers that let a page of this machine read the answer; none for other pages."""
    if not is_local_origin(headers):
        return ()
    return (
        ("Access-Control-Allow-Origin", headers["origin"]),
        ("Access-Control-Expose-Headers", "*"),
        ("Vary", "Origin"),
    )
