"""`pointsman setup CLIENT`: prints, writes and takes back; says which key and which aliases are needed."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pointsman import cli
from pointsman.client_setup import CLIENTS, setup_of
from pointsman.commands.client_args import PLACEHOLDER
from pointsman.demo import Provider, behaviours
from support.router import running
from support.settings import provider, write

URL = "http://router.test:9999"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name in ("POINTSMAN_KEY", "POINTSMAN_CONFIG", "XDG_CONFIG_HOME", "CODEX_HOME", "CLAUDE_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def configured(home: Path, **sections: Any) -> None:
    write(home, {"p": provider()}, **sections)


def printed(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> str:
    assert cli.main(["setup", *arguments]) == status
    return capsys.readouterr().out


class TestPrinted:
    @pytest.mark.parametrize("client", CLIENTS)
    def test_has_the_address_and_a_literal_key(self, client: str, capsys: pytest.CaptureFixture[str]) -> None:
        out = printed(capsys, client, "--router", f"{URL}/")
        assert URL in out
        assert "127.0.0.1" not in out
        assert "//v1" not in out
        assert "accepts any from this machine" in out

    @pytest.mark.parametrize("client", CLIENTS)
    def test_has_every_file_and_step(self, client: str, capsys: pytest.CaptureFixture[str], home: Path) -> None:
        out = printed(capsys, client, "--router", URL)
        setup = setup_of(client, URL)
        for text in (*(file.text for file in setup.files), *setup.steps, setup.code.text if setup.code else ""):
            assert text in out
        for file in setup.files:
            assert f"~/{file.path.relative_to(home)}" in out

    def test_without_a_client_they_are_listed(self, capsys: pytest.CaptureFixture[str]) -> None:
        out = printed(capsys)
        assert [client.name for client in CLIENTS.values() if f" {client.name} " not in out] == []

    def test_where_the_command_is_not_installed_it_says_what_to_type(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("POINTSMAN_STARTED_AS", "./scripts/run")
        assert cli.main(["setup"]) == 0
        assert "type ./scripts/run instead of pointsman" in capsys.readouterr().out

    def test_as_json_for_programs(self, capsys: pytest.CaptureFixture[str]) -> None:
        found = json.loads(printed(capsys, "claude-code", "--json", "--router", URL, "--key", "k"))
        assert found["env"]["ANTHROPIC_AUTH_TOKEN"] == "k"
        assert json.loads(found["files"][0]["text"]) == found["files"][0]["content"]
        assert found["start"] == ["claude"]

    @pytest.mark.parametrize(
        ("given", "title"),
        [("Claude Code", "Claude Code"), ("gemini", "Gemini CLI"), ("copilot", "VS Code"), ("VS Code", "VS Code")],
    )
    def test_a_client_is_known_by_what_people_call_it(
        self, capsys: pytest.CaptureFixture[str], given: str, title: str
    ) -> None:
        assert printed(capsys, given).startswith(f"# {title}")

    def test_an_unknown_client_gets_a_list_of_the_known_ones(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            cli.main(["setup", "emacs"])
        assert "claude-code" in capsys.readouterr().err

    def test_an_address_that_is_none_is_refused(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            cli.main(["setup", "codex", "--router", "ftp://localhost:8080"])
        assert "--router: 'ftp://localhost:8080' is not an address such as 127.0.0.1:8080" in capsys.readouterr().err


class TestKey:
    def test_of_the_router_is_not_printed_but_named(self, capsys: pytest.CaptureFixture[str], home: Path) -> None:
        configured(home, server={"client_key": "client-secret-1"})
        out = printed(capsys, "opencode")
        assert f'"apiKey": "{PLACEHOLDER}"' in out
        assert f"put the value of server.client_key in the place of {PLACEHOLDER}" in out
        assert "client-secret-1" not in out

    def test_of_the_router_is_written(self, capsys: pytest.CaptureFixture[str], home: Path) -> None:
        configured(home, server={"client_key": "client-secret-1"})
        out = printed(capsys, "opencode", "--write")
        assert '"apiKey": "client-secret-1"' in (home / ".config/opencode/opencode.json").read_text()
        assert "client-secret-1" not in out

    @pytest.mark.parametrize("by_variable", [True, False])
    def test_that_is_given_is_used(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, by_variable: bool
    ) -> None:
        monkeypatch.setenv("POINTSMAN_KEY", "mine" if by_variable else "other")
        out = printed(capsys, "opencode", *([] if by_variable else ["--key", "mine"]))
        assert '"apiKey": "mine"' in out
        assert "accepts any" not in out

    def test_an_invalid_configuration_stops_nothing(self, capsys: pytest.CaptureFixture[str], home: Path) -> None:
        (home / "pointsman.yaml").write_text("providers: 3")
        assert '"apiKey": "any"' in printed(capsys, "opencode")


class TestAliases:
    def test_that_the_router_lacks_are_named(self, capsys: pytest.CaptureFixture[str], home: Path) -> None:
        configured(home)
        out = printed(capsys, "codex")
        assert "does not know the model gpt-5.5. Add to it: routing: {aliases: {gpt-5.5: auto-smart}}" in out

    @pytest.mark.parametrize(
        "routing", [{"aliases": {"gpt-5.5": "auto-fast"}}, {"unknown_model": "auto"}], ids=["alias", "unknown_model"]
    )
    def test_that_the_router_offers_are_not(
        self, capsys: pytest.CaptureFixture[str], home: Path, routing: dict[str, Any]
    ) -> None:
        configured(home, routing=routing)
        assert "Add to it: routing" not in printed(capsys, "codex")


class TestWritten:
    def test_and_taken_back(self, capsys: pytest.CaptureFixture[str], home: Path) -> None:
        settings = home / ".claude" / "settings.json"
        settings.parent.mkdir()
        settings.write_text('{"model": "opus"}')
        out = printed(capsys, "claude-code", "--write")
        assert f"{settings}: written (the former content is in {settings}.pointsman-backup)" in out
        assert json.loads(settings.read_text())["model"] == "opus"
        assert f"{settings}: already set up\n" in printed(capsys, "claude-code", "--write")
        assert printed(capsys, "claude-code", "--undo") == f"{settings}: restored\n"
        assert settings.read_text() == '{"model": "opus"}'
        assert os.listdir(settings.parent) == ["settings.json"]
        assert "Nothing to undo" in printed(capsys, "claude-code", "--undo")

    def test_a_file_with_comments_is_left_alone(self, capsys: pytest.CaptureFixture[str], home: Path) -> None:
        settings = home / ".config" / "zed" / "settings.json"
        settings.parent.mkdir(parents=True)
        settings.write_text('{\n  // mine\n  "theme": "One Dark"\n}\n')
        printed(capsys, "zed")
        assert cli.main(["setup", "zed", "--write"]) == 1
        error = capsys.readouterr().err
        assert f"{settings} has comments or trailing commas, which would be lost; nothing was written" in error
        assert "add by hand what is printed without --write" in error
        assert settings.read_text() == '{\n  // mine\n  "theme": "One Dark"\n}\n'

    @pytest.mark.parametrize("client", [name for name, client in CLIENTS.items() if not client.files])
    def test_where_there_is_no_file_it_says_so(self, client: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert "has no file to write" in printed(capsys, client, "--write", status=1)


@pytest.mark.parametrize("client", ["openai", "anthropic", "google-genai"])
async def test_a_program_works_as_printed(client: str, tmp_path: Path) -> None:
    async with (
        Provider(behaviours.answer("All aboard"), name="p") as answering,
        running(tmp_path, {"p": provider(answering.base_url, "m")}) as router,
    ):
        code = setup_of(client, router.url).code
        assert code
        program = await asyncio.create_subprocess_exec(sys.executable, "-c", code.text, stdout=subprocess.PIPE)
        out, _ = await program.communicate()
    assert (program.returncode, out.decode().strip()) == (0, "All aboard")
