"""The rows of the settings page: each setting with its value as the file would write it, its source and its meaning."""

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from pointsman.config import Settings, schema
from pointsman.config.base_model import ConfigModel
from pointsman.config.declared_names import as_mapping
from pointsman.config.messages import FromEnvironment, format_path
from pointsman.config.reference import meaning
from pointsman.config.settings import ConfigSections
from pointsman.config.values import Tree, Unit, unit_of, written
from pointsman.masking import MASK

type SettingPath = tuple[str, ...]


class Setting(NamedTuple):
    """One value. `place` is below the section that was asked for."""

    place: SettingPath
    value: Any
    shape: Any
    """Its type; None where the models know nothing of it."""
    unit: Unit | None = None


def settings_of(section: ConfigModel, above: SettingPath, leave_out: frozenset[str]) -> Iterator[Setting]:
    """Every setting of a section that stands at `above`, without the members that are left out."""
    for name, field in _fields(section).items():
        if name not in leave_out:
            yield from _settings(getattr(section, name), (name,), above, field)


def _fields(section: ConfigModel) -> Mapping[str, FieldInfo]:
    return ConfigSections.model_fields if isinstance(section, Settings) else type(section).model_fields


def _settings(value: Any, place: SettingPath, above: SettingPath, field: FieldInfo) -> Iterator[Setting]:
    if isinstance(value, ConfigModel):
        for name, inner in _fields(value).items():
            yield from _settings(getattr(value, name), (*place, name), above, inner)
    elif isinstance(value, Mapping):
        shape = schema.child_shape(schema.shape_at((*above, *place)), "")
        yield from (Setting((*place, str(key)), entry, shape) for key, entry in value.items())
    elif value is None and schema.is_section(shape := schema.shape_at((*above, *place))):
        for name, inner in shape.model_fields.items():  # a section that is not set, each of whose members may be
            yield from _settings(None, (*place, name), above, inner)
    else:
        yield Setting(place, value, schema.shape_at((*above, *place)), unit_of(field.metadata))


def row_of(setting: Setting, above: SettingPath, source: str, changeable: bool) -> dict[str, Any]:
    """In plain JSON types."""
    return {
        "name": format_path(setting.place),
        "path": list(setting.place),
        "value": to_json(setting.value),
        "text": text_of(setting.value, setting.unit),
        "unit": setting.unit and setting.unit.value,
        "is_list": isinstance(setting.value, tuple | frozenset) or schema.is_list(setting.shape),
        "source": source,
        "changeable": changeable,
        "choices": _choices(setting.shape),
        "about": meaning((*above, *setting.place)),
    }


def beneath(value: Any, unit: Unit | None, source: str) -> dict[str, Any]:
    """The value without the changes that were made at runtime."""
    return {"value": to_json(value), "text": text_of(value, unit), "source": source}


def source_of(
    place: SettingPath, overrides: Tree, file: Tree, default: Callable[[SettingPath], str] = lambda _: "default"
) -> str:
    """Where the value comes from; `default` names the source of what neither the overrides nor the file have."""
    if value_at(overrides, place) is not None:
        return "override"
    found = value_at(file, place)
    if found is None:
        return default(place)
    parts = found if isinstance(found, list) else [found]
    is_from_environment = any(isinstance(part, FromEnvironment) or "${" in str(part) for part in parts)
    return "environment" if is_from_environment else "file"


def value_at(tree: Tree, place: SettingPath) -> Any:
    """The value at a path; None if there is none."""
    found: Any = tree
    for name in place:
        found = as_mapping(found).get(name)
    return found


def to_json(value: Any) -> Any:
    match value:
        case SecretStr():
            return MASK
        case StrEnum():
            return value.value
        case tuple() | frozenset():
            return [to_json(each) for each in value]
        case None | bool() | int() | float() | str():
            return value
        case ConfigModel():
            return to_json_model(value)
        case _:
            return str(value)


def to_json_model(section: ConfigModel) -> dict[str, Any]:
    return {name: to_json(getattr(section, name)) for name in type(section).model_fields}


def text_of(value: Any, unit: Unit | None) -> str | None:
    """As the file would write it; None for a list, or for what is not set."""
    match value:
        case None | tuple() | frozenset() | ConfigModel():
            return None
        case bool():
            return str(value).lower()
        case int() | float():
            return written(value, unit)
        case _:
            return str(to_json(value))


def _choices(shape: Any) -> list[str] | None:
    if schema.is_flag(shape):
        return ["true", "false"]
    kind = schema.child_shape(shape, 0) if schema.is_list(shape) else shape
    return [word.value for word in kind] if isinstance(kind, type) and issubclass(kind, StrEnum) else None
