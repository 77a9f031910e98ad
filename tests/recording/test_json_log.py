"""Log records as JSON."""

import json
import logging
import sys
from typing import Any

from pointsman.domain.records import Outcome
from pointsman.masking import Masker
from pointsman.recording.json_log import JsonFormatter, exchange_fields, extra_fields
from support.audit_records import attempt_record, exchange_record

SECRET = 'sk-"0123456789"'


def formatted(message: str = "said", **more: Any) -> dict[str, Any]:
    record = logging.makeLogRecord({"name": "pointsman.x", "levelno": 20, "levelname": "INFO", "msg": message, **more})
    line = JsonFormatter(lambda: Masker([SECRET])).format(record)
    assert "\n" not in line
    told: dict[str, Any] = json.loads(line)
    return told


def test_a_record_is_one_line_with_its_time_in_utc() -> None:
    assert formatted("two\nlines", created=1_700_000_000.25) == {
        "time": "2023-11-14T22:13:20.250Z",
        "level": "info",
        "logger": "pointsman.x",
        "message": "two\nlines",
    }


def test_it_says_whose_it_is_and_what_was_raised() -> None:
    try:
        raise ValueError("odd")
    except ValueError:
        line = formatted(client=("::1", 80), exc_info=sys.exc_info())
    assert line["address"] == "[::1]:80"
    assert line["exception"].endswith("ValueError: odd")


def test_secrets_are_masked_in_every_member() -> None:
    line = formatted(f"told {SECRET}", **extra_fields(lambda: {"model": f"m{SECRET}", "n": 1}))
    assert line["message"] == "told ***"
    assert line["model"] == "m***"
    assert line["n"] == 1


def test_what_is_no_proper_text_is_written_all_the_same() -> None:
    assert formatted("half \ud83d", **extra_fields(lambda: {"n": 2**70}))["n"] == 2**70


def test_an_exchange_without_attempts_has_nulls() -> None:
    fields = exchange_fields(exchange_record(attempts=(), status=503, error="no_candidates"))
    assert (fields["provider"], fields["target"], fields["outcome"], fields["attempts"]) == (None, None, None, 0)


def test_who_answered_counts_and_else_who_was_asked_last() -> None:
    first = attempt_record(n=1, provider="a", outcome=Outcome.RETRY_FAILED, error="503")
    second = attempt_record(n=2, provider="b", outcome=Outcome.RETRY_FAILED, error="429")
    good = attempt_record(n=3, provider="c", outcome=Outcome.RETRY_SUCCESS)
    answered = exchange_fields(exchange_record(attempts=(first, good)))
    assert (answered["target"], answered["outcome"], answered["attempts"]) == ("c/llama", "retry_success", 2)
    assert exchange_fields(exchange_record(attempts=(first, second)))["trail"] == ["a/llama@503", "b/llama@429"]
    assert exchange_fields(exchange_record(attempts=(first, second)))["provider"] == "b"
