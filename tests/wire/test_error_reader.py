"""The reader of an answer with an error status: bounded, silent until its end, and never without a verdict."""

import pytest

from pointsman.config.enums import Dialect
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.error_reader import MAX_ERROR_BODY, ErrorReader
from pointsman.wire.errors import FaultKind
from pointsman.wire.frames import FrameKind

BODY = b'{"error":{"message":"slow down","code":"rate_limit_exceeded"}}'


def reader(status: int = 429) -> ErrorReader:
    return ErrorReader(DIALECTS[Dialect.OPENAI_CHAT], status, "application/json")


@pytest.mark.parametrize("size", [1, 7, len(BODY)])
def test_however_the_body_is_split_one_error_at_its_end_has_all(size: int) -> None:
    own = reader()
    for start in range(0, len(BODY), size):
        assert not own.read(BODY[start : start + size])
    [frame] = own.close()
    assert frame.kind is FrameKind.ERROR
    assert frame.data == b"", "the client gets none of it unless the exchange says so"
    fault = frame.fault
    assert fault
    assert (fault.kind, fault.status, fault.message) == (FaultKind.STATUS, 429, "slow down")
    assert (fault.code, fault.body, fault.content_type) == ("rate_limit_exceeded", BODY, "application/json")


@pytest.mark.parametrize("body", [b"", b"<html>Bad gateway</html>", b"\xff\xfe{", b"[]"])
def test_whatever_the_body_the_status_stands(body: bytes) -> None:
    own = reader(502)
    own.read(body)
    [frame] = own.close()
    assert frame.fault
    assert (frame.fault.label, frame.fault.body) == ("502", body)


def test_a_body_that_has_not_ended_does_not_hide_what_is_known() -> None:
    own = reader(503)
    assert own.fault().label == "503"
    own.read(BODY)
    assert own.fault().message == "slow down"


class TestBound:
    def test_a_body_up_to_the_bound_is_waited_for(self) -> None:
        assert not reader().read(b"x" * (MAX_ERROR_BODY - 1))

    def test_at_the_bound_it_ends_without_waiting_and_keeps_no_more(self) -> None:
        own = reader()
        own.read(b"x" * (MAX_ERROR_BODY - 10))
        [frame] = own.read(b"y" * 1000)
        assert frame.fault
        assert frame.fault.body == b"x" * (MAX_ERROR_BODY - 10) + b"y" * 10


def test_it_is_never_a_whole_answer() -> None:
    own = reader()
    own.read(b'{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]}')
    own.close()
    assert (own.finished, own.finish_reason, own.usage) == (False, None, None)
