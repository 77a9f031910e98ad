"""Protection levels from `THREAD_PROTECTION_PLATFORMS`, where one bad entry costs only itself."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pointsman.config.enums import ProtectionLevel
from pointsman.config.messages import quoted, suggestion

ENV_VARIABLE = "THREAD_PROTECTION_PLATFORMS"


class ProtectionEntry(NamedTuple):
    """`key` is a provider or provider/model; `warning` says why the entry is ignored, or what is wrong with it."""

    key: str
    level: ProtectionLevel | None
    warning: str | None


def parse_entries(text: str, models: Mapping[str, frozenset[str]]) -> Iterator[ProtectionEntry]:
    """Reads `longcat:provider-ban,groq/llama:free:off`: each entry is split at its last colon, and case does not count.

    `models` has the ids of each provider known, none for those that are not configured.
    """
    for part in filter(None, (part.strip() for part in text.split(","))):
        written, colon, word = (piece.strip() for piece in part.rpartition(":"))
        if not colon or not written:
            yield ProtectionEntry(part, None, f"{quoted(part)} is ignored: an entry is provider:level")
        elif word.lower() not in ProtectionLevel:
            levels = ", ".join(ProtectionLevel)
            yield ProtectionEntry(
                part, None, f"{quoted(part)} is ignored: the level must be one of {levels}, got {quoted(word)}"
            )
        else:
            yield _entry(written, ProtectionLevel(word.lower()), models)


def _entry(written: str, level: ProtectionLevel, models: Mapping[str, frozenset[str]]) -> ProtectionEntry:
    name, slash, model = written.partition("/")
    provider = _find_ignoring_case(name, models)
    if provider is None:
        hint = suggestion(name, models)
        return ProtectionEntry(
            written, None, f"{quoted(f'{written}:{level}')} is ignored: there is no provider {quoted(name)}{hint}"
        )
    if not slash:
        return ProtectionEntry(provider, level, None)
    known = _find_ignoring_case(model, models[provider])
    odd = (
        f"{quoted(written)} names a model that {provider} does not have" if known is None and models[provider] else None
    )
    return ProtectionEntry(f"{provider}/{known or model}", level, odd)


def _find_ignoring_case(name: str, known: Mapping[str, object] | frozenset[str]) -> str | None:
    if name in known:
        return name
    return next((other for other in known if other.lower() == name.lower()), None)
