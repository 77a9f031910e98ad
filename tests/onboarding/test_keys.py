"""Keys in the environment and in the files of other tools."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pointsman.onboarding.key_files import MAX_BYTES, key_files, keys_of
from pointsman.onboarding.keys import FoundKeys, keys_in


def found(env: dict[str, str]) -> list[tuple[str, str]]:
    return [(key.provider, key.variable) for key in keys_in(env).keys]


def test_keys_are_found_by_the_names_of_the_catalog_in_its_order() -> None:
    env = {"OPENAI_API_KEY": "o", "GROQ_API_KEY": "g", "GEMINI_API_KEY": "a", "HOME": "/h", "NOT_A_KEY": "x"}
    assert found(env) == [("google", "GEMINI_API_KEY"), ("groq", "GROQ_API_KEY"), ("openai", "OPENAI_API_KEY")]


def test_one_key_in_two_variables_is_one_key() -> None:
    """The configuration refuses a key that stands twice."""
    assert found({"GEMINI_API_KEY": "a", "GOOGLE_API_KEY": "a"}) == [("google", "GEMINI_API_KEY")]
    assert len(found({"GEMINI_API_KEY": "a", "GOOGLE_API_KEY": "b"})) == 2


@pytest.mark.parametrize("value", ["", "  ", "\n"])
def test_an_empty_variable_is_no_key(value: str) -> None:
    assert keys_in({"GROQ_API_KEY": value}) == FoundKeys(())


def test_a_value_that_is_no_key_is_named_but_not_shown() -> None:
    [note] = keys_in({"GROQ_API_KEY": "two words"}).notes
    assert note == "GROQ_API_KEY is not used: its value has characters that no key has"


@pytest.mark.parametrize("address", ["http://127.0.0.1:8080/v1", "https://proxy.test", "nonsense://["])
def test_a_key_beside_another_address_is_not_the_makers(address: str) -> None:
    env = {"OPENAI_API_KEY": "o", "OPENAI_BASE_URL": address}
    assert found(env) == []
    assert "OPENAI_BASE_URL points to" in keys_in(env).notes[0]
    assert found({**env, "OPENAI_BASE_URL": "https://api.openai.com/v1"}) == [("openai", "OPENAI_API_KEY")]


def test_keys_of_servers_on_this_machine_are_left_to_their_servers() -> None:
    assert found({"VLLM_API_KEY": "v", "JAN_API_KEY": "j", "LLAMA_API_KEY": "l"}) == []


def test_no_key_stands_in_a_representation() -> None:
    assert "secret-1" not in repr(keys_in({"GROQ_API_KEY": "secret-1"}))


def codex(home: Path) -> None:
    write(home / ".codex/auth.json", json.dumps({"OPENAI_API_KEY": "k", "tokens": {"access_token": "t"}}))


def claude_code(home: Path) -> None:
    write(home / ".claude/settings.json", json.dumps({"env": {"ANTHROPIC_API_KEY": "k", "OTHER": "x"}}))


def gemini(home: Path) -> None:
    write(home / ".gemini/.env", "# mine\nexport GEMINI_API_KEY='k'  # the key\nX=1\n")


def opencode(home: Path) -> None:
    entries = {"togetherai": {"type": "api", "key": "k"}, "anthropic": {"type": "oauth", "access": "t"}, "odd": 7}
    write(home / ".local/share/opencode/auth.json", json.dumps(entries))


def aider(home: Path) -> None:
    write(home / ".aider.conf.yml", "openai-api-key: k\napi-key: [gemini=l, unheard=m]\n")


def llm(home: Path) -> None:
    write(home / ".config/io.datasette.llm/keys.json", json.dumps({"// Note": "x", "openrouter": "k", "gemini": "l"}))


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("make", "tool", "keys"),
    [
        (codex, "Codex", [("openai", "k")]),
        (claude_code, "Claude Code", [("anthropic", "k")]),
        (gemini, "Gemini CLI", [("google", "k")]),
        (opencode, "opencode", [("together", "k")]),
        (aider, "aider", [("openai", "k"), ("google", "l")]),
        (llm, "llm", [("openrouter", "k"), ("google", "l")]),
    ],
)
def test_keys_are_read_as_each_tool_writes_them(
    make: Callable[[Path], None], tool: str, keys: list[tuple[str, str]], tmp_path: Path
) -> None:
    make(tmp_path)
    [file] = key_files({}, tmp_path)
    assert file.tool == tool
    assert [(key.provider, key.value) for key in keys_of(file).keys] == keys


def test_the_variables_that_move_a_tools_folder_are_heeded(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere/auth.json", json.dumps({"OPENAI_API_KEY": "k"}))
    assert [file.tool for file in key_files({"CODEX_HOME": str(tmp_path / "elsewhere")}, tmp_path)] == ["Codex"]


def test_a_key_for_a_server_in_between_is_not_the_makers(tmp_path: Path) -> None:
    env = {"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": "http://127.0.0.1:8080"}
    write(tmp_path / ".claude/settings.json", json.dumps({"env": env}))
    [file] = key_files({}, tmp_path)
    assert keys_of(file).keys == ()


@pytest.mark.parametrize("text", ["", "{", "[]", '"text"', "null", '{"OPENAI_API_KEY": 5}', "[" * 100_000])
def test_a_file_in_another_form_has_no_keys(text: str, tmp_path: Path) -> None:
    write(tmp_path / ".codex/auth.json", text)
    [file] = key_files({}, tmp_path)
    assert keys_of(file).keys == ()


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    write(tmp_path / ".codex/auth.json", " " * (MAX_BYTES + 1))
    write(tmp_path / ".gemini/.env", "")
    (tmp_path / ".gemini/.env").write_bytes(b"GEMINI_API_KEY=\xff\xfe")
    notes = [note for file in key_files({}, tmp_path) for note in keys_of(file).notes]
    assert notes == [
        f"{tmp_path}/.codex/auth.json is too large, and was not read",
        f"{tmp_path}/.gemini/.env is not in the form that Gemini CLI writes",
    ]
