"""What works, but hardly as meant: warnings, which a configuration carries along."""

from collections.abc import Iterator

from pointsman.config.inheritance import Catalog
from pointsman.config.providers import Provider
from pointsman.config.settings import Sections
from pointsman.config.wording import notation, quoted, suggestion


def advice(sections: Sections, catalog: Catalog) -> Iterator[str]:
    for provider in sections.providers.values():
        yield from _provider(provider, catalog)
    for name in sections.protection:
        yield from _protected_model(name, sections)


def _provider(provider: Provider, catalog: Catalog) -> Iterator[str]:
    if not provider.enabled:
        return
    place = ("providers", provider.name)
    if not provider.models:
        yield f"{notation((*place, 'models'))}: is empty, so {provider.name} gets no request; list the ids that you use"
    is_at_home = provider.base_url == catalog.get(provider.name, {}).get("base_url")
    if is_at_home and not provider.keyless and not any(key.enabled for key in provider.keys):
        yield f"{notation((*place, 'keys'))}: holds no enabled key, and {provider.name} answers nobody without one"


def _protected_model(name: str, sections: Sections) -> Iterator[str]:
    provider, slash, model = name.partition("/")
    ids = [known.id for known in sections.providers[provider].models] if provider in sections.providers else []
    if slash and ids and model not in ids:
        yield f"{notation(('protection', name))}: {provider} has no model {quoted(model)}{suggestion(model, ids)}"
