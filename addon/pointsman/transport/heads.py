"""Headers as plain mappings. mitmproxy's own walk through all of them for each one that is asked for."""

from mitmproxy import http


def named(headers: http.Headers) -> dict[str, str]:
    """By name in lower case; what stands several times is joined by commas, as mitmproxy does."""
    found: dict[str, str] = {}
    for raw_name, raw_value in headers.fields:
        name, value = raw_name.decode("utf-8", "surrogateescape").lower(), raw_value.decode("utf-8", "surrogateescape")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found
