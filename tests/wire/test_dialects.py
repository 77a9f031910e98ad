"""The registry of dialects and the paths that speak them."""

import pytest

from pointsman.config.words import Dialect as DialectName
from pointsman.wire.dialects import DIALECTS, PATHS, dialect_of_path


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/chat/completions", DialectName.OPENAI_CHAT),
        ("/v1/chat/completions?api-version=1", DialectName.OPENAI_CHAT),
        ("/olla/proxy/v1/chat/completions", DialectName.OPENAI_CHAT),
        ("/v1/chat/completions/", None),
        ("/v1/chat/completions/123", None),
        ("/chat/completions", None),
        ("/xv1/chat/completions", None),
        ("/v1/models", None),
        ("/?x=/v1/chat/completions", None),
        ("/", None),
        ("", None),
    ],
)
def test_a_path_speaks_its_dialect(path: str, name: DialectName | None) -> None:
    assert dialect_of_path(path) is name


def test_every_dialect_is_filed_under_its_own_name() -> None:
    assert {name: dialect.name for name, dialect in DIALECTS.items()} == {name: name for name in DIALECTS}


def test_every_path_leads_to_a_dialect() -> None:
    assert {route.dialect for route in PATHS.values()} | {DialectName.GEMINI} == set(DIALECTS)
