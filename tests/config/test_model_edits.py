"""Models are changed in the text of a file; comments, references and everything else stay as they are."""

import pytest

from pointsman import catalog
from pointsman.config import document
from pointsman.config.model_edits import EditError, ModelEdits, edited

TEXT = """\
# top
routing: {deadline: 10s}   # waits
providers:
  # my account
  groq:
    keys: [${GROQ_API_KEY}, "${SECOND}"]   # two
  ollama:
    models:
      - {id: "a:1", pool: fast}  # small
      - id: b
        context: 100
  x:
    base_url: "http://127.0.0.1:${PORT}/v1"
    models: [{id: q}]
"""


def change(text: str, **edits: ModelEdits) -> str:
    return edited(text, edits, catalog.known())


def models(text: str, provider: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = document.parse(text, "t").tree["providers"][provider]["models"]
    return found


def test_models_are_disabled_and_added_where_they_are_listed() -> None:
    text = change(
        TEXT, ollama=ModelEdits(("a:1", "b"), ({"id": "new:8b", "context": 4},)), x=ModelEdits((), ({"id": "z"},))
    )
    assert models(text, "ollama") == [
        {"id": "a:1", "pool": "fast", "enabled": False},
        {"id": "b", "context": 100, "enabled": False},
        {"id": "new:8b", "context": 4},
    ]
    assert models(text, "x") == [{"id": "q"}, {"id": "z"}]
    assert "models: [{id: q}, {id: z}]" in text


def test_comments_and_references_stay() -> None:
    text = change(TEXT, ollama=ModelEdits(("b",)))
    for kept in (
        "# top",
        "# waits",
        "# my account",
        "# two",
        "# small",
        '[${GROQ_API_KEY}, "${SECOND}"]',
        ":${PORT}/v1",
    ):
        assert kept in text
    assert document.parse(text, "t").tree["providers"]["groq"] == document.parse(TEXT, "t").tree["providers"]["groq"]


def test_a_provider_of_the_catalog_gets_a_list_of_its_own() -> None:
    gone = "llama-3.1-8b-instant"
    text = change(TEXT, groq=ModelEdits((gone,)))
    rows = catalog.known()["groq"]["models"]
    known = [{**model, "enabled": False} if model["id"] == gone else model for model in rows]
    assert models(text, "groq") == known


def test_a_provider_without_anything_gets_one_too() -> None:
    text = change("providers:\n  ollama:\n", ollama=ModelEdits((), ({"id": "m"},)))
    assert models(text, "ollama") == [{"id": "m"}]


def test_what_cannot_be_changed_alone_is_refused() -> None:
    """The two providers share one list: a change for one would be a change for both."""
    text = "providers: {a: {base_url: http://h/v1, models: &m [{id: q}]}, b: {base_url: http://i/v1, models: *m}}"
    with pytest.raises(EditError, match="edit it by hand"):
        change(text, a=ModelEdits(("q",)))
