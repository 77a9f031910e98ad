"""Warnings about settings that work but are probably not meant."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pointsman.config.declared_names import DeclaredNames, as_mapping
from pointsman.config.enums import UnknownModel
from pointsman.config.inheritance import Catalog
from pointsman.config.messages import SECRET_KEYS, format_path, quoted, suggestion
from pointsman.config.providers import Provider
from pointsman.config.settings import ConfigSections
from pointsman.config.values import Tree
from pointsman.private_files import others_can_read


def config_warnings(sections: ConfigSections, catalog: Catalog) -> Iterator[str]:
    for provider in sections.providers.values():
        yield from _provider_warnings(provider, catalog)
    for name in sections.protection:
        yield from _protection_warnings(name, sections, catalog)
    yield from _client_warnings(sections)


def _client_warnings(sections: ConfigSections) -> Iterator[str]:
    """Where unknown names are taken as a mode, a glob may be for those."""
    if not sections.clients or sections.routing.unknown_model is not UnknownModel.ERROR:
        return
    known = DeclaredNames.from_providers(sections.providers.values(), sections.routing.aliases)
    names = known.names()
    for name, client in sections.clients.items():
        for place, glob in enumerate(client.models):
            if not known.is_known(glob) and not any(fnmatchcase(each, glob) for each in names):
                path = format_path(("clients", name, "models", place))
                yield f"{path}: {quoted(glob)} matches no model, alias or mode{suggestion(glob, names)}"


def exposed_keys(path: Path, tree: Tree) -> Iterator[str]:
    """A warning if the file at `path` contains keys (in `tree`) and other users can read it."""
    clients = map(as_mapping, as_mapping(tree.get("clients")).values())
    engine = as_mapping(tree.get("shared")).get("url")
    has_keys = (
        _holds_keys(tree)
        or any(_holds_keys(client.get("key"), is_secret=True) for client in clients)
        or ("@" in str(engine) and _holds_keys(engine, is_secret=True))
    )
    if has_keys and others_can_read(path):
        yield f"{path}: holds keys in clear text and can be read by other users; chmod 600 {path}, or use ${{NAME}}"


def _holds_keys(value: Any, is_secret: bool = False) -> bool:
    """A key in clear text: one that is not read from the environment."""
    match value:
        case dict():
            return any(
                _holds_keys(inner, _is_secret(name, inner) or (is_secret and name == "value"))
                for name, inner in value.items()
            )
        case list():
            return any(_holds_keys(inner, is_secret) for inner in value)
        case str():
            return is_secret and bool(value) and "${" not in value
    return False


def _is_secret(name: str, value: Any) -> bool:
    """A proxy is one only if its URL has a password."""
    return name in SECRET_KEYS and (name != "proxy" or "@" in str(value))


def _provider_warnings(provider: Provider, catalog: Catalog) -> Iterator[str]:
    if not provider.enabled:
        return
    place = ("providers", provider.name)
    if not provider.models:
        yield f"{format_path((*place, 'models'))}: is empty, so {provider.name} gets no requests; list its model ids"
    yield from _price_warnings(provider)
    is_at_home = provider.base_url == catalog.get(provider.name, {}).get("base_url")
    if is_at_home and not provider.keyless and not any(key.enabled for key in provider.keys):
        yield f"{format_path((*place, 'keys'))}: has no enabled key, and {provider.name} requires an API key"
    if is_at_home and provider.keys and (cloud := f"{provider.name}-cloud") in catalog:
        yield f"{format_path(place)}: is the server on this machine, which needs no key; the cloud service is {cloud}"


def _price_warnings(provider: Provider) -> Iterator[str]:
    ids = [*(model.id for model in provider.models), *(redirect.target for redirect in provider.redirects)]
    for model in provider.prices:
        if ids and model not in ids:
            place = format_path(("providers", provider.name, "prices", model))
            yield f"{place}: {provider.name} has no model {quoted(model)}{suggestion(model, ids)}"


def _protection_warnings(name: str, sections: ConfigSections, catalog: Catalog) -> Iterator[str]:
    """A provider that is only in the catalog may be named: it may be added later."""
    provider, slash, model = name.partition("/")
    if provider in sections.providers:
        ids = [known.id for known in sections.providers[provider].models]
    else:
        ids = [known["id"] for known in catalog.get(provider, {}).get("models", ())]
    if slash and ids and model not in ids:
        yield f"{format_path(('protection', name))}: {provider} has no model {quoted(model)}{suggestion(model, ids)}"
