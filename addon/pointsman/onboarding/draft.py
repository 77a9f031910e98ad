"""From what was found to the providers of a configuration: which are in it, and what is said of each."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pointsman import catalog, config
from pointsman.config import Provider
from pointsman.config.document import REFERENCE
from pointsman.config.enums import Kind, UnknownModel
from pointsman.config.values import Tree
from pointsman.onboarding.keys import FoundKey
from pointsman.onboarding.local_servers import LocalServer
from pointsman.provider_models import ListedModel, ProviderList, compare, list_models

MAX_MODELS = 30
"""Models of one provider that are written, where the catalog has none."""
ROUTING: Tree = {"unknown_model": UnknownModel.MAP.value}
OWN_MODELS = ("azure",)
"""Their lists are not what a user can call: models are deployments of one's own."""


@dataclass(frozen=True, slots=True)
class ProviderDraft:
    """An entry as the file has it, with what is said beside it. `stored` are keys that do not stand in the file."""

    name: str
    entry: Mapping[str, Any]
    comment: str = ""
    stored: tuple[FoundKey, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """`notes` say what is not in it, and why."""

    providers: tuple[ProviderDraft, ...]
    notes: tuple[str, ...] = ()

    @property
    def tree(self) -> Tree:
        """The configuration, as a file would hold it."""
        providers = {each.name: dict(each.entry) for each in self.providers}
        return {"routing": ROUTING, "providers": providers}

    @property
    def usable(self) -> bool:
        return any(each.entry.get("enabled", True) for each in self.providers)


def draft_of(keys: Iterable[FoundKey], servers: Iterable[LocalServer], env: Mapping[str, str]) -> Draft:
    """Providers of the catalog in its order, each with its keys; then the servers on this machine."""
    by_provider: dict[str, list[FoundKey]] = {}
    for key in keys:
        by_provider.setdefault(key.provider, []).append(key)
    drafts: list[ProviderDraft] = []
    notes: list[str] = []
    for name in filter(by_provider.__contains__, catalog.known()):
        address = _own_address(name, env)
        missing = [each for each in _references(name) if each not in env] if address is None else []
        if missing:
            notes.append(f"{name} is left out: its address needs {' and '.join(missing)}, which is not set")
            continue
        found = by_provider[name]
        entry: Tree = {"base_url": address} if address else {}
        if referred := [f"${{{key.variable}}}" for key in found if key.variable]:
            entry["keys"] = referred
        drafts.append(ProviderDraft(name, entry, stored=tuple(key for key in found if not key.variable)))
    return Draft((*drafts, *map(_local, servers)), tuple(notes))


def _references(name: str) -> list[str]:
    return REFERENCE.findall(str(catalog.known()[name]["base_url"]))


def _own_address(name: str, env: Mapping[str, str]) -> str | None:
    """Where the variables of the catalog's address are not set, others may say the same."""
    if all(variable in env for variable in _references(name)):
        return None
    match name:
        case "azure" if endpoint := env.get("AZURE_OPENAI_ENDPOINT", "").rstrip("/"):
            return endpoint if endpoint.endswith("/openai/v1") else f"{endpoint}/openai/v1"
        case "bedrock" if "AWS_DEFAULT_REGION" in env:
            return str(catalog.known()[name]["base_url"]).replace("AWS_REGION", "AWS_DEFAULT_REGION")
    return None


def _local(server: LocalServer) -> ProviderDraft:
    entry: Tree = {}
    if server.base_url != catalog.known()[server.name]["base_url"]:
        entry["base_url"] = server.base_url
    if server.variable:
        entry["keys"] = [f"${{{server.variable}}}"]
    models, more = _written(server.models)
    return ProviderDraft(server.name, {**entry, "models": models}, f"{server.title}, on this machine{more}")


def _written(models: tuple[ListedModel, ...]) -> tuple[list[Tree], str]:
    """Their entries, and what is said if some are left out."""
    entries = [_entry(model) for model in sorted(models, key=lambda model: not model.chats)]
    more = f"; {len(entries) - MAX_MODELS} more in `pointsman models --refresh`" if len(entries) > MAX_MODELS else ""
    return entries[:MAX_MODELS], more


def _entry(model: ListedModel) -> Tree:
    kind = {} if model.chats else {"kind": Kind.EMBEDDING.value}
    return {"id": model.id, **kind} | ({"context": model.context} if model.context else {})


async def examined(draft: Draft, env: Mapping[str, str]) -> Draft:
    """The draft once every provider that is not on this machine was asked for its models, with each of its keys. A key
    that is rejected is not used; a provider without a usable key or model is in the draft, but disabled.

    Raises ConfigError if the environment's own settings are invalid.
    """
    settings = config.build({"providers": {each.name: dict(each.entry) for each in draft.providers}}, env)
    asked = [
        provider.model_copy(update={"name": f"{each.name} {place}", "keys": (key,)})
        for each in draft.providers
        if each.name in settings.providers and each.name not in catalog.local_servers()
        for provider in [_with_stored(settings.providers[each.name], each.stored)]
        for place, key in enumerate(provider.keys)
    ]
    lists = await list_models(asked)
    return replace(draft, providers=tuple(_examined(each, settings.providers, lists) for each in draft.providers))


def _with_stored(provider: Provider, stored: Iterable[FoundKey]) -> Provider:
    keys = [*provider.keys]
    more = [{"value": key.value, "label": f"{key.tool} {number}"} for number, key in enumerate(stored)]
    made = Provider.model_validate({"name": provider.name, "base_url": provider.base_url, "keys": more})
    return provider.model_copy(update={"keys": (*keys, *made.keys)})


def _examined(
    draft: ProviderDraft, providers: Mapping[str, Provider], lists: Mapping[str, ProviderList]
) -> ProviderDraft:
    found = [listed for name, listed in lists.items() if name.rpartition(" ")[0] == draft.name]
    if not found or draft.name not in providers:
        return draft
    if all(listed.rejected for listed in found):
        said = f"{found[0].problem}: replace it, and remove `enabled: false`"
        return replace(draft, entry={**draft.entry, "enabled": False}, comment=said)
    entry = dict(draft.entry)
    written = list(entry.get("keys", ()))
    for place, listed in enumerate(found[: len(written)]):
        if listed.rejected:
            written[place] = {"value": written[place], "enabled": False}
    if written:
        entry["keys"] = written
    good = next((listed for listed in found if listed.models is not None), None)
    return _with_models(replace(draft, entry=entry), providers[draft.name], good, found)


def _with_models(
    draft: ProviderDraft, provider: Provider, good: ProviderList | None, found: list[ProviderList]
) -> ProviderDraft:
    said = "the key is accepted" if good else f"not checked: {next(x.problem for x in found if not x.rejected)}"
    if any(listed.rejected for listed in found):
        said += ", another is rejected"
    chats = tuple(model for model in (good.models or ()) if model.chats) if good else ()
    enabled = [model for model in provider.models if model.enabled]
    gone = compare(provider, good.models or ()).gone if good and good.complete else ()
    if enabled and (len(gone) < len(enabled) or not chats):
        left = f", {len(gone)} of them not listed (pointsman models --refresh)" if gone else ""
        return replace(draft, comment=f"{said}; {len(enabled)} models of the catalog{left}")
    if not chats or provider.name in OWN_MODELS:
        what = "your deployments" if provider.name in OWN_MODELS else "model ids"
        entry = {**draft.entry, "enabled": False, "models": []}
        return replace(draft, entry=entry, comment=f"{said}; list {what} under `models`, and remove `enabled: false`")
    models, more = _written(chats)
    return replace(draft, entry={**draft.entry, "models": models}, comment=f"{said}; the models that it lists{more}")


def stored_keys(draft: Draft) -> Iterator[FoundKey]:
    return (key for each in draft.providers for key in each.stored)
