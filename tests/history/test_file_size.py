"""The file keeps to its bounds: the oldest rows go first, and a file that is too large shrinks."""

import sqlite3
from contextlib import closing
from pathlib import Path
from shutil import copyfile

from history.history_builders import ask, mixed_exchanges, run_script, writing
from pointsman.history import file_size
from pointsman.history.analytics import GroupBy, TimeWindow, analytics
from pointsman.history.database import open_to_write
from pointsman.history.file_size import has_old_layout, make_room, renew_layout
from pointsman.history.request_rows import request_row
from pointsman.history.requests import TOP, RequestFilter, requests_page
from pointsman.history.restore import read_earlier_runs
from pointsman.history.rows import attempt_rows
from pointsman.history.writer import HistoryWriter
from support.audit_records import attempt_record, exchange_record

OLD_FILE = Path(__file__).with_name("version_1.db")
"""Written by the first version: sixty attempts of the twenty days before `OLD_NOW`."""
OLD_NOW = 1_764_000_000.0
NOW = 1_800_000_000.0
AGES = 1e10
MEBIBYTE = 2**20


def fill(recorder: HistoryWriter, first: int, count: int) -> None:
    for number in range(first, first + count):
        began = NOW + number
        record = exchange_record(f"request-{number:032}", started=began, attempts=(attempt_record(started=began),))
        recorder.enqueue((request_row(record, "/v1/chat/completions"), *attempt_rows(record, 10)))


def test_the_oldest_rows_go_first_and_the_file_never_exceeds_its_size(tmp_path: Path) -> None:
    path, limit = tmp_path / "h.db", 4 * MEBIBYTE
    with writing(path, keep=AGES, max_size=limit, wall=lambda: NOW) as recorder:
        for first in range(0, 16_000, 2000):
            fill(recorder, first, 2000)
            assert recorder.flush(60)
            assert path.stat().st_size <= limit
        numbers = [int(name.rpartition("-")[2]) for (name,) in ask(path, "SELECT request_id FROM requests")]
        assert max(numbers) == 15_999
        assert 1000 < len(numbers) < 15_000
        assert sorted(numbers) == list(range(min(numbers), 16_000))
        [(oldest,)] = ask(path, "SELECT min(ended) FROM attempts")
        assert oldest >= NOW + min(numbers)


