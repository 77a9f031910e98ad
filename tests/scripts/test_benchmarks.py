"""The benchmarks: their figures are what they say, and a wrong answer is no fast answer."""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import fields, replace
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "scripts"))

from benchmarks import __main__ as command
from benchmarks import chunked, peers, processes, provider
from benchmarks.ab_rounds import Rounds
from benchmarks.figures import Figure, Report, Spread, document, table
from benchmarks.load import Window, WrongAnswer, run, text
from benchmarks.scenarios import SCENARIOS, converted, patches, routing, sessions, steps, streams
from benchmarks.scenarios import peers as peers_scenario
from benchmarks.testbed import HERE, ROUTER, Server, Versions

from pointsman.transport.mitm_patches.switches import ALL, Switches, switches
from support import h2server
from support.certificate_authority import CertificateAuthority
from support.time_limit import LONGEST

EVENTS = provider.events(6, 80)
BODY = b"".join(EVENTS)


@asynccontextmanager
async def answering(answer: list[bytes]) -> AsyncIterator[int]:
    """The port of a provider that answers so."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: provider.Answering(answer, 0), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def one_stream_each(port: int, connections: int = 1) -> Window:
    """A window that is over at once, so that every connection sends one request."""
    return Window(port, connections, 0, (streams.request(0), streams.request(1)), BODY.decode())


class TestFigures:
    def test_a_ratio_is_taken_within_its_round(self):
        assert Figure("", "", router=[10, 40], bare=[5, 10]).ratios() == [2, 4]

    @pytest.mark.parametrize(("router", "bare"), [([None, 40], [5, 10]), ([10, 40], [None, 10]), ([10, 40], [0, 10])])
    def test_a_pair_that_is_not_complete_makes_no_ratio(self, router, bare):
        assert Figure("", "", router, bare).ratios() == [4]

    def test_a_round_without_an_opponent_is_an_error(self):
        with pytest.raises(ValueError, match="shorter"):
            Figure("", "", router=[1, 2], bare=[1]).ratios()

    def test_a_spread_is_the_median_between_the_extremes(self):
        assert Spread.of([5, 1, 2]) == Spread(median=2, low=1, high=5)
        assert Spread.of([]) is None

    def test_the_table_has_medians_and_the_ratio_with_its_range(self):
        figures = [Figure("16 connections", "streams/s", [100, 300, 200], [100, 100, 100])]
        name, columns, row = table("streams", Report("as usual", figures))
        assert name == "streams: as usual"
        assert columns.split() == ["router", "bare", "ratio", "range"]
        assert row.split() == ["16", "connections", "streams/s", "200", "100", "2.00", "1.00", "–", "3.00"]

    def test_a_figure_that_the_system_does_not_give_is_a_dash(self):
        *_, row = table("streams", Report("", [Figure("1 connection", "cpu", [None], [None])]))
        assert row.split() == ["1", "connection", "cpu", "–", "–"]

    def test_the_table_ends_with_the_warnings(self):
        *_, last = table("streams", Report("", [], ["too slow"]))
        assert last == "warning: too slow"

    def test_the_document_has_every_round_and_is_json(self):
        report = Report("as usual", [Figure("1 connection", "streams/s", [2, 6], [1, None])])
        scenario = json.loads(json.dumps(document({"cpus": 2}, {"streams": report})))["scenarios"]["streams"]
        assert scenario["figures"] == [
            {
                "setting": "1 connection",
                "figure": "streams/s",
                "router": [2, 6],
                "bare": [1, None],
                "ratios": [2],
                "ratio": {"median": 2, "low": 2, "high": 2},
            }
        ]

    def test_another_version_has_columns_of_its_own(self):
        compared = Figure("1 connection", "streams/s", [100, 200], [100, 100], [200, 100])
        alone = Figure("1 connection", "memory", [1, 1], [1, 1])
        _, columns, row, without = table("streams", Report("", [compared, alone]))
        assert columns.split() == ["router", "bare", "ratio", "range", "other", "router/other", "range"]
        assert row.split()[-5:] == ["150", "1.25", "0.50", "–", "2.00"]
        assert without.split()[-4:] == ["1.00", "1.00", "–", "1.00"]

    def test_another_version_is_in_the_document(self):
        data = Figure("", "", router=[2, 6], bare=[1, 1], other=[4, None]).as_data()
        assert data["other"] == [4, None]
        assert data["other_ratios"] == [0.5]
        assert data["other_ratio"] == {"median": 0.5, "low": 0.5, "high": 0.5}


class TestChunked:
    def test_what_is_encoded_is_decoded(self):
        message = (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            + chunked.encode(b"ab")
            + chunked.encode(b"c" * 300)
        )
        assert chunked.decode(message + chunked.END) == b"ab" + b"c" * 300

    @pytest.mark.parametrize(
        "message",
        [
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nab",
        ],
        ids=["not chunked", "a wrong size", "no size"],
    )
    def test_anything_else_is_refused(self, message):
        with pytest.raises(ValueError, match=r"chunk|int\(\)"):
            chunked.decode(message)


class TestProvider:
    def test_its_events_are_as_many_and_as_long_as_asked_for(self):
        events = provider.events(64, 80)
        assert len(events) == 64
        assert {len(event) for event in events[:-2]} == {80}
        assert json.loads(events[0].removeprefix(b"data: "))["choices"][0]["delta"]["content"]

    @pytest.mark.parametrize(("size", "count"), [(1, 6), (4, 2), (6, 1), (100, 1)])
    def test_bursts_make_up_the_whole_answer(self, size, count):
        bursts = provider.bursts(EVENTS, size)
        assert len(bursts) == count
        assert chunked.decode(b"".join(bursts)) == BODY


class TestLoad:
    @pytest.mark.parametrize("connections", [1, 5])
    async def test_every_connection_gets_the_answer(self, connections):
        async with answering(provider.bursts(EVENTS, 2)) as port:
            outcome = await run(one_stream_each(port, connections))
        assert outcome.streams == connections
        assert 0 < outcome.first_byte <= outcome.seconds

    async def test_a_connection_is_used_again_until_the_time_is_up(self):
        async with answering(provider.bursts(EVENTS, 2)) as port:
            window = Window(port, 1, 0.05, (streams.request(0),), BODY.decode())
            outcome = await run(window)
        assert outcome.streams > 1
        assert outcome.seconds >= window.seconds

    @pytest.mark.parametrize(
        ("answer", "complaint"),
        [
            (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "begins with b'HTTP/1.1 503"),
            (b"".join(provider.bursts(EVENTS[1:], 2)), "differs from what the provider sent"),
            (provider.HEAD + chunked.encode(BODY + b"more") + chunked.END, "differs from what the provider sent"),
        ],
        ids=["an error", "an event lost", "an event too many"],
    )
    async def test_a_wrong_answer_ends_it(self, answer, complaint):
        async with answering([answer]) as port:
            with pytest.raises(WrongAnswer, match=complaint):
                await run(one_stream_each(port))

    async def test_a_connection_that_breaks_ends_it(self):
        async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(provider.HEAD)
            writer.close()

        async with await asyncio.start_server(break_off, "127.0.0.1", 0) as server:
            with pytest.raises(WrongAnswer, match=f"closed after {len(provider.HEAD)} bytes"):
                await run(one_stream_each(server.sockets[0].getsockname()[1]))

    @pytest.mark.parametrize("n", [0, 7, 63])
    def test_a_request_has_the_size_that_the_report_names(self, n):
        head, _, body = streams.request(n).partition("\r\n\r\n")
        assert len(body) == streams.REQUEST_BYTES
        assert f"Content-Length: {len(body)}" in head
        assert json.loads(body)["stream"] is True


OTHER_EVENTS = [
    event.replace(b'{"id":"1",', b'{"object":"chat.completion.chunk", "id":"chatcmpl-2",') for event in EVENTS
]
WHOLE = provider.whole(200)


class TestOtherForms:
    """Answers of proxies that write the same text in a form of their own."""

    def test_the_text_is_that_of_all_choices(self):
        assert text(BODY.decode()) == text(b"".join(OTHER_EVENTS).decode()) == "x" * 4 * 15
        assert text(WHOLE.decode()) == "x" * 200

    @pytest.mark.parametrize(
        "answer",
        [
            provider.HEAD + b"".join(map(chunked.encode, OTHER_EVENTS)) + chunked.END,
            provider.HEAD + chunked.encode(BODY.replace(b'{"id":"1",', b"{")) + chunked.END,
        ],
        ids=["longer events", "shorter events in one chunk"],
    )
    async def test_a_stream_with_the_same_text_is_right(self, answer):
        async with answering([answer]) as port:
            window = Window(port, 2, 0.05, (streams.request(0),), BODY.decode(), exact=False)
            assert (await run(window)).streams > 2
            with pytest.raises(WrongAnswer, match="differs"):
                await run(replace(window, exact=True))

    @pytest.mark.parametrize(
        "answer",
        [provider.framed(WHOLE.replace(b":", b": ")), provider.HEAD + chunked.encode(WHOLE) + chunked.END],
        ids=["with a length", "chunked"],
    )
    async def test_a_whole_answer_with_the_same_text_is_right(self, answer):
        async with answering([answer[:200], answer[200:]]) as port:
            window = Window(port, 2, 0.05, (streams.request(0),), WHOLE.decode(), whole=True, exact=False)
            assert (await run(window)).streams > 2

    @pytest.mark.parametrize(
        ("answer", "expected"),
        [
            (b"".join(provider.bursts(EVENTS[1:], 2)), BODY),
            (provider.framed(provider.whole(199)), WHOLE),
            (provider.framed(b"no JSON"), WHOLE),
        ],
        ids=["an event lost", "a shorter text", "something else"],
    )
    async def test_another_text_ends_it(self, answer, expected):
        async with answering([answer]) as port:
            window = Window(port, 1, 0, (streams.request(0),), expected.decode(), expected is WHOLE, exact=False)
            with pytest.raises(WrongAnswer, match="has another text than the provider sent"):
                await run(window)


class TestLoadOverHttp2:
    @pytest.mark.parametrize(("connections", "streams_each"), [(1, 1), (1, 4), (3, 2)])
    async def test_every_stream_gets_the_answer(self, tmp_path, connections, streams_each):
        async with h2server.answering(h2server.Answer(EVENTS), CertificateAuthority(tmp_path)) as port:
            outcome = await run(replace(one_stream_each(port, connections), streams=streams_each))
        assert outcome.streams == connections * streams_each
        assert 0 < outcome.first_byte <= outcome.seconds

    async def test_a_connection_is_used_again_until_the_time_is_up(self, tmp_path):
        async with h2server.answering(h2server.Answer(EVENTS), CertificateAuthority(tmp_path)) as port:
            outcome = await run(replace(one_stream_each(port), seconds=0.05, streams=2))
        assert outcome.streams > 2
        assert outcome.seconds >= 0.05

    @pytest.mark.parametrize(
        ("answer", "complaint"),
        [
            (h2server.Answer((), status=503), "begins with .*503"),
            (h2server.Answer(EVENTS[1:]), f"has {len(BODY) - len(EVENTS[0])} bytes instead of {len(BODY)}"),
            (h2server.Answer((BODY[::-1],)), "differs from what the provider sent"),
            (h2server.Answer(EVENTS[:1], resets=True), f"reset after {len(EVENTS[0])} bytes"),
            (h2server.Answer(EVENTS[:1], closes=True), f"closed after {len(EVENTS[0])} bytes of 1 answers"),
        ],
        ids=["an error", "an event lost", "other words", "a reset", "a connection that breaks"],
    )
    async def test_a_wrong_answer_ends_it(self, tmp_path, answer, complaint):
        async with h2server.answering(answer, CertificateAuthority(tmp_path)) as port:
            with pytest.raises(WrongAnswer, match=complaint):
                await run(replace(one_stream_each(port), streams=1))

    async def test_a_server_that_closes_at_once_ends_it(self, tmp_path):
        async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        async with await asyncio.start_server(
            close, "127.0.0.1", 0, ssl=CertificateAuthority(tmp_path).server()
        ) as server:
            with pytest.raises(ConnectionError):
                await run(replace(one_stream_each(server.sockets[0].getsockname()[1]), streams=1))


class TestConverted:
    def test_a_request_is_as_long_as_one_of_the_providers_dialect(self):
        body = converted.request(7).partition("\r\n\r\n")[2]
        assert len(body) == streams.REQUEST_BYTES
        assert json.loads(body)["stream"] is True

    def test_every_event_is_reported(self):
        told = converted.converted_stream(EVENTS)
        assert told.count(b"event: content_block_delta\n") == len(EVENTS) - 2
        assert told.endswith(b'event: message_stop\ndata: {"type":"message_stop"}\n\n')


class TestSessions:
    def test_a_request_has_the_size_that_the_report_names(self):
        document = sessions.request(7)
        assert len(document["messages"]) == sessions.MESSAGES
        assert len(json.dumps(document)) == sessions.REQUEST_BYTES

    def test_every_session_is_there_and_as_large_as_a_session_becomes(self):
        own, traced = sessions.filled(20)
        found = list(own._store)
        assert len(found) == 20
        assert {(len(each.boundaries), len(each.further_names)) for each in found} == {
            (sessions.MAX_BOUNDARIES, sessions.MAX_FURTHER_NAMES)
        }
        assert all(each.pin and each.exchange for each in found)
        assert traced > 20 * 1000

    def test_what_should_be_known_is_and_what_should_be_new_is(self):
        own, _ = sessions.filled(1)
        rounds = sessions.times(own, Rounds(count=2, seconds=0.03, warm_up=0))
        assert {name: len(times) for name, times in rounds.items()} == {
            "known by its messages": 2,
            "messages of a new one": 2,
            "known by a header": 2,
        }
        assert own.stats(0.0)["insertions"] > 3


class TestRouting:
    def test_the_tables_are_as_full_as_the_report_says(self):
        router = (yard := routing.FullRouter()).router
        cooldown = router.cooldowns_to_dict(yard.now, 0.0)
        assert [len(router.inventory.targets), len(cooldown["targets"]), len(cooldown["keys"])] == [500, 150, 50]
        assert router.sessions.stats(yard.now)["active_sessions"] == routing.SESSIONS
        assert all(taken >= 0 for pinned in (True, False) for taken in yard.exchange(pinned))

    async def test_each_figure_has_a_value_for_each_round(self):
        report = await routing.run(Rounds(count=2, seconds=0.02, warm_up=0), Versions())
        assert {len(figure.router) for figure in report.figures} == {2}
        assert {figure.setting for figure in report.figures} == {"pinned session", "new session"}


@pytest.fixture
def checkout(tmp_path):
    """A copy of this version that notes in `imported-in` which contestant imports it."""
    addon = tmp_path / "checkout" / "addon"
    shutil.copytree(ROUTER.parent, addon, ignore=shutil.ignore_patterns("__pycache__"))
    with (addon / "pointsman" / "addon.py").open("a") as module:
        module.write("\nwith Path(__file__).parents[2].joinpath('imported-in').open('a') as note:\n")
        module.write("    note.write(Path.cwd().name)\n")
    return addon.parent


class TestSteps:
    async def test_they_are_counted_for_each_answer(self, monkeypatch):
        monkeypatch.setattr(steps, "CASES", (streams.Case(1, events=0, event_bytes=100, name="whole"),))
        report = await steps.run(Rounds(1, 0.1, 0.1), Versions())
        (figure,) = report.figures
        assert min(*figure.router, *figure.bare) > 1000


class TestAnotherVersion:
    async def test_it_takes_part_in_every_round_with_its_own_package(self, checkout):
        versions = Versions(other=checkout / "addon" / "main.py")
        report = await streams.run((streams.Case(2),), "as usual", Rounds(3, 0.1, 0.1), versions)
        assert {figure.name for figure in report.figures if len(figure.other) == 3} == {
            "streams/s",
            "first byte, ms",
            "cpu per stream, ms",
        }
        assert len(report.figures[0].other_ratios()) == 3
        assert (checkout / "imported-in").read_text() == "other"

    async def test_one_that_does_not_start_is_reported_with_its_log(self, checkout):
        (checkout / "addon" / "main.py").write_text("raise SystemExit('no such version')")
        versions = Versions(other=checkout / "addon" / "main.py")
        with pytest.raises(processes.ProcessFailed, match=r"other: (.|\n)*no such version"):
            await streams.run((streams.Case(1),), "", Rounds(1, 0, 0), versions)

    def test_the_command_runs_the_scenarios_that_can_compare(self, checkout):
        given = command.parse(["--against", str(checkout)])
        assert command.versions(given) == Versions(ROUTER, checkout / "addon" / "main.py")
        assert {"streams", "answers", "paced", "whole", "large", "http2", "failover", "long", "steps"} == set(
            command.COMPARING
        )
        assert SCENARIOS.keys() > set(command.COMPARING)

    @pytest.mark.parametrize(
        ("arguments", "complaint"),
        [
            (["--against", str(HERE)], "not a checkout of this project, there is no addon/main.py in it"),
            (["idle", "--against", str(ROUTER.parent.parent)], "idle cannot compare two versions; these scenarios can"),
        ],
        ids=["not a checkout", "a scenario without it"],
    )
    def test_what_cannot_be_compared_is_refused(self, capsys, arguments, complaint):
        with pytest.raises(SystemExit):
            command.parse(arguments)
        assert complaint in capsys.readouterr().err


class TestPatches:
    def test_only_patches_that_have_a_switch_are_measured(self):
        assert patches.CASES.keys() <= {ALL, *(each.name for each in fields(Switches))}

    async def test_one_router_has_all_patches_and_the_other_all_but_one(self, checkout, monkeypatch):
        with (checkout / "addon" / "pointsman" / "addon.py").open("a") as module:
            module.write("    note.write(f' without {os.environ[\"POINTSMAN_PATCHES_OFF\"]!r};')\n")
        monkeypatch.setattr(patches, "CASES", {"hook_cache": (streams.Case(2, name="bursts"),)})
        report = await patches.run(Rounds(2, 0.1, 0.1), Versions(checkout / "addon" / "main.py"))
        started = sorted((checkout / "imported-in").read_text().split(";"))  # whichever was the first
        assert started == ["", "with without ''", "without without 'hook_cache'"]
        assert {len(figure.bare) for figure in report.figures if figure.name != "peak memory, MiB"} == {2}

    def test_a_head_is_made_with_and_without_the_check(self, monkeypatch):
        seen = []
        monkeypatch.setattr(patches, "HEADS", 1)
        monkeypatch.setattr(patches, "new_response", lambda *_: seen.append(switches().unchecked_response))
        assert patches.head_time("") > 0
        assert patches.head_time("unchecked_response") > 0
        assert seen == [True, False]


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


class TestPeers:
    def test_peers_are_found_in_their_folders(self, tmp_path, monkeypatch):
        monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
        package = tmp_path / "node" / "node_modules" / "@portkey-ai" / "gateway"
        (tmp_path / "node" / "node_modules" / ".bin").mkdir(parents=True)
        program = tmp_path / "node" / "node_modules" / ".bin" / "gateway"
        program.symlink_to(script(package / "build" / "server.js", "exit 0"))
        (package / "package.json").write_text('{"version": "1.2.3"}')
        environment = tmp_path / "environment" / "bin"
        script(environment / "litellm", "exit 0")
        script(environment / "python", 'test "$3" = litellm && echo 4.5')
        found = {each.peer.name: (each.program, each.version) for each in peers.installed([tmp_path])}
        assert found == {"Portkey": (program, "1.2.3"), "LiteLLM": (environment / "litellm", "4.5")}
        assert [each.peer.name for each in peers.installed([tmp_path / "environment"])] == ["LiteLLM"]
        assert not list(peers.installed([]))

    def test_a_program_of_that_name_from_elsewhere_is_no_peer(self, tmp_path, monkeypatch):
        monkeypatch.setenv("PATH", str(script(tmp_path / "gateway", "exit 0").parent))
        assert not list(peers.installed([]))

    async def test_the_table_has_bare_mitmdump_and_says_what_is_missing_or_fails(self, tmp_path, monkeypatch):
        program = script(tmp_path / "broken" / "bin" / "broken", "echo no wish; exit 3")
        script(program.with_name("python"), "echo 9")
        broken = peers.Peer("Broken", "broken", "broken", lambda program, *_: (program,), "pip install broken")
        absent = peers.Peer("Absent", "absent", "absent", lambda program, *_: (program,), "pip install absent")
        monkeypatch.setattr(peers, "PEERS", (broken, absent))
        monkeypatch.setattr(peers_scenario, "GROUPS", {"burst": peers_scenario.Group("two", (streams.Case(2),))})
        choice = peers_scenario.Choice(("burst",), [tmp_path])
        report = await peers_scenario.run(Rounds(2, 0.1, 0.1), Versions(), choice)
        _, _, head, _, rate, cpu, _, warning, _, missing = table("peers", report)
        assert head.startswith("| case | ÷ bare mitmdump ")
        assert head.endswith(" | ÷ Broken 9 |")
        assert rate.startswith("| two: answers/s | ")
        assert all(float(row.split(" | ")[1]) > 0 for row in (rate, cpu))
        assert all(row.endswith(" | failed |") for row in (rate, cpu))
        assert warning == "- Broken, 2 connections: Broken: ended with status 3 no wish"
        assert missing.startswith("Absent is not installed: `pip install absent`, then")
        assert len(report.figures[0].router) == len(report.figures[0].ratios()) == 2

    async def test_a_start_is_compared_with_one_of_bare_mitmdump(self, monkeypatch):
        monkeypatch.setattr(peers, "PEERS", ())
        report = await peers_scenario.run(Rounds(1, 0.1, 0.1), Versions(), peers_scenario.Choice(("start",)))
        *_, first_answer, memory = table("peers", report)
        assert first_answer.startswith("| start to first answer | ")
        assert memory.endswith(" MiB) |")

    def test_only_cases_that_there_are_can_be_chosen(self, capsys):
        assert command.parse(["peers", "--cases", "whole", "start"]).cases == ["whole", "start"]
        with pytest.raises(SystemExit):
            command.parse(["peers", "--cases", "holes"])
        assert "'holes' (choose from" in capsys.readouterr().err


class TestProcesses:
    @pytest.mark.parametrize(
        ("cputime", "seconds"),
        [
            ("0:01.25", 1.25),
            ("  12:03.50\n", 723.5),
            ("00:01:02", 62),
            ("2-01:00:00", 176_400),
            ("", None),
            ("-", None),
        ],
    )
    def test_processor_time_as_ps_writes_it(self, cputime, seconds):
        assert processes.from_ps(cputime) == seconds

    def test_the_processor_time_of_a_process_is_known_here(self):
        used = processes.cpu_seconds(os.getpid())
        assert used is not None
        assert used > 0

    async def test_what_a_server_starts_is_counted_with_it(self, tmp_path):
        worker = "subprocess.run([sys.executable, '-c', 'input()'], stdout=subprocess.DEVNULL)"
        work = f"import subprocess, sys; print('up', flush=True); {worker}"
        async with processes.child("parent", ["-c", work], dict(os.environ), tmp_path, reads=True) as process:
            await processes.read_line("parent", process, tmp_path, 30)
            async with asyncio.timeout(LONGEST):
                while len(found := Server("parent", 0, process).pids) < 2:
                    await asyncio.sleep(0.05)
            assert found[0] == process.pid
            assert Server("parent", 0, process).memory() > processes.memory(process.pid)
        async with asyncio.timeout(LONGEST):
            while processes.memory(found[1]):  # it ends with its server
                await asyncio.sleep(0.05)

    def test_a_process_that_is_not_there_has_none(self):
        assert processes.cpu_seconds(2**31 - 1) is None

    async def test_a_child_ends_with_its_context(self, tmp_path):
        wait_for_ever = ["-c", "import signal; signal.pause()"]
        async with processes.child("child", wait_for_ever, os.environ, tmp_path) as process:
            assert process.returncode is None
        assert process.returncode is not None

    async def test_a_child_ends_with_the_process_that_started_it(self, tmp_path):
        watch = "from benchmarks import parent_watch; parent_watch.exit_with_parent(); print('watching', flush=True)"
        scripts = {**os.environ, "PYTHONPATH": str(Path(processes.__file__).parent.parent)}
        command = ["-c", f"import signal; {watch}; signal.pause()"]
        async with processes.child("child", command, scripts, tmp_path, reads=True) as process:
            assert await processes.read_line("child", process, tmp_path, 10) == "watching\n"
            assert process.stdin
            process.stdin.close()
            assert await process.wait() == 0

    async def test_a_child_that_fails_is_reported_with_its_words(self, tmp_path):
        async with processes.child("child", ["-c", "raise SystemExit('no wish')"], os.environ, tmp_path) as process:
            with pytest.raises(processes.ProcessFailed, match="child: ended with status 1\nno wish"):
                await processes.wait_until_listening("child", process, processes.free_port(), tmp_path)
