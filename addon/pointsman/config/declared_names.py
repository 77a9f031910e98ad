"""The names in a configuration, read from the tree as it is written, even if other parts are invalid."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from pydantic import ValidationError

from pointsman.config.enums import Mode
from pointsman.config.providers import Provider, Redirect
from pointsman.config.values import Tree

AUTO = "auto"
MODE_NAMES = frozenset({AUTO, *(f"{AUTO}-{mode}" for mode in Mode)})


def as_mapping(value: Any) -> Tree:
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


@dataclass(frozen=True, slots=True)
class DeclaredNames:
    """`models` are the ids of each configured provider, `redirects` those of all of them."""

    models: Mapping[str, frozenset[str]]
    redirects: tuple[Redirect, ...]
    aliases: Mapping[str, tuple[str, ...]]
    """What each means: one name, or a chain."""

    @classmethod
    def from_tree(cls, tree: Tree) -> Self:
        providers = {name: as_mapping(provider) for name, provider in as_mapping(tree.get("providers")).items()}
        aliases = as_mapping(as_mapping(tree.get("routing")).get("aliases"))
        return cls(
            models={name: frozenset(_ids(provider)) for name, provider in providers.items()},
            redirects=tuple(redirect for provider in providers.values() for redirect in _redirects(provider)),
            aliases={name: tuple(_names(meaning)) for name, meaning in aliases.items()},
        )

    @classmethod
    def from_providers(cls, providers: Iterable[Provider], aliases: Mapping[str, str | tuple[str, ...]]) -> Self:
        """Of a configuration that is in force."""
        known = list(providers)
        return cls(
            models={each.name: frozenset(model.id for model in each.models) for each in known},
            redirects=tuple(redirect for each in known for redirect in each.redirects),
            aliases={name: (to,) if isinstance(to, str) else to for name, to in aliases.items()},
        )

    def is_known(self, name: str) -> bool:
        """Whether `name` is an alias, a mode, provider/model, a model, the last part of one model's id, or something
        that a redirect catches.
        """
        provider, _, rest = name.partition("/")
        return (
            name in self.aliases
            or name in MODE_NAMES
            or rest in self.models.get(provider, ())
            or any(name in ids for ids in self.models.values())
            or any(redirect.matches(name) for redirect in self.redirects)
            or len({id for ids in self.models.values() for id in ids if id.rpartition("/")[1:] == ("/", name)}) == 1
        )

    def names(self) -> list[str]:
        bare = {id for ids in self.models.values() for id in ids}
        full = {f"{provider}/{id}" for provider, ids in self.models.items() for id in ids}
        return sorted({*MODE_NAMES, *self.aliases, *bare, *full})


def _names(meaning: Any) -> list[str]:
    return [name for name in (meaning if isinstance(meaning, list) else [meaning]) if isinstance(name, str)]


def _ids(provider: Tree) -> list[str]:
    ids = [as_mapping(model).get("id") for model in as_list(provider.get("models"))]
    return [id for id in ids if isinstance(id, str)]


def _redirects(provider: Tree) -> list[Redirect]:
    """The valid ones; the others are reported as errors of their own."""
    good = []
    for written in as_list(provider.get("redirects")):
        try:
            good.append(Redirect.model_validate(written))
        except ValidationError:
            continue
    return good
