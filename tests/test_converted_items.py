"""What a client of Responses refers to, after an answer that another dialect gave."""

import json
from typing import Any

from pointsman.converted_items import LIFETIME, MAX_ITEM_BYTES, ConvertedItems
from pointsman.domain.clock import ManualClock

SAID = {"id": "msg_1", "type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "so"}]}
CALL = {"id": "fc_1", "type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"}


def asked(*items: dict[str, Any]) -> bytes:
    return json.dumps({"input": [{"role": "user", "content": "go"}, *items], "seed": 10**30}).encode()


def reference(item_id: str) -> dict[str, Any]:
    return {"type": "item_reference", "id": item_id}


class TestConvertedItems:
    def setup_method(self) -> None:
        self.clock = ManualClock()
        self.items = ConvertedItems(self.clock)
        self.items.remember("key-1", [SAID, CALL])

    def test_stand_in_place_of_their_references(self) -> None:
        document = json.loads(self.items.resolved("key-1", asked(reference("msg_1"), reference("fc_1"))))
        assert document["input"][1:] == [SAID, CALL]
        assert document["seed"] == 10**30

    def test_of_providers_stay_references(self) -> None:
        document = json.loads(self.items.resolved("key-1", asked(reference("msg_1"), reference("msg_openai"))))
        assert document["input"][1:] == [SAID, reference("msg_openai")]

    def test_leave_other_requests_as_they_are(self) -> None:
        for body in (
            asked(SAID),
            asked(reference("other")),
            b"{",
            b'["item_reference"]',
            b'{"input": "item_reference"}',
        ):
            assert self.items.resolved("key-1", body) is body

    def test_are_their_clients_alone(self) -> None:
        body = asked(reference("msg_1"))
        assert self.items.resolved("key-2", body) is body

    def test_are_forgotten_in_time(self) -> None:
        body = asked(reference("msg_1"))
        self.clock.set(LIFETIME + 1)
        assert self.items.resolved("key-1", body) is body

    def test_are_not_kept_if_they_are_very_large(self) -> None:
        self.items.remember("key-1", [{**SAID, "id": "msg_2", "more": "x" * MAX_ITEM_BYTES}])
        assert len(self.items) == 2
