"""The file of the ledger: what is written is read again, and a file at fault keeps no request from being served."""

import logging
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from pointsman import ledger_file
from pointsman.clients.budgets import MAX_SUM, Entry, Estimate, Ledger, SpanName, Totals, Window
from pointsman.config.clients import Budget
from pointsman.config.enums import BudgetPeriod
from pointsman.ledger_file import KEPT_SECONDS, LedgerFile, LedgerWriter
from pointsman.wire.frames import TOKEN_KINDS, Usage
from support.leak_checks import soon

DAY = 86_400.0
NOW = 20_000.5 * DAY
SPAN = SpanName(BudgetPeriod.DAY, "Europe/Berlin")


def window(cost: int, day: int = 20_000, client: str = "ci") -> Window:
    return Window(client, SPAN, day * DAY, (day + 1) * DAY, cost, 3)


def totals(requests: int, last_used: float = NOW) -> Totals:
    return Totals("ci", requests, dict(zip(TOKEN_KINDS, range(6), strict=True)), 60, 7, last_used)


def file_in(folder: Path) -> LedgerFile:
    return LedgerFile(folder / "data" / "ledger.db", wall=lambda: NOW)


def written(folder: Path, *entries: Entry) -> None:
    file = file_in(folder)
    file.read()
    file.put(entries)
    file.stop()


def read(folder: Path) -> list[tuple[object, ...]]:
    def told(entry: Entry) -> tuple[object, ...]:
        if isinstance(entry, Totals):
            return entry.client, entry.requests, entry.tokens, entry.cost, entry.unpriced, entry.last_used
        return entry.client, entry.span, entry.start, entry.end, entry.cost, entry.tokens

    return [told(entry) for entry in file_in(folder).read()]


CI = ("ci", 8, dict(zip(TOKEN_KINDS, range(6), strict=True)), 60, 7, NOW)
TODAY = ("ci", SPAN, 20_000 * DAY, 20_001 * DAY, 50, 3)


def test_the_last_sums_are_read_again(tmp_path: Path) -> None:
    written(tmp_path, window(40), totals(7), window(9, client="other"))
    written(tmp_path, window(50), totals(8))
    assert read(tmp_path) == [CI, TODAY, ("other", SPAN, 20_000 * DAY, 20_001 * DAY, 9, 3)]
    path = tmp_path / "data" / "ledger.db"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_numbers_that_no_provider_should_report_are_written_as_well(tmp_path: Path) -> None:
    ledger = Ledger()
    ledger.update_settings({"ci": (Budget.model_validate({"tokens": 100, "per": "day"}),)})
    account = ledger["ci"]
    account.count_request(NOW)
    account.settle(account.reserve(Estimate(0, 1), NOW), Usage(output=2**64 - 1), 10**20)
    written(tmp_path, *ledger.take_changes())
    [_, _, tokens, *_], [*_, spent] = read(tmp_path)
    assert isinstance(tokens, dict)
    assert tokens["output"] == spent == MAX_SUM


def test_what_is_old_is_not_read_and_what_is_very_old_goes(tmp_path: Path) -> None:
    old = int((NOW - KEPT_SECONDS) / DAY) - 1
    written(tmp_path, window(1, old), window(2, 19_990), totals(1, last_used=NOW - KEPT_SECONDS - 1))
    written(tmp_path, window(50))
    assert read(tmp_path) == [TODAY]
    with closing(sqlite3.connect(tmp_path / "data" / "ledger.db")) as db:
        assert db.execute("SELECT cost FROM periods ORDER BY start").fetchall() == [(2,), (50,)]
        assert db.execute("SELECT count(*) FROM totals").fetchone() == (0,)


async def test_what_changes_in_a_ledger_is_written_soon_and_what_is_left_at_the_end(tmp_path: Path) -> None:
    written(tmp_path, totals(7))
    ledger = Ledger()
    ledger.update_settings({"ci": ()})
    writer = LedgerWriter(ledger, file_in(tmp_path))
    ledger["ci"].count_request(NOW)
    await soon(lambda: read(tmp_path) == [CI])
    ledger["ci"].count_request(NOW)
    await writer.stop()
    assert read(tmp_path) == [("ci", 9, *CI[2:])]


def test_nothing_is_made_before_there_is_anything_to_write(tmp_path: Path) -> None:
    file = file_in(tmp_path)
    assert file.read() == []
    file.put([])
    file.stop()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"no database at all " * 400, b"SQLite format 3\x00" + b"\xff" * 4000])
def test_a_broken_file_is_moved_aside_and_a_new_one_begun(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "data").mkdir(mode=0o700)
    path = tmp_path / "data" / "ledger.db"
    path.touch(mode=0o600)
    path.write_bytes(content)
    written(tmp_path, window(50), totals(8))
    assert read(tmp_path) == [CI, TODAY]
    aside = [each for each in path.parent.iterdir() if ".damaged-" in each.name]
    assert len(aside) == bool(content)
    assert ("ledger" in caplog.text and "is damaged" in caplog.text) == bool(content)


@pytest.mark.parametrize("sql", ["CREATE TABLE others (n)", "PRAGMA user_version = 99"])
def test_a_file_of_another_program_is_left_alone(tmp_path: Path, sql: str, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "data").mkdir(mode=0o700)
    path = tmp_path / "data" / "ledger.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute(sql)
    path.chmod(0o600)
    before = path.read_bytes()
    written(tmp_path, window(50))
    assert read(tmp_path) == []
    assert path.read_bytes() == before
    assert "Routing continues" in caplog.text


async def test_what_cannot_be_written_waits_and_is_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(ledger_file, "RETRY_DELAY", 0.01)
    (tmp_path / "data").mkdir(mode=0o700)
    path = tmp_path / "data" / "ledger.db"
    path.mkdir()
    file = file_in(tmp_path)
    assert file.read() == []
    file.put([window(40)])
    file.put([window(50), totals(8)])
    await soon(lambda: file.problem is not None)
    path.rmdir()
    await soon(lambda: file.problem is None)
    file.stop()
    assert read(tmp_path) == [CI, TODAY]
    assert "has resumed" in caplog.text
    assert caplog.text.count("cannot use the ledger") == 1


def test_a_file_that_is_deleted_is_made_again_with_everything(tmp_path: Path) -> None:
    written(tmp_path, window(50), totals(7))
    file = file_in(tmp_path)
    file.read()
    for part in (tmp_path / "data").iterdir():
        part.unlink()
    file.put([totals(8)])
    file.stop()
    assert read(tmp_path) == [CI, TODAY]


def test_a_ledger_keeps_its_name(tmp_path: Path) -> None:
    name = file_in(tmp_path).name()
    assert file_in(tmp_path).name() == name
    path = tmp_path / "data" / "ledger.name"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("../nonsense")
    other = file_in(tmp_path).name()
    assert other not in (name, "../nonsense")
    assert file_in(tmp_path).name() == other
