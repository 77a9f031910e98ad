"""The section `shared`: the address of the engine, and its bounds."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from pointsman.config import ConfigError, Settings, rules
from pointsman.configured_secrets import secrets_of
from pointsman.domain.engine_address import parse_address

PROVIDER = "providers: {a: {base_url: http://127.0.0.1:9/v1, keys: [], models: [{id: m}]}}\n"
type LoadText = Callable[..., Settings]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("valkey://127.0.0.1:6379/0", "valkey://127.0.0.1:6379/0"),
        ("redis://engine", "valkey://engine:6379/0"),
        ("rediss://user:p%40ss@engine:7000/3", "valkeys://engine:7000/3"),
        ("valkeys://[::1]/?ca=/etc/ca.pem", "valkeys://[::1]:6379/0"),
        ("valkey+cluster://node-1:7001", "valkey+cluster://node-1:7001"),
    ],
)
def test_addresses_are_read_and_shown_without_their_secrets(text: str, shown: str) -> None:
    assert str(parse_address(text)) == shown


def test_user_and_password_are_unquoted() -> None:
    address = parse_address("valkeys://me:p%40ss@engine?ca=/a&cert=/b&key=/c")
    assert (address.username, address.password, address.secrets) == ("me", "p@ss", ("p@ss",))
    assert address.files == (("ca", "/a"), ("cert", "/b"), ("key", "/c"))


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("http://engine:secret@x", "must be the URL of a Valkey or Redis server, such as valkey://127.0.0.1:6379/0"),
        ("valkey://me:secret/1@x", "must have / ? # % of the user name and the password written as %2F %3F %23 %25"),
        ("valkey://:secret#1@x:6379", "must have / ? # % of the user name and the password written as"),
        ("valkey://:secret?@x/0", "must have / ? # % of the user name and the password written as"),
        ("valkey://:secret@[x", "must be the URL of a Valkey or Redis server"),
        ("unix:///run/valkey.sock", "must be the URL of a Valkey or Redis server"),
        ("valkey://:secret@x:99999", "must have a port from 1 to 65535"),
        ("valkey://:secret@x/db", "must end with the number of a database"),
        ("valkey+cluster://:secret@x/1", "must end with the number of a database, which is 0 in a cluster"),
        ("valkey://:secret@x?ca=/a", "may have the parameters ca, cert and key"),
        ("valkeys://:secret@x?verify=no", "may have the parameters ca, cert and key"),
    ],
)
def test_a_wrong_address_is_named_without_its_password(load_text: LoadText, written: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(f"{PROVIDER}shared: {{url: '{written}'}}")
    [issue] = caught.value.issues
    assert issue.path == "shared.url"
    assert issue.problem.startswith(problem)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("tick: 1ms", "must be at least 5ms"),
        ("tick: 2s", "must be at most 1s"),
        ("timeout: 0", "must be at least 1ms"),
        ("prefix: 'a{b'", "must consist of 1 to 64 letters, digits, dots, dashes, underscores and colons"),
    ],
)
def test_other_values_have_bounds(load_text: LoadText, setting: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        load_text(f"{PROVIDER}shared: {{{setting}}}")


def test_the_environment_sets_it_and_its_password_is_masked(load_text: LoadText) -> None:
    made = load_text(PROVIDER, POINTSMAN_SHARED__URL="valkey://:secret-word@engine")
    assert made.shared.url is not None
    assert "secret-word" in secrets_of(made)
    assert "secret-word" not in repr(made)


def test_a_missing_package_is_named(load_text: LoadText, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "find_spec", lambda name: None if name == "redis.asyncio" else find_spec(name))
    with pytest.raises(ConfigError, match=r"not installed: add the extra shared, as docs/install\.md"):
        load_text(f"{PROVIDER}shared: {{url: 'valkey://engine'}}")


def test_a_file_with_a_password_should_be_private(tmp_path: Path) -> None:
    from pointsman import config

    path = tmp_path / "pointsman.yaml"
    path.write_text(f"{PROVIDER}shared: {{url: 'valkey://:secret-word@engine'}}")
    path.chmod(0o644)
    assert any("chmod 600" in warning for warning in config.load(path, {}).warnings)
    path.write_text(f"{PROVIDER}shared: {{url: 'valkey://engine'}}")
    assert config.load(path, {}).warnings == ()
