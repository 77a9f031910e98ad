"""`pointsman setup CLIENT` prints what the documentation says."""

from pathlib import Path

import pytest

from pointsman import cli
from pointsman.commands.setup import CLIENTS

DOCUMENTATION = (Path(__file__).parents[2] / "docs" / "clients.md").read_text()


@pytest.mark.parametrize("client", CLIENTS)
def test_the_settings_lead_to_the_router(client: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["setup", client, "--router", "http://router.test:9999/"]) == 0
    out = capsys.readouterr().out
    assert "http://router.test:9999" in out
    assert "127.0.0.1" not in out
    assert "//v1" not in out


@pytest.mark.parametrize("client", [client for client in CLIENTS if client != "cline"])  # which is set up by hand
def test_the_documentation_says_the_same(client: str) -> None:
    assert CLIENTS[client].settings in DOCUMENTATION


def test_every_client_of_the_documentation_is_there() -> None:
    names = {line.removeprefix("## ") for line in DOCUMENTATION.splitlines() if line.startswith("## ")}
    assert {client.name for client in CLIENTS.values()} == names


def test_an_unknown_client_is_told_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["setup", "emacs"])
    assert "claude-code" in capsys.readouterr().err
