"""Headers as plain mappings. mitmproxy's own walk through all of them for each one that is asked for."""

from collections.abc import Iterable, Mapping

from mitmproxy import http


def header_map(headers: http.Headers) -> dict[str, str]:
    """By name in lower case; what stands several times is joined by commas, as mitmproxy does, and cookies, which
    HTTP/2 splits, by semicolons.
    """
    return {
        name: values[0] if len(values) == 1 else _joint(name).join(values)
        for name, values in header_lists(headers).items()
    }


def header_lists(headers: http.Headers) -> dict[str, list[str]]:
    """All values by name in lower case, in order."""
    found: dict[str, list[str]] = {}
    for raw_name, raw_value in headers.fields:
        name, value = _text(raw_name).lower(), _text(raw_value)
        if name in found:
            found[name].append(value)
        else:
            found[name] = [value]
    return found


def replace_values(headers: http.Headers, values: Mapping[str, Iterable[str]]) -> None:
    """Puts other values into headers, in their places. `values` has as many for each of its names, in lower case, as
    the headers have.
    """
    left = {name: iter(each) for name, each in values.items()}
    headers.fields = tuple(
        (name, next(left[key]).encode("utf-8", "surrogateescape") if (key := _text(name).lower()) in left else value)
        for name, value in headers.fields
    )


def _joint(name: str) -> str:
    return "; " if name == "cookie" else ", "


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
