"""Which names a place in the configuration knows, and what stands below them, read off the models."""

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from types import NoneType
from typing import Annotated, Any, get_args, get_origin

from pointsman.config.base_model import ConfigModel
from pointsman.config.messages import ConfigPath
from pointsman.config.providers import Provider
from pointsman.config.settings import ConfigSections


def is_section(shape: Any) -> bool:
    return isinstance(shape, type) and issubclass(shape, ConfigModel)


def is_mapping(shape: Any) -> bool:
    return get_origin(shape) is Mapping


def has_keys(shape: Any) -> bool:
    return is_section(shape) or is_mapping(shape)


def is_list(shape: Any) -> bool:
    return get_origin(shape) in (tuple, frozenset)


def may_be_list(shape: Any) -> bool:
    """One word, or several in a list."""
    choices = get_args(shape)[0] if get_origin(shape) is Annotated else shape
    return any(map(is_list, get_args(choices)))


def is_flag(shape: Any) -> bool:
    return (get_args(shape)[0] if get_origin(shape) is Annotated else shape) is bool


def child_shape(shape: Any, step: str | int) -> Any:
    """What stands under `step` of `shape`; None where the models know nothing of it."""
    if is_section(shape):
        field = shape.model_fields.get(step)
        return None if field is None else _present(field.annotation)
    return get_args(shape)[1 if is_mapping(shape) else 0] if get_args(shape) else None


def shape_at(place: ConfigPath) -> Any:
    shape: Any = ConfigSections
    for step in place:
        shape = child_shape(shape, step)
    return shape


def key_names(shape: Any) -> list[str]:
    """The keys that a file may write in the section `shape`. A provider's name is the key that it stands under."""
    return [name for name in shape.model_fields if (shape, name) != (Provider, "name")]


def places_of(name: str) -> list[str]:
    """The sections, as the documentation writes them, that know the key `name`: `["server"]` of `client_key`, and
    `["providers.NAME.models[]"]` of `pool`. The top level is `""`.
    """
    return _places().get(name, [])


@cache
def _places() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    sections: list[tuple[str, Any]] = [("", ConfigSections)]
    while sections:
        place, shape = sections.pop(0)
        if is_mapping(shape):
            sections.append((f"{place}.NAME", get_args(shape)[1]))
        elif is_list(shape):
            sections.append((f"{place}[]", get_args(shape)[0]))
        elif is_section(shape):
            for name in key_names(shape):
                found.setdefault(name, []).append(place)
                sections.append((f"{place}.{name}".removeprefix("."), child_shape(shape, name)))
    return found


def closed_keys(table: Any) -> list[str]:
    """The keys that a mapping can have, if they are words of a closed set."""
    key = get_args(table)[0]
    return [str(word) for word in key] if _is_closed_set(key) else []


def takes_one_word(shape: Any) -> bool:
    """A mapping of a word to each of a closed set, such as `strategy`: one word may stand for all."""
    return is_mapping(shape) and all(map(_is_closed_set, get_args(shape)))


def _is_closed_set(shape: Any) -> bool:
    return isinstance(shape, type) and issubclass(shape, StrEnum)


def _present(annotation: Any) -> Any:
    """`X | None` is X."""
    present = [choice for choice in get_args(annotation) if choice is not NoneType]
    return present[0] if NoneType in get_args(annotation) and len(present) == 1 else annotation
