"""Adding settings to a text: what was there stays, twice is once, and what cannot be done safely is refused."""

import json
import tomllib
from typing import Any

import pytest
from ruamel.yaml import YAML

from pointsman.client_setup import CLIENTS, setup_of
from pointsman.client_setup.client import FileFormat
from pointsman.client_setup.merging import BEGIN, PARSERS, MergeError, deep_merge, merged
from pointsman.client_setup.resolve import SetupFile

URL, OTHER = "http://127.0.0.1:8080", "http://127.0.0.1:9090"
MINE = {
    FileFormat.JSON: '{\n    "theme": "dark",\n    "mine": {"a": [1, 2.5, null]}\n}\n',
    FileFormat.YAML: "# mine\nother: 'yes'  # a word\n\nmine:\n  - one\n  - two\n",
    FileFormat.TOML: '# mine\nother = "yes"  # a word\nmodel = "o3"\n\n[mine]\nlist = [\n  1,\n]\n',
    FileFormat.DOTENV: "# mine\nexport OTHER='yes'\nGEMINI_API_KEY=mine\n",
}
MY_LIST = {
    FileFormat.JSON: '[\n  {"name": "Mine", "vendor": "x"}\n]\n',
    FileFormat.YAML: "# mine\n- name: mine\n  x: 1\n",
}
FILES = [
    pytest.param(file, id=f"{name}-{file.path.name}")
    for name in CLIENTS
    for file in setup_of(name, URL, environ={}).files
]


def mine(file: SetupFile) -> str:
    return MY_LIST[file.format] if isinstance(file.content, list) else MINE[file.format]


@pytest.mark.parametrize("file", FILES)
def test_what_was_there_stays(file: SetupFile) -> None:
    before = mine(file)
    after = file.merged_into(before)
    parse = PARSERS[file.format]
    assert parse(after) == deep_merge(parse(before), deep_merge(file.content, file.initial or file.content))
    kept = [line for line in before.splitlines() if "#" in line]
    assert [line for line in kept if line not in after] == []


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("empty", [True, False])
def test_twice_is_once(file: SetupFile, empty: bool) -> None:
    once = file.merged_into(None if empty else mine(file))
    assert file.merged_into(once) == once


@pytest.mark.parametrize("name", [name for name, client in CLIENTS.items() if client.files])
@pytest.mark.parametrize("empty", [True, False])
def test_another_address_takes_the_place_of_the_first(name: str, empty: bool) -> None:
    for first, second in zip(setup_of(name, URL).files, setup_of(name, OTHER).files, strict=True):
        once = first.merged_into(None if empty else mine(first))
        twice = second.merged_into(once)
        assert URL not in twice
        assert twice.count(OTHER) == once.count(URL)
        assert twice.count(BEGIN) == once.count(BEGIN)


def test_a_configuration_of_continue_keeps_its_name() -> None:
    [file] = setup_of("continue", URL).files
    after = YAML(typ="safe").load(file.merged_into("name: Mine\nversion: 2.0.0\nschema: v1\nmodels: []\n"))
    assert (after["name"], after["version"], len(after["models"])) == ("Mine", "2.0.0", 1)


class TestJson:
    def test_the_users_indentation_and_letters_stay(self) -> None:
        after = merged(FileFormat.JSON, '{\n\t"name": "Zoë"\n}', {"a": 1})
        assert after == '{\n\t"name": "Zoë",\n\t"a": 1\n}'

    @pytest.mark.parametrize(
        "text", ['{\n  // mine\n  "a": 1\n}', '{"a": 1, /* mine */ "b": "// no comment"}', '{"a": [1, 2,],}']
    )
    def test_comments_are_not_lost_but_refused(self, text: str) -> None:
        with pytest.raises(MergeError, match="has comments or trailing commas, which would be lost"):
            merged(FileFormat.JSON, text, {"b": 2})

    def test_a_text_that_is_not_json_is_named_with_its_place(self) -> None:
        with pytest.raises(MergeError, match=r"is not valid JSON \(.*line 2 column"):
            merged(FileFormat.JSON, '{\n"a" 1}', {"b": 2})

    def test_an_object_is_not_merged_into_a_list(self) -> None:
        with pytest.raises(MergeError, match="holds a list, not an object"):
            merged(FileFormat.JSON, "[]", {"b": 2})

    @pytest.mark.parametrize("mine", ["[1]", '"x"', "{}"])
    def test_what_has_another_form_is_not_replaced(self, mine: str) -> None:
        ours: Any = [{"name": "Pointsman"}] if mine == "{}" else {"c": 2}
        with pytest.raises(MergeError, match=r"holds .* at a\.b, not an? "):
            merged(FileFormat.JSON, f'{{"a": {{"b": {mine}}}}}', {"a": {"b": ours}})

    def test_a_null_has_its_place_taken(self) -> None:
        assert json.loads(merged(FileFormat.JSON, '{"a": null}', {"a": {"b": 1}})) == {"a": {"b": 1}}

    def test_nothing_is_written_behind_a_null(self) -> None:
        with pytest.raises(MergeError, match="cannot be changed safely"):
            merged(FileFormat.JSON, "null\n", {"b": 2})

    def test_entries_of_a_list_are_known_by_their_name(self) -> None:
        had: Any = [{"name": "Mine"}, {"name": "Pointsman", "url": "old", "extra": 1}]
        after = json.loads(merged(FileFormat.JSON, json.dumps(had), [{"name": "Pointsman", "url": "new"}]))
        assert after == [{"name": "Mine"}, {"name": "Pointsman", "url": "new", "extra": 1}]

    def test_what_the_client_has_changed_itself_stays(self) -> None:
        after = json.loads(merged(FileFormat.JSON, '{"a": {"t": 5}}', {"a": {"b": 1}}, {"a": {"t": 0, "u": 0}}))
        assert after == {"a": {"t": 5, "u": 0, "b": 1}}


