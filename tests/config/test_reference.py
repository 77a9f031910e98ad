"""What the dashboard says of each setting comes from the tables of the configuration reference."""

import pytest

from pointsman.config import Model, Provider
from pointsman.config.base_model import ConfigModel
from pointsman.config.reference import meaning
from pointsman.config.settings import ConfigSections


def places(section: type[ConfigModel], above: tuple[str, ...]) -> list[tuple[str, ...]]:
    return [(*above, name) for name in section.model_fields]


SECTIONS = [
    place
    for name, field in ConfigSections.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, ConfigModel)
    for place in places(field.annotation, (name,))
]
ENTRIES = [*places(Provider, ("providers", "x")), *places(Model, ("providers", "x", "models", "m"))]


@pytest.mark.parametrize("place", [*SECTIONS, *(place for place in ENTRIES if place[-1] != "name")])
def test_every_setting_has_a_meaning_without_links(place: tuple[str, ...]) -> None:
    words = meaning(place)
    assert words, place
    assert "](" not in words
    assert "[below]" not in words


@pytest.mark.parametrize(
    ("place", "start"),
    [
        (("providers", "x", "timeouts", "stall"), "the longest wait for the next data event"),
        (("providers", "x", "models", "m", "limits", "rpm"), "for each key: `rpm` and `rpd` requests"),
        (("providers", "x", "limits", "concurrency"), "`concurrency`: requests at once for each key"),
        (("cooldowns", "key_invalid"), "after a key that is refused"),
        (("routing", "weights", "smart", "speed"), "for each mode the weights"),
    ],
)
def test_the_right_table_is_found(place: tuple[str, ...], start: str) -> None:
    assert str(meaning(place)).startswith(start)


def test_what_is_not_in_it_has_none() -> None:
    assert meaning(("server", "nonsense")) is None
