"""What an exchange holds of an event, or of an answer, that is not whole."""

import json

from exchange.exchange_harness import ExchangeHarness, event

IMAGE = b'data: {"choices":[{"index":0,"delta":{"images":["' + b"A" * (2 << 20) + b'"]}}]}\n\n'


def test_bytes_are_counted_until_their_event_is_whole() -> None:
    stage = ExchangeHarness().start().head(1).data(1, event("x"))
    assert stage.exchange.held_bytes(1) == 0
    stage.data(1, IMAGE[:70_000], IMAGE[70_000:-1])
    assert stage.exchange.held_bytes(1) == len(IMAGE) - 1
    stage.data(1, IMAGE[-1:])
    assert stage.exchange.held_bytes(1) == 0


def test_a_whole_answer_is_counted_until_its_end() -> None:
    answer = json.dumps({"choices": [{"message": {"content": "x" * 100_000}, "finish_reason": "stop"}]}).encode()
    stage = ExchangeHarness(stream=False).start().head(1, 200, {"content-type": "application/json"})
    stage.data(1, answer[:50_000], answer[50_000:])
    assert stage.exchange.held_bytes(1) == len(answer)
    stage.end(1)
    assert stage.exchange.held_bytes(1) == 0