class TestYaml:
    def test_comments_quotes_and_order_stay(self) -> None:
        before = "# top\nb: 'x'   # one\na: \"y\"\nlist:\n- 1  # two\n- 2\n# end\n"
        after = merged(FileFormat.YAML, before, {"a": "z", "new": True})
        assert after == before.replace('"y"', '"z"').replace("# end\n", "# end\nnew: true\n")

    def test_a_model_is_added_to_those_of_the_user(self) -> None:
        before = "models:\n  - name: Mine  # my own\n    model: m\n"
        after = merged(FileFormat.YAML, before, {"models": [{"name": "Pointsman", "model": "auto-smart"}]})
        assert after.startswith(before)
        assert [model["name"] for model in YAML(typ="safe").load(after)["models"]] == ["Mine", "Pointsman"]

    def test_a_text_that_is_not_yaml_is_refused(self) -> None:
        with pytest.raises(MergeError, match="is not valid YAML"):
            merged(FileFormat.YAML, "a: [1", {"b": 2})


CODEX: dict[str, Any] = {"model": "gpt-5.5", "model_providers": {"pointsman": {"name": "Pointsman"}}}


class TestToml:
    def test_a_key_of_the_root_comes_before_the_first_table(self) -> None:
        before = '# mine\nmodel = "o3"\nother = 1\n\n[profiles.x]\nmodel = "o4"\n'
        after = merged(FileFormat.TOML, before, CODEX)
        assert tomllib.loads(after) == {
            "model": "gpt-5.5",
            "other": 1,
            "profiles": {"x": {"model": "o4"}},
            "model_providers": {"pointsman": {"name": "Pointsman"}},
        }
        assert '# before pointsman: model = "o3"' in after

    def test_a_table_of_the_same_name_keeps_its_other_keys(self) -> None:
        before = '[a]\nname = 1\n\n[model_providers.pointsman]  # mine\nname = "Old"\nx = 1\n\n[c]\nname = 2\n'
        after = merged(FileFormat.TOML, before, CODEX)
        tables = tomllib.loads(after)
        assert tables["model_providers"]["pointsman"] == {"name": "Pointsman", "x": 1}
        assert (tables["a"], tables["c"]) == ({"name": 1}, {"name": 2})
        assert '# before pointsman: name = "Old"\n' in after

    @pytest.mark.parametrize(
        "before",
        [
            '[model_providers]\npointsman = {name = "Mine"}\n',
            'model_providers = {openai = {name = "x"}}\n',
            'model = """\no3"""\n',
        ],
    )
    def test_what_is_written_in_another_form_is_refused(self, before: str) -> None:
        with pytest.raises(MergeError, match="cannot be changed safely"):
            merged(FileFormat.TOML, before, CODEX)

    def test_a_text_that_is_not_toml_is_refused(self) -> None:
        with pytest.raises(MergeError, match=r"is not valid TOML \(Invalid value"):
            merged(FileFormat.TOML, "model = ", CODEX)


class TestDotenv:
    def test_the_last_value_holds(self) -> None:
        after = merged(FileFormat.DOTENV, "A=mine\nB='2'\n", {"A": "ours"})
        assert after == f"A=mine\nB='2'\n\n{BEGIN}\nA=ours\n# <<< pointsman <<<\n"
        assert PARSERS[FileFormat.DOTENV](after) == {"A": "ours", "B": "2"}

    def test_what_is_there_already_is_not_added(self) -> None:
        assert merged(FileFormat.DOTENV, 'export A="1"\n', {"A": "1"}) == 'export A="1"\n'
