"""The data files of the project: read in parts, they have the same content as when parsed as a whole."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pointsman import catalog, model_facts
from pointsman.data_file import Sections


def whole(path: Path) -> object:
    return YAML(typ="safe", pure=True).load(path)


def test_the_catalog_has_every_row_in_order() -> None:
    known = catalog.known()
    shown = {name: dict(row) for name, row in known.items()}
    for name in known:
        if variables := catalog.key_variables(name):
            shown[name][catalog.KEY_ENV] = list(variables)
    assert shown == whole(catalog.FILE)
    assert list(known) == list(shown)


def test_the_facts_have_every_row_in_order() -> None:
    assert [{"match": list(row.match), **row.facts} for row in model_facts.rows()] == whole(model_facts.FILE)


def test_only_what_is_asked_for_is_parsed(tmp_path: Path) -> None:
    file = tmp_path / "some.yaml"
    file.write_text("# about it\none:\n  a: 1\n# between\ntwo-b: {b: [}\n")
    sections = Sections(file)
    assert list(sections) == ["one", "two-b"]
    assert sections["one"] == {"a": 1}
    assert "three" not in sections
    with pytest.raises(KeyError):
        sections["three"]
    with pytest.raises(Exception, match="two-b"):
        sections["two-b"]
