"""What every part of the configuration has in common: frozen, no unknown keys, and read-only mappings."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator


class ConfigModel(BaseModel):
    """A mapping in the file. Written with nothing below it (`hedge:`), it leaves every default as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True)
    """`defer_build`: most models are only validated within another one, and never need a schema of their own."""

    @model_validator(mode="before")
    @classmethod
    def _nothing_written(cls, written: Any) -> Any:
        return {} if written is None else written

    @classmethod
    def defaults(cls) -> Self:
        """What nothing below it makes of it. Unlike `cls()` it needs no schema."""
        return cls.model_construct()

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return self  # frozen all the way down


def with_defaults_from[S: ConfigModel](own: S, general: ConfigModel) -> S:
    """`own`, with what it leaves unwritten taken from `general` where that has a field of the same name."""
    names = type(own).model_fields.keys() & type(general).model_fields.keys()
    return own.model_copy(update={name: getattr(general, name) for name in names - own.model_fields_set})


K = TypeVar("K")
V = TypeVar("V")

FrozenMapping = Annotated[
    Mapping[K, V],
    BeforeValidator(lambda written: {} if written is None else written),
    AfterValidator(MappingProxyType),
    PlainSerializer(dict),
]


def empty_mapping() -> Any:
    """The default of a `FrozenMapping` field."""
    return Field(default_factory=lambda: MappingProxyType({}))
