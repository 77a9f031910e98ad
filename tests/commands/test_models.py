"""`pointsman models`: what is usable, and why the rest is not."""

import json
from pathlib import Path

import pytest

from pointsman import catalog, cli

FILE = """
providers:
  groq: {keys: [a-secret]}
  mistral: {}
  kilo: {}
  google: {keys: [{value: b-secret, enabled: false}]}
  cohere: {keys: [c-secret], enabled: false}
  local: {base_url: "http://127.0.0.1:9/v1", models: [{id: qwen}, {id: off, enabled: false}]}
  siliconflow: {keys: [d-secret]}
"""


@pytest.fixture
def listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> dict[tuple[str, str | None], str]:
    path = tmp_path / "pointsman.yaml"
    path.write_text(FILE)
    assert cli.main(["models", "--config", str(path), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["models"]
    return {(row["provider"], row["model"]): row["why_not"] for row in rows}


@pytest.mark.parametrize(
    ("provider", "model", "why_not"),
    [
        ("groq", "llama-3.3-70b-versatile", ""),
        ("kilo", "poolside/laguna-m.1:free", ""),
        ("local", "qwen", ""),
        ("local", "off", "the model is disabled"),
        ("mistral", "codestral-latest", "no key: add one to providers.mistral.keys"),
        ("google", "gemini-2.5-flash", "every key of providers.google.keys is disabled"),
        ("cohere", "command-r-08-2024", "providers.cohere.enabled is false"),
        ("siliconflow", None, "no models configured, and the catalog lists none"),
        ("cerebras", "gpt-oss-120b", "not configured: add providers.cerebras"),
    ],
)
def test_each_model_is_usable_or_says_why_not(
    listed: dict[tuple[str, str | None], str], provider: str, model: str | None, why_not: str
) -> None:
    assert listed[provider, model] == why_not


def test_every_model_of_the_catalog_is_there(listed: dict[tuple[str, str | None], str]) -> None:
    assert {(name, model["id"]) for name, entry in catalog.known().items() for model in entry["models"]} <= set(listed)


def test_the_table_counts_and_names_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "pointsman.yaml"
    path.write_text("providers: {local: {base_url: 'http://127.0.0.1:9/v1', models: [{id: qwen}, {id: '[bold]'}]}}")
    assert cli.main(["models", "--config", str(path), "--usable"]) == 0
    said = capsys.readouterr().out
    assert "2 of 2 usable" in said
    assert "[bold]" in said, "a model's name is no markup"
    assert str(path) in said.replace("\n", "")


def test_chains_tiers_and_weights_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "pointsman.yaml"
    path.write_text(
        "routing: {aliases: {best: [b/m, auto-smart], quick: auto-fast}}\n"
        "providers:\n"
        "  a: {base_url: 'http://127.0.0.1:9/v1', models: [{id: m, weight: 0.5}, {id: n, priority: 3}], priority: 2}\n"
        "  b: {base_url: 'http://127.0.0.1:8/v1', models: [{id: m}]}\n"
    )
    assert cli.main(["models", "--config", str(path), "--usable"]) == 0
    said = capsys.readouterr().out
    rows = [line.split() for line in said.splitlines() if line.strip().startswith(("provider ", "a ", "b "))]
    assert [row[-3:] for row in rows] == [
        ["priority", "weight", "usable"],
        ["2", "0.5", "yes"],
        ["3", "1", "yes"],
        ["1", "1", "yes"],
    ]
    assert "best means b/m, then auto-smart" in said
    assert "quick means auto-fast" in said
    assert cli.main(["models", "--config", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["aliases"] == {"best": ["b/m", "auto-smart"], "quick": "auto-fast"}


@pytest.mark.parametrize(
    ("policy", "line"),
    [
        ("error", "Unknown model names get 404"),
        ("auto", "Unknown model names are taken as auto "),
        ("map", "  opus, pro: auto-smart"),
    ],
)
def test_what_becomes_of_unknown_names_is_reported(
    policy: str, line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "pointsman.yaml"
    path.write_text(f"{{routing: {{unknown_model: {policy}}}, providers: {{local: {{base_url: 'http://h/v1'}}}}}}")
    assert cli.main(["models", "--config", str(path)]) == 0
    assert line in capsys.readouterr().out
    assert cli.main(["models", "--config", str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["unknown_model"], bool(told["unknown_names"])) == (policy, policy == "map")


def test_without_a_file_it_is_what_the_demo_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("POINTSMAN_CONFIG", raising=False)
    assert cli.main(["models", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["unknown_model"] == "map"


def test_a_broken_configuration_is_refused_with_its_faults(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "pointsman.yaml"
    path.write_text("providers: {groq: {keys: ['${NOBODY_HAS_SET_THIS}']}}")
    assert cli.main(["models", "--config", str(path)]) == 1
    assert "NOBODY_HAS_SET_THIS" in capsys.readouterr().err
