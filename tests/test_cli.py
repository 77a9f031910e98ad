"""The `pointsman` command: which arguments mitmproxy is given, and who has the last word on them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from mitmproxy import options
from mitmproxy.tools import cmdline
from mitmproxy.tools import main as tools
from mitmproxy.tools.web.master import WebMaster

import pointsman
from pointsman import cli

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    """Records (tool, arguments) in place of starting mitmproxy."""
    starts: list[tuple[str, list[str]]] = []
    monkeypatch.setattr("sys.argv", ["pointsman"])
    monkeypatch.setattr(tools, "mitmweb", lambda arguments: starts.append(("mitmweb", arguments)))
    monkeypatch.setattr(tools, "mitmdump", lambda arguments: starts.append(("mitmdump", arguments)))
    return starts


class TestDispatch:
    @pytest.mark.parametrize(
        ("argv", "tool", "passed_on"),
        [
            ([], "mitmweb", []),
            (["-p", "9000"], "mitmweb", ["-p", "9000"]),
            (["web"], "mitmweb", []),
            (["web", "--help"], "mitmweb", ["--help"]),
            (["dump"], "mitmdump", []),
            (["dump", "-q", "~u chat"], "mitmdump", ["-q", "~u chat"]),
            (["--dump", "-p", "9000"], "mitmdump", ["-p", "9000"]),
        ],
    )
    def test_starts_the_tool_with_the_users_arguments_last(
        self, started: list[tuple[str, list[str]]], argv: list[str], tool: str, passed_on: list[str]
    ) -> None:
        assert cli.main(argv) == 0
        [(tool_started, arguments)] = started
        assert tool_started == tool
        assert arguments[len(arguments) - len(passed_on) :] == passed_on

    def test_reads_the_processs_arguments_by_default(
        self, started: list[tuple[str, list[str]]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sys.argv", ["pointsman", "dump", "-q"])
        cli.main()
        assert [(tool, arguments[-1]) for tool, arguments in started] == [("mitmdump", "-q")]

    def test_an_unknown_command_is_refused_by_name(
        self, started: list[tuple[str, list[str]]], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert cli.main(["dumb"]) == 2
        assert "unknown command 'dumb'" in capsys.readouterr().err
        assert started == []

    @pytest.mark.parametrize("flag", ["-h", "--help"])
    def test_help_names_every_command(self, flag: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert cli.main([flag]) == 0
        listed = re.findall(r"^  (\w+)  ", capsys.readouterr().out, re.MULTILINE)
        assert listed == list(cli.COMMANDS)

    def test_version_names_pointsman_and_mitmproxy(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert cli.main(["--version"]) == 0
        assert re.match(rf"pointsman {pointsman.__version__} \(mitmproxy 12\.\S+, Python 3\.", capsys.readouterr().out)

    def test_the_version_is_the_distributions(self) -> None:
        project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
        assert project["version"] == pointsman.__version__


def options_after(user: list[str]) -> options.Options:
    """mitmweb's options as mitmproxy itself reads them from Pointsman's and the user's arguments."""
    chosen = options.Options()
    WebMaster(chosen, with_termlog=False)
    parser = cmdline.mitmweb(chosen)  # type: ignore[no-untyped-call]
    arguments = parser.parse_args(cli.mitmproxy_arguments(cli.WEB_DEFAULTS, user))
    chosen.set(*arguments.setoptions, defer=True)
    arguments.scripts = None  # which files are loaded is not the matter here
    tools.process_options(parser, chosen, arguments)  # type: ignore[no-untyped-call]
    return chosen


class TestArgumentsForMitmproxy:
    async def test_defaults(self) -> None:
        chosen = options_after([])
        assert chosen.listen_host == "127.0.0.1"
        assert chosen.connection_strategy == "lazy"
        assert chosen.web_open_browser is False

    @pytest.mark.parametrize(
        ("user", "option", "expected"),
        [
            (["--listen-host", "0.0.0.0"], "listen_host", "0.0.0.0"),
            (["--listen-host=0.0.0.0"], "listen_host", "0.0.0.0"),
            (["--set", "listen_host=0.0.0.0"], "listen_host", "0.0.0.0"),
            (["--set=listen_host=0.0.0.0"], "listen_host", "0.0.0.0"),
            (["--set", "connection_strategy=eager"], "connection_strategy", "eager"),
            (["--web-open-browser"], "web_open_browser", True),
            (["--no-web-open-browser"], "web_open_browser", False),
            (["--set", "web_open_browser"], "web_open_browser", True),
            (["--set", "web_open_browser=true"], "web_open_browser", True),
        ],
    )
    async def test_the_users_arguments_win(self, user: list[str], option: str, expected: object) -> None:
        assert getattr(options_after(user), option) == expected

    async def test_a_default_stays_when_the_user_sets_something_of_a_similar_name(self) -> None:
        assert options_after(["--set", "web_host=127.0.0.2"]).listen_host == "127.0.0.1"

    def test_mitmdump_is_given_nothing_of_mitmwebs(self) -> None:
        assert not any("web" in argument for argument in cli.mitmproxy_arguments(cli.DEFAULTS, [])[2:])


class TestScriptPath:
    def test_a_checkouts_script_lies_beside_the_package(self) -> None:
        assert cli.script_path() == REPOSITORY / "addon" / "main.py"
        assert cli.script_path().is_file()

    def test_an_installed_packages_script_lies_inside_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        package = tmp_path / "pointsman"
        script = package / "script" / "main.py"
        script.parent.mkdir(parents=True)
        script.touch()
        monkeypatch.setattr(cli, "__file__", str(package / "cli.py"))
        (tmp_path / "main.py").touch()  # of another addon
        assert cli.script_path() == script
