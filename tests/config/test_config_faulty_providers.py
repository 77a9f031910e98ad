"""A fault within one provider leaves that provider out, and no other."""

import json

import pytest

from config.conftest import Faults, Load

BASE = "base_url: 'http://x/v1', models: [{id: m}]"
GOOD = f"good: {{{BASE}}}"


def text(faulty: str, more: str = "") -> str:
    return f"providers: {{{GOOD}, {faulty}}}\n{more}"


@pytest.mark.parametrize(
    ("faulty", "path", "problem"),
    [
        ("bad: {base_url: 'ftp://x'}", "providers.bad.base_url", "must be an absolute http or https URL"),
        ("bad: {models: [{id: m}]}", "providers.bad.base_url", "is required"),
        (f"bad: {{{BASE}, keys: ['${{UNSET}}']}}", "providers.bad.keys[0]", "UNSET, which is not set"),
        (f"bad: {{{BASE}, keys: ['a b']}}", "providers.bad.keys[0]", "visible ASCII"),
        (f"bad: {{{BASE}, keys: [k, k]}}", "providers.bad.keys[1]", "same key"),
        (f"bad: {{{BASE}, nonsense: 1}}", "providers.bad.nonsense", "is not a known key"),
        (f"bad: {{{BASE}, name: x}}", "providers.bad.name", "is not a known key"),
        (f"bad: {{{BASE}, keys: [], keys: []}}", "providers.bad.keys", "is defined twice"),
        ("bad: [1]", "providers.bad", "must be a mapping"),
        (f"'b d': {{{BASE}}}", 'providers."b d"', "rename it"),
        (f"auto: {{{BASE}}}", "providers.auto", "select a mode"),
        (f"GOOD: {{{BASE}}}", "providers.GOOD", "only in case"),
        (f"good.bad: {{{BASE}, nonsense: 1}}", 'providers."good.bad".nonsense', "is not a known key"),
    ],
)
def test_it_is_left_out_and_said_so(load_text: Load, faulty: str, path: str, problem: str) -> None:
    settings = load_text(text(faulty))
    assert list(settings.providers) == ["good"]
    [fault] = settings.faults
    assert (fault.path, fault.in_force) == (path, False)
    assert problem in fault.problem
    assert str(fault).startswith(f"{path}: ")
    assert "left out" in str(fault)
    assert json.dumps(fault.to_dict())


def test_every_fault_of_every_provider_is_reported(load_text: Load) -> None:
    settings = load_text(text("a: {base_url: 1, nonsense: 1}, b: {keys: [1]}"))
    told = {(fault.provider, fault.path) for fault in settings.faults}
    assert told == {
        ("a", "providers.a.base_url"),
        ("a", "providers.a.nonsense"),
        ("b", "providers.b.base_url"),
        ("b", "providers.b.keys[0]"),
    }


def test_what_else_speaks_of_it_is_no_fault(load_text: Load) -> None:
    more = "routing: {aliases: {nick: bad/m}}\nprotection: {bad: off, bad/m: off, good: off}"
    settings = load_text(text(f"bad: {{{BASE}, nonsense: 1}}", more))
    assert [fault.path for fault in settings.faults] == ["providers.bad.nonsense"]
    assert dict(settings.protection) == {"good": "off"}


@pytest.mark.parametrize("more", ["stream: {stall: soon}", "nonsense: 1", "routing: {aliases: {x: nobody}}"])
def test_a_fault_elsewhere_is_an_error_with_all_of_them(faults_in: Faults, more: str) -> None:
    assert len(faults_in(text("bad: {base_url: 1}", more))) == 2


@pytest.mark.parametrize(
    "rest",
    ["", "off: {base_url: 'http://x/v1', enabled: false, models: [{id: m}]},", "none: {base_url: 'http://x/v1'},"],
)
def test_without_another_one_to_use_it_is_an_error(faults_in: Faults, rest: str) -> None:
    assert list(faults_in(f"providers: {{{rest} bad: {{base_url: 1}}}}")) == ["providers.bad.base_url"]


KEY = "sk-5Vw2rKq9Tz4m"


@pytest.mark.parametrize(
    "written",
    [
        f" {KEY}",
        f"{KEY}\n",
        f"\t{KEY}\r\n",
        f'"{KEY}"',
        f"'{KEY}'",
        f"Bearer {KEY}",
        f"bearer  {KEY} ",
        f'"Bearer {KEY}"\n',
        f"Authorization: Bearer {KEY}",
    ],
    ids=repr,
)
class TestTrimming:
    def test_a_key_in_the_file_is_taken_alone(self, load_text: Load, written: str) -> None:
        entry = {"base_url": "http://x/v1", "models": [{"id": "m"}], "keys": [written, {"value": "k2 ", "label": "b"}]}
        settings = load_text(json.dumps({"providers": {"p": entry}}))
        assert [key.value.get_secret_value() for key in settings.providers["p"].keys] == [KEY, "k2"]
        places = [warning.partition(": ")[0] for warning in settings.warnings]
        assert places == ["providers.p.keys[0]", "providers.p.keys[1].value"]
        assert KEY not in str(settings.warnings)

    def test_so_is_one_of_the_environment(self, load_text: Load, written: str) -> None:
        settings = load_text(f"providers: {{p: {{{BASE}, keys: ['${{KEY}}']}}}}", KEY=written)
        assert [key.value.get_secret_value() for key in settings.providers["p"].keys] == [KEY]
        [warning] = settings.warnings
        assert warning.startswith("providers.p.keys[0]: ")
        assert "(from KEY)" in warning
        assert KEY not in warning


def test_the_routers_own_keys_are_trimmed_too(load_text: Load) -> None:
    settings = load_text(f"providers: {{{GOOD}}}\nserver: {{client_key: ' one-key ', admin_key: '\"another\"'}}")
    assert settings.server.client_key
    assert settings.server.admin_key
    assert settings.server.client_key.get_secret_value() == "one-key"
    assert settings.server.admin_key.get_secret_value() == "another"
    assert len(settings.warnings) == 2


@pytest.mark.parametrize("key", ["sk-plain", "Bearer", "bearer-token-1", "a'b", "sk=="])
def test_what_is_a_key_alone_stays_as_it_is(load_text: Load, key: str) -> None:
    settings = load_text(
        json.dumps({"providers": {"p": {"base_url": "http://x/v1", "models": [{"id": "m"}], "keys": [key]}}})
    )
    assert [each.value.get_secret_value() for each in settings.providers["p"].keys] == [key]
    assert settings.warnings == ()
