"""A base URL below which nothing is known is named, once."""

from typing import Any

import pytest

from pointsman.domain.records import Outcome
from pointsman.routing.base_url_faults import BaseUrlFaults
from support.audit_records import attempt_record, exchange_record

NOTICE = "provider groq: base_url http://x.test answers 404 to every path; it probably lacks /v1"


def told(own: BaseUrlFaults, *attempts: dict[str, Any]) -> list[str]:
    return list(own.observe(exchange_record(attempts=tuple(attempt_record(**each) for each in attempts))))


def attempt(status: int | None, base_url: str = "http://x.test", **changes: Any) -> dict[str, Any]:
    failed = {"outcome": Outcome.RETRY_FAILED, "first_content_ms": None} if status != 200 else {}
    return {"status": status, "base_url": base_url, "is_unknown_path": status == 404, **failed, **changes}


def test_once_for_each_base_url() -> None:
    own = BaseUrlFaults()
    assert told(own, attempt(404), attempt(404)) == [NOTICE]
    assert told(own, attempt(404)) == []
    assert told(own, attempt(404, "http://x.test/v1")) == [
        "provider groq: base_url http://x.test/v1 answers 404 to every path; correct it"
    ]


@pytest.mark.parametrize("status", [200, 400, 429])
def test_not_where_anything_has_ever_been_answered(status: int) -> None:
    own = BaseUrlFaults()
    assert told(own, attempt(status)) == []
    assert told(own, attempt(404)) == []


@pytest.mark.parametrize("status", [None, 401, 403, 500, 503])
def test_what_any_path_may_answer_says_nothing(status: int | None) -> None:
    own = BaseUrlFaults()
    assert told(own, attempt(status)) == []
    assert told(own, attempt(404)) == [NOTICE]


def test_a_404_that_speaks_of_a_model_is_none() -> None:
    assert told(BaseUrlFaults(), attempt(404, is_unknown_path=False)) == []


def test_what_is_no_longer_configured_is_forgotten() -> None:
    own = BaseUrlFaults()
    assert told(own, attempt(404)) == [NOTICE]
    own.keep_only({("groq", "http://x.test")})
    assert told(own, attempt(404)) == []
    own.keep_only(())
    assert told(own, attempt(404)) == [NOTICE]
