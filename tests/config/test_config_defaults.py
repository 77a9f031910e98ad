"""Defaults that are made without a schema are those of an empty mapping."""

from collections.abc import Iterator

from pydantic import ValidationError

from pointsman import config
from pointsman.config.base_model import ConfigModel


def test_they_are_those_of_an_empty_mapping() -> None:
    compared = [each for each in subclasses(ConfigModel) if each.__module__.startswith(config.__name__)]
    made = [(each, made) for each in compared if (made := empty(each))]
    assert len(made) > 15
    for each, expected in made:
        assert each.defaults() == expected, each
        assert each.defaults().model_fields_set == expected.model_fields_set


def empty(model: type[ConfigModel]) -> ConfigModel | None:
    """None where something has to be written."""
    try:
        return model.model_validate({})
    except ValidationError:
        return None


def subclasses(of: type[ConfigModel]) -> Iterator[type[ConfigModel]]:
    for each in of.__subclasses__():
        yield each
        yield from subclasses(each)
