"""mitmproxy's lines about clients that connect and disconnect, without those that only read own pages."""

import logging
from collections.abc import Iterator

import pytest

from pointsman.recording import connection_lines
from pointsman.recording.connection_lines import CONNECT, CONNECTION_LOGGER, DISCONNECT, ConnectionLines

ONE, OTHER = ("127.0.0.1", 1), ("127.0.0.1", 2)


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[ConnectionLines]:
    made = ConnectionLines()
    made.install()
    with caplog.at_level(logging.INFO, logger=CONNECTION_LOGGER):
        yield made
    made.remove()


def log(message: str, address: object = ONE, level: int = logging.INFO) -> None:
    logging.getLogger(CONNECTION_LOGGER).log(level, message, extra={"client": address})


def written(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_who_only_reads_own_pages_leaves_no_line(lines: ConnectionLines, caplog: pytest.LogCaptureFixture) -> None:
    log(CONNECT)
    lines.on_page(ONE)
    lines.on_page(ONE)
    log("Closing connection due to inactivity")
    log(DISCONNECT)
    assert written(caplog) == []
    log(CONNECT)  # the port is used again
    log(DISCONNECT)
    assert written(caplog) == [CONNECT, DISCONNECT]


def test_a_connection_with_another_request_keeps_both_lines(
    lines: ConnectionLines, caplog: pytest.LogCaptureFixture
) -> None:
    log(CONNECT)
    lines.on_page(ONE)
    lines.on_request(ONE)
    lines.on_page(ONE)
    log("server connect")
    log(DISCONNECT)
    assert written(caplog) == [CONNECT, "server connect", DISCONNECT]


def test_a_connection_without_a_request_keeps_both_lines(
    lines: ConnectionLines, caplog: pytest.LogCaptureFixture
) -> None:
    log(CONNECT)
    log(CONNECT, OTHER)
    log(DISCONNECT)
    assert written(caplog) == [CONNECT, DISCONNECT]
    assert caplog.records[0].client == ONE  # type: ignore[attr-defined]


def test_an_error_is_written_even_for_a_page(lines: ConnectionLines, caplog: pytest.LogCaptureFixture) -> None:
    log(CONNECT)
    lines.on_page(ONE)
    log("connection handler has crashed", level=logging.ERROR)
    assert written(caplog) == [CONNECT, "connection handler has crashed"]


def test_no_more_than_so_many_lines_wait(
    lines: ConnectionLines, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_lines, "MAX_HELD", 2)
    for port in range(3):
        log(CONNECT, ("127.0.0.1", port))
    assert [record.client for record in caplog.records] == [("127.0.0.1", 0)]  # type: ignore[attr-defined]


def test_what_waits_is_written_at_the_end(lines: ConnectionLines, caplog: pytest.LogCaptureFixture) -> None:
    log(CONNECT)
    lines.remove()
    assert written(caplog) == [CONNECT]
