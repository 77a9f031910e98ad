"""Query strings of chat paths: what of them goes on to a provider."""

CREDENTIALS = ("key", "access_token")


def forwarded(path: str) -> str:
    """The query of a path, with its `?`, byte for byte but for credentials; empty if nothing is left."""
    pairs = [pair for pair in path.partition("?")[2].split("&") if pair and _name(pair) not in CREDENTIALS]
    return f"?{'&'.join(pairs)}" if pairs else ""


def value(query: str, name: str) -> str | None:
    """The last value that a query gives to a name."""
    return next((pair.partition("=")[2] for pair in reversed(query[1:].split("&")) if _name(pair) == name), None)


def _name(pair: str) -> str:
    """Google's clients may put a `$` before the names that its frontend reads, escaped or not."""
    return pair.partition("=")[0].replace("%24", "$").removeprefix("$")
