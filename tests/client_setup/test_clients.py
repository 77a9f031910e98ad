"""Every client's set-up: it parses in its format, has the address and the key, and needs nothing else."""

import ast
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pointsman.client_setup import CLIENTS, setup_of
from pointsman.client_setup.client import FileFormat
from pointsman.client_setup.merging import PARSERS
from pointsman.client_setup.registry import name_of
from pointsman.client_setup.resolve import SetupFile

URL, KEY = "http://router.test:9999", 'k"e\\y$1'
"""A key that no format may misread."""
FILES = [
    pytest.param(file, id=f"{name}-{file.path.name}")
    for name in CLIENTS
    for file in (lambda setup: (*setup.files, *setup.run_files))(setup_of(name, URL, KEY, environ={}))
]


def parsed(file: SetupFile) -> Any:
    match file.format:
        case FileFormat.JSON:
            return json.loads(file.text)
        case FileFormat.YAML:
            return YAML(typ="safe", pure=True).load(file.text)
        case FileFormat.TOML:
            return tomllib.loads(file.text)
        case FileFormat.DOTENV:
            return PARSERS[FileFormat.DOTENV](file.text)


def strings(value: Any) -> set[str]:
    match value:
        case str():
            return {value}
        case dict():
            return set().union(*map(strings, value.values()))
        case list():
            return set().union(*map(strings, value))
        case _:
            return set()


@pytest.mark.parametrize("file", FILES)
def test_a_file_parses_to_what_is_meant(file: SetupFile) -> None:
    had = parsed(file)
    assert had == had | file.content if isinstance(had, dict) and not file.initial else had
    assert strings(file.content) <= strings(had)


@pytest.mark.parametrize("name", CLIENTS)
def test_a_set_up_leads_to_the_router_with_the_key(name: str) -> None:
    setup = setup_of(name, URL, KEY, environ={})
    texts = strings([file.content for file in setup.files]) | {*setup.env.values(), *setup.start, *setup.steps}
    texts |= {setup.code.text} if setup.code else set()
    whole = "\n".join(texts)
    if name != "windsurf":  # which cannot be led anywhere
        assert URL in whole
        assert KEY in whole or json.dumps(KEY)[1:-1] in whole
    assert "127.0.0.1" not in whole
    assert "//v1" not in whole
    assert not [each for each in ("{url}", "{base}", "{key}", "{session}") if each in whole]


@pytest.mark.parametrize("name", [name for name, client in CLIENTS.items() if client.code])
def test_a_program_in_python_is_valid(name: str) -> None:
    code = setup_of(name, URL, KEY).code
    assert code
    if code.language == "python":
        constants = {node.value for node in ast.walk(ast.parse(code.text)) if isinstance(node, ast.Constant)}
        assert KEY in constants


@pytest.mark.parametrize("client", CLIENTS.values(), ids=list(CLIENTS))
def test_a_client_can_be_set_up_in_some_way_and_installed(client: Any) -> None:
    assert client.files or client.steps or client.code
    assert client.install if client.start or client.code else client.steps or client.files
    assert not client.needs_files or client.files


def test_a_setting_of_codex_is_toml() -> None:
    """It is given on the command line, where the key must not be: others see it there."""
    setup = setup_of("codex", URL, KEY)
    settings = tomllib.loads("\n".join(setup.start[2::2]))
    assert settings["model_providers"]["pointsman"]["base_url"] == f"{URL}/v1"
    assert settings["model_providers"]["pointsman"]["env_key"] in setup.env
    assert not [part for part in setup.start if KEY in part]


def test_the_key_of_a_router_without_keys() -> None:
    assert '"ANTHROPIC_AUTH_TOKEN": "any"' in setup_of("claude-code", URL).files[0].text


@pytest.mark.parametrize("given", [URL, f"{URL}/", f"{URL}/v1", f"{URL}/v1/"])
def test_the_address_may_have_v1(given: str) -> None:
    assert setup_of("claude-code", given).env["ANTHROPIC_BASE_URL"] == URL
    assert setup_of("openai", given).env["OPENAI_BASE_URL"] == f"{URL}/v1"


@pytest.mark.parametrize("given", ["router.test:x", "ftp://router.test", "", ":0", "http://", "a b"])
def test_what_is_no_address_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="is not an address such as"):
        setup_of("codex", given)


@pytest.mark.parametrize("port", ["0", "99999", "x"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    with pytest.raises(ValueError, match=r"(?i)port|is not an address"):
        setup_of("codex", f"http://127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("router.test:9999", "http://router.test:9999"),
        ("router.test:9999/v1", "http://router.test:9999"),
        (":8080", "http://127.0.0.1:8080"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("localhost", "http://localhost"),
        ("https://router.test", "https://router.test"),
    ],
)
def test_an_address_needs_no_scheme(given: str, url: str) -> None:
    assert setup_of("claude-code", given).env["ANTHROPIC_BASE_URL"] == url


def test_files_are_where_the_environment_says() -> None:
    home = Path("/home/dev")
    moved = {"CODEX_HOME": "/srv/codex", "XDG_CONFIG_HOME": "/srv/config"}
    assert setup_of("codex", URL, home=home, environ={}).files[0].path == home / ".codex" / "config.toml"
    assert setup_of("codex", URL, home=home, environ=moved).files[0].path == Path("/srv/codex/config.toml")
    opencode = setup_of("opencode", URL, home=home, environ=moved)
    assert opencode.files[0].path == Path("/srv/config/opencode/opencode.json")


def test_each_run_of_aider_has_a_session_of_its_own(tmp_path: Path) -> None:
    setup = setup_of("aider", URL, run_folder=tmp_path, session="aider-1")
    settings, _ = setup.run_files
    assert "X-Session-ID: aider-1" in settings.text
    assert setup.env["AIDER_MODEL_SETTINGS_FILE"] == str(settings.path)
    assert settings.path.parent == tmp_path


def test_all_of_it_is_plain_json() -> None:
    for name in CLIENTS:
        assert json.loads(json.dumps(setup_of(name, URL).to_dict()))["client"] == name


def test_a_client_is_known_by_its_program_too() -> None:
    assert name_of("claude") == "claude-code"
    assert name_of("gemini") == "gemini-cli"
    assert name_of("codex") == "codex"
    assert name_of("emacs") == "emacs"
