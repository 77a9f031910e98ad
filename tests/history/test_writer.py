"""The thread that writes: nothing is lost that could be written, no request waits, and no file is harmed."""

import logging
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from history.history_builders import KEEP, ask, mixed_exchanges, run_script, writing
from pointsman.history import database
from pointsman.history import writer as recorder_module
from pointsman.history.request_rows import request_row
from pointsman.history.rows import attempt_rows
from pointsman.history.schema import MIGRATIONS, migrate
from pointsman.history.writer import BATCH_ROWS, KINDS_CLEANUP_INTERVAL, RETRY_DELAY, HistoryWriter
from support.audit_records import attempt_record, exchange_record

NOW = 1_700_000_000.0
COUNT = "SELECT count(*) FROM attempts"
ENTRY = list(attempt_rows(exchange_record(), 1))


class Clock:
    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def write(path: Path, count: int = 1) -> None:
    with writing(path, wall=Clock()) as recorder:
        recorder.enqueue(ENTRY * count)


class TestWriting:
    def test_what_is_put_is_in_the_file(self, tmp_path: Path) -> None:
        path = tmp_path / "deep" / "er" / "history.db"
        with writing(path, wall=Clock()) as recorder:
            recorder.enqueue(ENTRY)
            assert recorder.flush()
            assert ask(path, "SELECT exchange, provider, key, outcome, seen, tokens_in, ended FROM attempts") == [
                ("req-1", "groq", "key-1", "request_success", "success", 12, NOW + 0.9)
            ]
        assert sorted(each.name for each in path.parent.iterdir()) == ["history.db"]

    def test_no_other_may_read_the_file(self, tmp_path: Path) -> None:
        write(tmp_path / "own" / "history.db")
        assert (tmp_path / "own" / "history.db").stat().st_mode & 0o077 == 0
        assert (tmp_path / "own").stat().st_mode & 0o077 == 0

    def test_a_link_in_its_place_is_not_followed(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        victim, folder = tmp_path / "victim", tmp_path / "own"
        folder.mkdir(mode=0o700)
        (folder / "history.db").symlink_to(victim)
        write(folder / "history.db")
        assert not victim.exists()
        assert "is a link" in caplog.text

    def test_a_folder_that_others_may_write_is_refused_with_the_remedy(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        folder = tmp_path / "shared"
        folder.mkdir()
        folder.chmod(0o777)
        write(folder / "history.db")
        assert list(folder.iterdir()) == []
        assert f"chmod 700 {folder}" in caplog.text

    def test_a_second_run_goes_on_where_the_first_ended(self, tmp_path: Path) -> None:
        write(tmp_path / "h.db", 3)
        with writing(tmp_path / "h.db", wall=Clock()) as recorder:
            recorder.flush()
            assert recorder.last_earlier_row == 3
            recorder.enqueue(ENTRY)
        assert ask(tmp_path / "h.db", COUNT) == [(4,)]
        assert ask(tmp_path / "h.db", "SELECT count(*) FROM kinds") == [(1,)]

    def test_many_are_written_in_several_bites(self, tmp_path: Path) -> None:
        write(tmp_path / "h.db", 2 * BATCH_ROWS + 1)
        assert ask(tmp_path / "h.db", COUNT) == [(2 * BATCH_ROWS + 1,)]

    def test_columns_arrive_as_they_are(self, tmp_path: Path) -> None:
        odd = attempt_record(error='"quoted", \\ \n é 😀', first_content_ms=0.1, settled_ms=1 / 3, status=None)
        record = exchange_record(session="[1, {", ended_ms=1e-7, attempts=(odd,))
        rows = [*attempt_rows(record, 2**60), request_row(record, "/v1/chat/completions")]
        with writing(tmp_path / "h.db", wall=Clock()) as recorder:
            recorder.enqueue(rows)
        for view, (kind, row) in zip(("attempts", "requests"), rows, strict=True):
            names = ", ".join((*kind._fields, *row._fields))
            assert ask(tmp_path / "h.db", f"SELECT {names} FROM {view}") == [(*kind, *row)]

    def test_characters_that_no_database_takes_are_replaced(self, tmp_path: Path) -> None:
        record = exchange_record(model="a\ud800b\0c")
        with writing(tmp_path / "h.db", wall=Clock()) as recorder:
            recorder.enqueue([request_row(record, "")])
        assert ask(tmp_path / "h.db", "SELECT model FROM requests") == [("a?b?c",)]

    def test_the_oldest_give_way_when_too_many_wait_and_are_counted(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        recorder = HistoryWriter(tmp_path / "h.db", KEEP, queue=10, wall=Clock())
        for number in range(25):
            recorder.enqueue(attempt_rows(exchange_record(f"req-{number}"), 1))
        assert recorder.dropped == 15
        recorder.start()
        recorder.stop()
        assert ask(tmp_path / "h.db", "SELECT exchange FROM attempts") == [(f"req-{n}",) for n in range(15, 25)]
        assert "15 rows were dropped" in caplog.text

    def test_a_file_that_is_deleted_while_it_runs_is_begun_again(self, tmp_path: Path) -> None:
        with writing(tmp_path / "h.db", wall=Clock()) as recorder:
            recorder.enqueue(ENTRY * 3)
            recorder.flush()
            for part in tmp_path.iterdir():
                part.unlink()
            recorder.enqueue(ENTRY)
            recorder.flush()
            assert ask(tmp_path / "h.db", COUNT) == [(1,)]

    def test_one_that_never_started_can_be_stopped(self, tmp_path: Path) -> None:
        HistoryWriter(tmp_path / "h.db", KEEP).stop()
        assert list(tmp_path.iterdir()) == []


class TestKeeping:
    def test_what_is_too_old_goes_bite_by_bite(self, tmp_path: Path) -> None:
        path, clock = tmp_path / "h.db", Clock(NOW)
        write(path, BATCH_ROWS + 500)
        clock.now = NOW + KEEP + 2
        with writing(path, wall=clock, clock=Clock(0)) as recorder:
            recorder.enqueue(attempt_rows(next(mixed_exchanges(1, clock.now, days=1)), 1))
            recorder.flush()
            recorder.flush()
            recorder.flush()
            assert ask(path, COUNT) == [(1,)]

    def test_what_no_row_has_in_common_any_more_goes_too(self, tmp_path: Path) -> None:
        path, clock, steady = tmp_path / "h.db", Clock(NOW + 100), Clock(0)
        late = exchange_record(started=NOW + KEEP, attempts=(attempt_record(started=NOW + KEEP),))
        old, new, returns = exchange_record(client="old"), replace(late, client="new"), replace(late, client="old")
        with writing(path, wall=clock, clock=steady) as recorder:
            for record in (old, new):
                recorder.enqueue((request_row(record, ""), *attempt_rows(record, 1)))
            recorder.flush()
            clock.now, steady.now = NOW + KEEP + 2, KINDS_CLEANUP_INTERVAL
            for _ in range(3):
                recorder.flush()
            for table in ("kinds", "request_kinds"):
                assert ask(path, f"SELECT client FROM {table}") == [("new",)]
            recorder.enqueue((request_row(returns, ""), *attempt_rows(returns, 1)))
        assert ask(path, "SELECT client FROM requests ORDER BY id") == [("new",), ("old",)]
        assert ask(path, "SELECT client FROM attempts ORDER BY id") == [("new",), ("old",)]

    def test_what_is_kept_may_change_while_it_runs(self, tmp_path: Path) -> None:
        path, clock, steady = tmp_path / "h.db", Clock(NOW + 100), Clock(0)
        with writing(path, wall=clock, clock=steady) as recorder:
            recorder.enqueue(ENTRY)
            recorder.flush()
            assert ask(path, COUNT) == [(1,)]
            recorder.retention, steady.now = 10.0, 100.0
            recorder.flush()
            assert ask(path, COUNT) == [(0,)]


class TestDamage:
    @pytest.mark.parametrize(
        "content", [b"not a database, but long enough to be taken for one" * 99, b"SQLite format 3\0" + b"\xff" * 5000]
    )
    def test_a_file_that_is_none_is_moved_aside_with_a_warning(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
    ) -> None:
        path = tmp_path / "h.db"
        path.write_bytes(content)
        write(path)
        assert ask(path, COUNT) == [(1,)]
        assert (tmp_path / "h.db.damaged-20231114T221320Z").read_bytes() == content
        assert [record.levelno for record in caplog.records] == [logging.WARNING]
        assert "is damaged" in caplog.text

    @pytest.mark.parametrize(
        "change",
        [
            "DROP VIEW attempts",
            "DROP VIEW attempts; DROP TABLE log",
            "DROP VIEW attempts; ALTER TABLE log RENAME COLUMN ended TO x",
        ],
    )
    def test_so_is_one_that_lacks_what_it_should_have(self, tmp_path: Path, change: str) -> None:
        write(tmp_path / "h.db", 5)
        run_script(tmp_path / "h.db", change)
        write(tmp_path / "h.db")
        assert ask(tmp_path / "h.db", COUNT) == [(1,)]
        assert (tmp_path / "h.db.damaged-20231114T221320Z").exists()

    def test_damage_that_shows_only_while_it_is_written_costs_no_new_row(self, tmp_path: Path) -> None:
        path = tmp_path / "h.db"
        write(path, 5000)
        with path.open("r+b") as inside:
            inside.seek(8192)
            inside.write(b"\xee" * 200_000)
        with writing(path, wall=Clock()) as recorder:
            recorder.enqueue(ENTRY)
            recorder.flush()
        write(path)
        assert ask(path, COUNT)[0][0] in (1, 2)
        assert (tmp_path / "h.db.damaged-20231114T221320Z").exists()

    def test_damage_that_a_reader_finds_is_acted_on(self, tmp_path: Path) -> None:
        path = tmp_path / "h.db"
        with writing(path, wall=Clock()) as recorder:
            recorder.enqueue(ENTRY)
            recorder.flush()
            error = sqlite3.DatabaseError("malformed")
            error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            recorder.report_error(error)
            recorder.flush()
            assert ask(path, COUNT) == [(0,)]
            recorder.report_error(sqlite3.OperationalError("locked"))
            recorder.flush()
        assert len(list(tmp_path.iterdir())) == 2


class TestOutOfReach:
    def test_a_directory_that_cannot_be_is_a_warning_and_is_tried_again(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        (tmp_path / "file").write_text("in the way")
        steady = Clock(0)
        with writing(tmp_path / "file" / "h.db", clock=steady, wall=Clock()) as recorder:
            recorder.enqueue(ENTRY)
            for _ in range(3):
                recorder.flush()
                steady.now += RETRY_DELAY
            assert recorder.problem
            assert not recorder.is_readable
            assert [record.levelno for record in caplog.records] == [logging.WARNING]
            assert "cannot write the history" in caplog.text
            (tmp_path / "file").unlink()
            recorder.flush()
            assert recorder.problem is None
        assert ask(tmp_path / "file" / "h.db", COUNT) == [(1,)]

    def test_a_full_disk_costs_nothing_that_fits_later(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path, steady, room = tmp_path / "h.db", Clock(0), [30]

        def on_a_small_disk(path: Path, stamp: str) -> sqlite3.Connection:
            db = database.open_to_write(path, stamp)
            db.execute(f"PRAGMA max_page_count = {room[0]}")
            return db

        monkeypatch.setattr(recorder_module, "open_to_write", on_a_small_disk)
        with writing(path, clock=steady, wall=Clock()) as recorder:
            recorder.enqueue(ENTRY * 5000)
            recorder.flush()
            assert "full" in (recorder.problem or "")
            assert recorder.is_readable
            room[0], steady.now = 10_000, RETRY_DELAY
            recorder.flush()
            assert (recorder.problem, recorder.dropped) == (None, 0)
        assert ask(path, COUNT) == [(5000,)]

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ("PRAGMA user_version = 99", "newer"),
            ("PRAGMA user_version = 0", "another program"),
            ("PRAGMA user_version = -1", "another program"),
        ],
    )
    def test_a_file_that_is_not_ours_is_left_alone(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, change: str, said: str
    ) -> None:
        path = tmp_path / "h.db"
        write(path, 2)
        run_script(path, change)
        before = path.read_bytes()
        write(path)
        assert path.read_bytes() == before
        assert said in caplog.text
        assert {record.levelno for record in caplog.records} == {logging.WARNING}


class TestMigrating:
    def test_an_older_file_is_brought_up_and_keeps_its_rows(self, tmp_path: Path) -> None:
        path = tmp_path / "h.db"
        write(path, 2)
        db = sqlite3.connect(path, isolation_level=None)
        migrate(db, (*MIGRATIONS, "ALTER TABLE kinds ADD COLUMN colour TEXT;"))
        db.close()
        assert ask(path, "PRAGMA user_version") == [(len(MIGRATIONS) + 1,)]
        assert ask(path, "SELECT colour FROM kinds") == [(None,)]
        assert ask(path, COUNT) == [(2,)]

    def test_a_step_that_fails_changes_nothing(self, tmp_path: Path) -> None:
        path = tmp_path / "h.db"
        write(path, 2)
        db = sqlite3.connect(path, isolation_level=None)
        with pytest.raises(sqlite3.OperationalError):
            migrate(db, (*MIGRATIONS, "CREATE TABLE more (id); SELECT nonsense FROM nowhere;"))
        db.close()
        assert ask(path, "PRAGMA user_version") == [(len(MIGRATIONS),)]
        assert ask(path, "SELECT count(*) FROM sqlite_master WHERE name = 'more'") == [(0,)]
