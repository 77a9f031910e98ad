"""The operators' JSON: health, and the exchanges that have ended."""

import pytest

from pointsman.recent_exchanges import MAX_RECORDS, RecentExchanges
from pointsman.web.api.exchanges import DEFAULT_LIMIT, ExchangePages
from pointsman.web.status import healthz
from pointsman.wire.errors import Code, Problem
from support.audit_records import attempt_record, exchange_record
from web.page_requests import payload_of, request


@pytest.fixture
def ledger() -> RecentExchanges:
    own = RecentExchanges()
    for number in range(DEFAULT_LIMIT + 10):
        own.add(exchange_record(f"req-{number}"))
    return own


def test_health_is_one_word() -> None:
    assert payload_of(healthz(request(), "")) == {"status": "ok"}


class TestExchanges:
    @pytest.mark.parametrize(
        ("query", "count"),
        [
            ("", DEFAULT_LIMIT),
            ("limit=", DEFAULT_LIMIT),
            ("other=3", DEFAULT_LIMIT),
            ("limit=1", 1),
            ("limit=007", 7),
            ("limit=3&limit=2", 2),
            (f"limit={MAX_RECORDS}", DEFAULT_LIMIT + 10),
        ],
    )
    def test_the_newest_come_first_and_no_more_than_asked_for(
        self, ledger: RecentExchanges, query: str, count: int
    ) -> None:
        listed = payload_of(ExchangePages(ledger).newest(request(query=query), ""))["exchanges"]
        newest = DEFAULT_LIMIT + 9
        assert [each["request_id"] for each in listed] == [f"req-{newest - place}" for place in range(count)]

    @pytest.mark.parametrize(
        "limit", ["0", "-1", "1.5", "x", f"{MAX_RECORDS + 1}", "%C2%B2", "+", "9" * 5000, "0x10", "%FF"]
    )
    def test_any_other_limit_is_named_as_the_fault(self, ledger: RecentExchanges, limit: str) -> None:
        with pytest.raises(Problem) as caught:
            ExchangePages(ledger).newest(request(query=f"limit={limit}"), "")
        assert (caught.value.code, caught.value.param) == (Code.INVALID_REQUEST, "limit")
        assert len(caught.value.message) < 200

    def test_there_may_be_none(self) -> None:
        assert payload_of(ExchangePages(RecentExchanges()).newest(request(), "")) == {"exchanges": []}

    def test_what_a_provider_says_cannot_take_the_page_down(self) -> None:
        own = RecentExchanges()
        own.add(exchange_record(attempts=(attempt_record(message="\ud800"),)))
        [listed] = payload_of(ExchangePages(own).newest(request(), ""))["exchanges"]
        assert listed["attempts"][0]["message"] == "\ud800"


class TestOneExchange:
    @pytest.mark.parametrize("name", ["req-3", "req%2D3"])
    def test_it_is_found_by_its_id_and_shown_in_full(self, ledger: RecentExchanges, name: str) -> None:
        assert payload_of(ExchangePages(ledger).one(request(), name)) == exchange_record("req-3").to_dict()

    @pytest.mark.parametrize("name", ["nobody", "req-", "", "req-3%20"])
    def test_one_that_is_not_there_is_not_found(self, ledger: RecentExchanges, name: str) -> None:
        with pytest.raises(Problem) as caught:
            ExchangePages(ledger).one(request(), name)
        assert caught.value.code is Code.NOT_FOUND
