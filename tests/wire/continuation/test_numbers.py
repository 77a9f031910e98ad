"""The number that the first event of the rest of a Response has."""

import json

import pytest

from pointsman.wire.dialects.openai_responses.continuation import RestWriter, SeenResponse
from pointsman.wire.request_facts import RequestFacts

CREATED = {"type": "response.created", "sequence_number": 0, "response": {"id": "resp_1"}}
IN_PROGRESS = {"type": "response.in_progress", "sequence_number": 1}


def number_after(*events: dict[str, object]) -> int:
    seen = SeenResponse()
    for event in events:
        seen.feed(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
    assert seen.obstacle() is None
    writer = seen.writer(RequestFacts("m", True, frozenset(), 0))
    assert isinstance(writer, RestWriter)
    return writer._number


@pytest.mark.parametrize("kind", ["ping", "keepalive"])
def test_a_ping_counts_if_it_has_a_number(kind: str) -> None:
    assert number_after(CREATED, IN_PROGRESS) == 2
    assert number_after(CREATED, {"type": kind}, IN_PROGRESS, {"type": kind}, {"type": kind}) == 2
    assert number_after(CREATED, IN_PROGRESS, {"type": kind, "sequence_number": 2}) == 3


def test_a_provider_that_numbers_nothing_is_counted() -> None:
    events = [
        {name: value for name, value in event.items() if name != "sequence_number"} for event in (CREATED, IN_PROGRESS)
    ]
    assert number_after(*events) == 2
