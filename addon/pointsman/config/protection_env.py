"""Protection levels from `THREAD_PROTECTION_PLATFORMS`, where one bad entry costs only itself."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pointsman.config.enums import Level
from pointsman.config.messages import quoted, suggestion

VARIABLE = "THREAD_PROTECTION_PLATFORMS"


class Entry(NamedTuple):
    """`key` is a provider or provider/model; `warning` says why the entry is left out, or what is odd about it."""

    key: str
    level: Level | None
    warning: str | None


def entries(text: str, models: Mapping[str, frozenset[str]]) -> Iterator[Entry]:
    """Reads `longcat:provider-ban,groq/llama:free:off`: each entry is split at its last colon, and case does not count.

    `models` has the ids of each provider known, none for those that are not configured.
    """
    for part in filter(None, (part.strip() for part in text.split(","))):
        written, colon, word = (piece.strip() for piece in part.rpartition(":"))
        if not colon or not written:
            yield Entry(part, None, f"{quoted(part)} is ignored: an entry is provider:level")
        elif word.lower() not in Level:
            levels = ", ".join(Level)
            yield Entry(part, None, f"{quoted(part)} is ignored: the level must be one of {levels}, got {quoted(word)}")
        else:
            yield _entry(written, Level(word.lower()), models)


def _entry(written: str, level: Level, models: Mapping[str, frozenset[str]]) -> Entry:
    name, slash, model = written.partition("/")
    provider = _same(name, models)
    if provider is None:
        hint = suggestion(name, models)
        return Entry(
            written, None, f"{quoted(f'{written}:{level}')} is ignored: no provider is called {quoted(name)}{hint}"
        )
    if not slash:
        return Entry(provider, level, None)
    known = _same(model, models[provider])
    odd = (
        f"{quoted(written)} names a model that {provider} does not have" if known is None and models[provider] else None
    )
    return Entry(f"{provider}/{known or model}", level, odd)


def _same(name: str, known: Mapping[str, object] | frozenset[str]) -> str | None:
    if name in known:
        return name
    return next((other for other in known if other.lower() == name.lower()), None)
