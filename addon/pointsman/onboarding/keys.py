"""API keys in the environment: by the names that the catalog has for each provider."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pointsman import catalog
from pointsman.config.values import VISIBLE

ADDRESS_VARIABLES: Mapping[str, tuple[str, ...]] = {
    "openai": ("OPENAI_BASE_URL", "OPENAI_API_BASE"),
    "anthropic": ("ANTHROPIC_BASE_URL",),
    "google": ("GOOGLE_GEMINI_BASE_URL",),
}
"""Variables that lead a provider's clients elsewhere: the key beside them is then probably for that place."""


@dataclass(frozen=True, slots=True)
class FoundKey:
    """`variable` is set for a key of the environment, otherwise `file` says where it stands."""

    provider: str
    value: str = field(repr=False)
    variable: str = ""
    file: str = ""
    tool: str = ""


@dataclass(frozen=True, slots=True)
class FoundKeys:
    """`notes` say what was not taken, and why; no key stands in them."""

    keys: tuple[FoundKey, ...]
    notes: tuple[str, ...] = ()


def keys_in(env: Mapping[str, str]) -> FoundKeys:
    """Keys of all providers of the catalog but servers on this machine, each value once, in the catalog's order."""
    found: dict[tuple[str, str], FoundKey] = {}
    notes: list[str] = []
    for provider in catalog.known().keys() - catalog.local_servers().keys():
        for variable in catalog.key_variables(provider):
            if not (value := env.get(variable, "").strip()):
                continue
            if problem := _problem(provider, value, env):
                notes.append(f"{variable} is not used: {problem}")
            else:
                found.setdefault((provider, value), FoundKey(provider, value, variable))
    order = list(catalog.known())
    return FoundKeys(tuple(sorted(found.values(), key=lambda key: order.index(key.provider))), tuple(sorted(notes)))


def _problem(provider: str, value: str, env: Mapping[str, str]) -> str:
    if not VISIBLE.fullmatch(value):
        return "its value has characters that no key has"
    home = urlsplit(catalog.known()[provider]["base_url"]).hostname
    for variable in ADDRESS_VARIABLES.get(provider, ()):
        address = env.get(variable, "")
        if address and _host(address) != home:
            return f"{variable} points to {_host(address) or 'another place'}, so the key may be for that server"
    return ""


def _host(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


def variable_owner(variable: str) -> str | None:
    """The provider whose key the variable holds."""
    return next((name for name in catalog.known() if variable in catalog.key_variables(name)), None)


def distinct(keys: Iterator[FoundKey], known: tuple[FoundKey, ...]) -> Iterator[FoundKey]:
    """Those whose value is not known for their provider already."""
    seen = {(key.provider, key.value) for key in known}
    for key in keys:
        if (key.provider, key.value) not in seen:
            seen.add((key.provider, key.value))
            yield key
