"""What a provider takes over: from the catalog before the values are judged, from `stream` and `hedge` after."""

from collections.abc import Mapping
from typing import Any

from pointsman.config.base_model import with_defaults_from
from pointsman.config.declared_names import as_list, as_mapping
from pointsman.config.providers import Provider
from pointsman.config.settings import ConfigSections
from pointsman.config.values import Tree

type Catalog = Mapping[str, Mapping[str, Any]]


def apply_catalog(tree: Tree, catalog: Catalog) -> None:
    """Adds to each provider that the catalog knows what the file does not say. Lists are replaced as a whole, but a
    model that the catalog guards stays guarded when the file lists it.

    Timeouts of the catalog give way to those that the section `stream` sets: a user who writes `stall: 2s` there means
    every provider. A provider at another address than the catalog's is not known to speak several dialects, and its
    keys must not go to the addresses of the catalog: it takes over none of them.
    """
    providers = tree.get("providers")
    if not isinstance(providers, dict):
        return
    general = as_mapping(tree.get("stream"))
    for name, written in providers.items():
        if name in catalog and (written is None or isinstance(written, dict)):
            known = dict(catalog[name])
            known["timeouts"] = {key: value for key, value in known.get("timeouts", {}).items() if key not in general}
            if "dialects" in known and is_elsewhere(written or {}, known):
                del known["dialects"]
                known.pop("dialect", None)
            providers[name] = _merged(known, written or {})
            _guard_models(as_list(providers[name].get("models")), known)


def is_elsewhere(written: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    """The entry names an address of its own."""
    address = str(known["base_url"])
    return str(written.get("base_url", address)).rstrip("/") != address


def _guard_models(models: list[Any], known: Mapping[str, Any]) -> None:
    levels = {model["id"]: model["protection"] for model in known.get("models", ()) if "protection" in model}
    for place, model in enumerate(models):
        level = levels.get(model.get("id")) if isinstance(model, dict) else None
        if level is not None:
            models[place] = {"protection": level, **model}


def _merged(known: Mapping[str, Any], written: Mapping[str, Any]) -> Tree:
    merged = {**known, **written}
    for key in known.keys() & written.keys():
        if isinstance(known[key], dict) and isinstance(written[key], dict):
            merged[key] = {**known[key], **written[key]}
    return merged


def complete_provider(provider: Provider, sections: ConfigSections) -> Provider:
    """The provider with its timers complete, and those of its models: what it does not write is as in `stream` and
    `hedge`.
    """
    timeouts = with_defaults_from(provider.timeouts, sections.stream)
    models = (
        model.model_copy(update={"timeouts": with_defaults_from(model.timeouts, timeouts)}) if model.timeouts else model
        for model in provider.models
    )
    return provider.model_copy(
        update={
            "timeouts": timeouts,
            "hedge": with_defaults_from(provider.hedge, sections.hedge),
            "models": tuple(models),
        }
    )
