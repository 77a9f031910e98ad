"""The exchanges that have ended: bounded, newest first, found by their request id."""

import pytest

from pointsman.recent_exchanges import MAX_RECORDS, MAX_STEPS, STEP_SECONDS, RecentExchanges
from support.audit_records import exchange_record


def ledger(*names: str, keep: int = MAX_RECORDS) -> RecentExchanges:
    own = RecentExchanges(keep)
    for name in names:
        own.add(exchange_record(name))
    return own


def newest(own: RecentExchanges, limit: int) -> list[str]:
    return [record.request_id for record in own.newest(limit)]


@pytest.mark.parametrize(("limit", "names"), [(0, []), (1, ["c"]), (2, ["c", "b"]), (9, ["c", "b", "a"])])
def test_the_newest_come_first_and_no_more_than_are_wanted(limit: int, names: list[str]) -> None:
    assert newest(ledger("a", "b", "c"), limit) == names


def test_the_oldest_give_way_to_new_ones() -> None:
    own = ledger("a", "b", "c", "d", keep=2)
    assert len(own) == 2
    assert newest(own, 9) == ["d", "c"]
    assert own.find("b") is None


def test_it_keeps_a_thousand() -> None:
    own = ledger(*(str(number) for number in range(1001)))
    assert len(own) == 1000
    assert own.find("0") is None
    assert own.find("1")


@pytest.mark.parametrize(("name", "found"), [("a", True), ("c", True), ("A", False), ("", False), ("nobody", False)])
def test_an_exchange_is_found_by_its_whole_id(name: str, found: bool) -> None:
    assert bool(ledger("a", "b", "c").find(name)) is found


def test_an_id_used_twice_finds_the_newest() -> None:
    own = RecentExchanges()
    own.add(exchange_record("a", status=200))
    own.add(exchange_record("a", status=503))
    record = own.find("a")
    assert record
    assert record.status == 503


def test_an_empty_ledger_has_no_entries() -> None:
    assert len(RecentExchanges()) == 0
    assert newest(RecentExchanges(), 5) == []


class TestPages:
    def test_numbers_go_on_when_the_oldest_are_gone(self) -> None:
        recent_exchanges = RecentExchanges(keep=3)
        for n in range(5):
            recent_exchanges.add(exchange_record(f"req-{n}"))
        assert recent_exchanges.oldest == 2
        assert [(seq, record.request_id) for seq, record in recent_exchanges.page(2)] == [(4, "req-4"), (3, "req-3")]
        assert [seq for seq, _ in recent_exchanges.page(9, before=4)] == [3, 2]
        assert recent_exchanges.page(9, before=2) == []
        assert [seq for seq, _ in recent_exchanges.page(9, before=99)] == [4, 3, 2]


class TestCounting:
    def test_each_of_the_last_minutes_has_its_count(self) -> None:
        recent_exchanges = RecentExchanges(keep=1)
        for started in (0.0, 5.0, 70.0, 71.0, 179.0, 1000.0):
            recent_exchanges.add(exchange_record(started=started, ended_ms=0))
        assert recent_exchanges.per_minute(3, 179.0) == [2, 2, 1]
        assert recent_exchanges.per_minute(2, 1000.0) == [0, 1]

    def test_only_so_much_is_kept_whatever_the_time(self) -> None:
        recent_exchanges = RecentExchanges()
        for n in range(10_000):
            recent_exchanges.add(exchange_record(started=n * STEP_SECONDS, ended_ms=0))
        assert len(recent_exchanges._ended) == MAX_STEPS
        recent_exchanges.add(exchange_record(started=0.0, ended_ms=0))  # the clock went back
        assert recent_exchanges.per_minute(1, 9_999 * STEP_SECONDS) == [7]