def test_a_file_that_is_too_large_shrinks_when_its_bound_is_lowered(tmp_path: Path) -> None:
    path = tmp_path / "h.db"
    with writing(path, keep=AGES, wall=lambda: NOW) as recorder:
        fill(recorder, 0, 9000)
    before = path.stat().st_size
    with closing(open_to_write(path, "")) as db:
        for _ in range(100):
            if not make_room(db, before // 2):
                break
    assert path.stat().st_size <= before // 2
    assert ask(path, "SELECT max(request_id) FROM requests") == [(f"request-{8999:032}",)]


def test_a_file_with_earlier_indexes_is_read_and_gets_those_of_today(tmp_path: Path) -> None:
    path = tmp_path / "h.db"
    with writing(path, keep=AGES, wall=lambda: NOW) as recorder:
        fill(recorder, 0, 50)
    indexes = dict(ask(path, "SELECT name, sql FROM sqlite_master WHERE sql LIKE 'CREATE INDEX%'"))
    run_script(
        path,
        """
        DROP INDEX request_log_in_order;
        CREATE INDEX request_log_by_time ON request_log (ended);
        CREATE INDEX request_log_by_kind ON request_log (kind, ended);
        CREATE INDEX request_log_by_model ON request_log (model, kind, ended);
        CREATE INDEX request_log_by_session ON request_log (session, ended) WHERE session IS NOT NULL;
        CREATE INDEX request_log_by_request ON request_log (request_id, ended);
        """,
    )
    before = requests_page(path, RequestFilter(model="auto"), TOP, 100)
    with writing(path, keep=AGES, wall=lambda: NOW) as recorder:
        fill(recorder, 50, 1)
        recorder.flush()
        recorder.flush()  # indexes are made between the two
    assert dict(ask(path, "SELECT name, sql FROM sqlite_master WHERE sql LIKE 'CREATE INDEX%'")) == indexes
    [_, *after] = requests_page(path, RequestFilter(model="auto"), TOP, 100)[0]
    assert after == before[0]
    assert len(after) == 50


class TestOldFile:
    def test_its_attempts_are_kept_with_what_they_have(self, tmp_path: Path) -> None:
        path = tmp_path / "h.db"
        copyfile(OLD_FILE, path)
        kept = ask(OLD_FILE, "SELECT exchange, provider, tokens_in, tokens_out, outcome FROM attempts ORDER BY id")
        with writing(path, keep=AGES, wall=lambda: OLD_NOW) as recorder:
            record = exchange_record("new", started=OLD_NOW, client="ci")
            recorder.enqueue((request_row(record, ""), *attempt_rows(record, 10)))
            recorder.flush()
            assert recorder.problem is None
            assert recorder.last_earlier_row == len(kept) == 60
        columns = "exchange, provider, tokens_in, tokens_out, outcome"
        assert ask(path, f"SELECT {columns} FROM attempts WHERE exchange != 'new' ORDER BY id") == kept
        assert ask(path, "SELECT DISTINCT client, dialect, cost, cache_read FROM attempts WHERE id <= 60") == [
            (None, None, None, 0)
        ]
        assert [row["request_id"] for row in requests_page(path, RequestFilter(), TOP, 100)[0]] == ["new"]

    def test_sums_and_statistics_are_read_before_the_slow_part_is_done(self, tmp_path: Path) -> None:
        path = tmp_path / "h.db"
        copyfile(OLD_FILE, path)
        with closing(open_to_write(path, "")) as db:
            assert has_old_layout(db)
            before = analytics(path, TimeWindow.MONTH, GroupBy.TARGET, OLD_NOW).rows
            restored = read_earlier_runs(path, ["groq/llama"], 60, OLD_NOW)
            renew_layout(db)
            assert not has_old_layout(db)
        assert sum(row["raw"]["attempts"] for row in before) == 60
        assert {row["cost_usd"] for row in before} <= {None, "0"}
        assert before == analytics(path, TimeWindow.MONTH, GroupBy.TARGET, OLD_NOW).rows
        assert restored.hours
        assert restored == read_earlier_runs(path, ["groq/llama"], 60, OLD_NOW)
        assert ask(path, "PRAGMA auto_vacuum") == [(file_size.INCREMENTAL,)]

    def test_the_slow_part_waits_until_the_start_has_its_answer(self, tmp_path: Path) -> None:
        """The thread answers `flush` first, and reorganises the file afterwards."""
        path, order = tmp_path / "h.db", list[str]()
        copyfile(OLD_FILE, path)
        recorder = HistoryWriter(path, AGES, wall=lambda: OLD_NOW)
        renew, process = recorder._renew_old_layout, recorder._process
        recorder._renew_old_layout = lambda: (order.append("renew"), renew())[1]  # type: ignore[method-assign]
        recorder._process = lambda: (process(), order.append("process"))[0]  # type: ignore[method-assign]
        recorder.start()
        recorder.flush()
        recorder.flush()
        recorder.stop()
        assert order[:2] == ["process", "renew"]
        assert ask(path, "SELECT 1 FROM sqlite_master WHERE name = 'log_by_usage'") == [(1,)]

    def test_it_is_used_as_it_is_where_there_is_no_room_to_reorganise_it(self, tmp_path: Path) -> None:
        path = tmp_path / "h.db"
        copyfile(OLD_FILE, path)
        with writing(path, keep=AGES, wall=lambda: OLD_NOW) as recorder:
            recorder.flush()
        run_script(path, "DROP INDEX log_by_usage")  # as if it had not been possible
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("PRAGMA max_page_count = 1")
            assert has_old_layout(db)
        assert (
            sum(row["raw"]["attempts"] for row in analytics(path, TimeWindow.MONTH, GroupBy.MODE, OLD_NOW).rows) == 60
        )


def test_what_is_mixed_stays_within_its_age(tmp_path: Path) -> None:
    path = tmp_path / "h.db"
    with writing(path, keep=10 * 86400.0, wall=lambda: NOW) as recorder:
        for record in mixed_exchanges(300, NOW, days=20):
            recorder.enqueue((request_row(record, ""), *attempt_rows(record, 10)))
    with writing(path, keep=10 * 86400.0, wall=lambda: NOW) as recorder:
        recorder.flush()
    for table in ("attempts", "requests"):
        [(count, oldest)] = ask(path, f"SELECT count(*), min(ended) FROM {table}")
        assert count > 50
        assert oldest >= NOW - 10 * 86400
