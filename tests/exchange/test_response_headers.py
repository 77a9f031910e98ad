"""The headers of every answer, and the trail of attempts passed over."""

import pytest

from pointsman.domain.records import AttemptRecord, Outcome
from pointsman.domain.targets import Inventory
from pointsman.exchange.response_headers import (
    MAX_TRAIL_BYTES,
    attempt_trail,
    body_headers,
    header_text,
    retry_after_headers,
    routing_headers,
)
from support.audit_records import attempt_record
from support.settings import provider, settings

[TARGET] = Inventory.from_settings(settings({"groq": provider("http://127.0.0.1:9/v1", "llama")})).targets
LOSER = attempt_record(provider="a", model="x", outcome=Outcome.HEDGE_LOSER_CANCELLED)
FAILED = attempt_record(provider="b", model="y", outcome=Outcome.RETRY_FAILED, error="503")


def of_length(length: int) -> AttemptRecord:
    """An attempt whose word in the trail is so long."""
    record = attempt_record(provider="p", model="", error="503")
    return attempt_record(provider="p", model="m" * (length - len(record.trail_entry)), error="503")


class TestRoutingHeaders:
    def test_they_name_who_answered_and_whom_it_took(self) -> None:
        assert dict(routing_headers("req-1", "X-", TARGET, [LOSER, FAILED])) == {
            "X-Request-ID": "req-1",
            "X-Fallback-Attempts": "2",
            "X-Routed-Via": "groq/llama",
            "X-Endpoint": "groq",
            "X-Fallback-Trail": "a/x@hedge_loser b/y@503",
        }

    def test_without_an_answer_no_target_is_named(self) -> None:
        assert dict(routing_headers("req-1", "X-", None, [FAILED])) == {
            "X-Request-ID": "req-1",
            "X-Fallback-Attempts": "1",
            "X-Fallback-Trail": "b/y@503",
        }

    def test_without_failed_attempts_there_is_no_trail(self) -> None:
        assert set(dict(routing_headers("req-1", "X-", TARGET, []))) == {
            "X-Request-ID",
            "X-Fallback-Attempts",
            "X-Routed-Via",
            "X-Endpoint",
        }

    def test_the_prefix_is_that_of_the_configuration_where_the_contract_says_so(self) -> None:
        names = set(dict(routing_headers("req-1", "X-Olla-", TARGET, [FAILED])))
        assert names == {"X-Request-ID", "X-Fallback-Attempts", "X-Routed-Via", "X-Olla-Endpoint", "X-Fallback-Trail"}


class TestTrail:
    @pytest.mark.parametrize(
        ("lengths", "words"),
        [
            ([], 0),
            ([MAX_TRAIL_BYTES - 5], 1),
            ([509, 509], 2),
            ([100] * 10, 10),
        ],
    )
    def test_what_fits_is_stated_in_full(self, lengths: list[int], words: int) -> None:
        told = attempt_trail([of_length(length) for length in lengths])
        assert [len(word) for word in told.split()] == lengths
        assert len(told.split()) == words

    @pytest.mark.parametrize(
        ("lengths", "kept"),
        [([MAX_TRAIL_BYTES + 1], 0), ([509, 511], 1), ([100] * 11, 10), ([10, 2000, 10], 1)],
    )
    def test_what_does_not_says_so_by_its_last_word(self, lengths: list[int], kept: int) -> None:
        told = attempt_trail([of_length(length) for length in lengths])
        assert len(told) <= MAX_TRAIL_BYTES
        assert told.split()[-1] == "..."
        assert [len(word) for word in told.split()[:-1]] == lengths[:kept]

    def test_it_can_stand_in_a_header_whatever_a_model_is_called(self) -> None:
        assert attempt_trail([attempt_record(provider="p", model="m\r\né\x7f", error="503")]) == "p/m????@503"


@pytest.mark.parametrize(
    ("seconds", "value"), [(0.0, "1"), (0.2, "1"), (1.0, "1"), (1.001, "2"), (29.9, "30"), (90.0, "90")]
)
def test_a_wait_is_stated_in_whole_seconds_never_too_early_and_never_zero(seconds: float, value: str) -> None:
    assert retry_after_headers(seconds) == (("Retry-After", value),)


def test_an_unknown_wait_is_not_stated() -> None:
    assert retry_after_headers(None) == ()


def test_a_body_is_announced_by_its_bytes_not_its_characters() -> None:
    assert body_headers("text/plain", "né".encode()) == (("Content-Type", "text/plain"), ("Content-Length", "3"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a b~", "a b~"), ("a\r\nb", "a??b"), ("\t\x00\x7f", "???"), ("é€\udcff", "???"), ("", "")],
)
def test_text_in_a_header_is_printable_ascii(text: str, shown: str) -> None:
    assert header_text(text) == shown
