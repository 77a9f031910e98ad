"""`--workers N` among mitmproxy's arguments."""

from pathlib import Path

import pytest

from pointsman.workers.arguments import WorkerArguments, WrongArguments, config_named, listening, workers_of
from pointsman.workers.this_worker import VARIABLE, is_first, own_file, worker_number


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], (1, [])),
        (["-p", "9000"], (1, ["-p", "9000"])),
        (["--workers", "4", "-p", "9000"], (4, ["-p", "9000"])),
        (["-p", "9000", "--workers=2", "-q"], (2, ["-p", "9000", "-q"])),
    ],
)
def test_the_number_is_taken_out(arguments: list[str], expected: tuple[int, list[str]]) -> None:
    assert workers_of(arguments) == expected


@pytest.mark.parametrize(
    "given", [["--workers"], ["--workers", "-p"], ["--workers=0"], ["--workers=65"], ["--workers=²"]]
)
def test_a_wrong_number_is_named(given: list[str]) -> None:
    with pytest.raises(WrongArguments, match="--workers needs a number from 1 to 64"):
        workers_of(given)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], ("127.0.0.1", 8080)),
        (["-p", "9000"], ("127.0.0.1", 9000)),
        (["--listen-port=9000", "--listen-host", "0.0.0.0"], ("0.0.0.0", 9000)),
        (["--set", "listen_port=9000", "--set=listen_host=::1"], ("::1", 9000)),
        (["-p", "1", "-p", "2"], ("127.0.0.1", 2)),
    ],
)
def test_where_they_listen(given: list[str], expected: tuple[str, int]) -> None:
    assert listening(given) == expected


@pytest.mark.parametrize(
    "given", [["-p", "0"], ["-p", "x"], ["-m", "regular@9000"], ["--set", "mode=reverse:http://a@1"]]
)
def test_one_port_must_be_known(given: list[str]) -> None:
    with pytest.raises(WrongArguments, match="--workers needs"):
        listening(given)


def test_the_configuration_file_is_found() -> None:
    assert config_named(["-q", "--set", "pointsman_config=a.yaml"]) == "a.yaml"
    assert config_named(["-q"]) is None


def test_the_first_worker_alone_has_the_web_interface_and_writes_files() -> None:
    given = ("--web-port", "8081", "--no-web-open-browser", "-w", "flows", "--set", "flow_detail=0", "--web-host=::1")
    arguments = WorkerArguments(2, "web", given, "127.0.0.1", 8080)
    assert arguments.of_worker(1) == ["web", *given]
    assert arguments.of_worker(2) == ["dump", "--set", "flow_detail=0"]


def test_each_worker_has_files_of_its_own() -> None:
    path = Path("data/history.db")
    assert [own_file(path, {VARIABLE: number}).name for number in ("", "1", "2", "x", "0")] == [
        "history.db",
        "history.db",
        "history-2.db",
        "history.db",
        "history.db",
    ]
    assert (worker_number({}), worker_number({VARIABLE: "3"})) == (None, 3)
    assert (is_first({}), is_first({VARIABLE: "1"}), is_first({VARIABLE: "2"})) == (True, True, False)
