"""Thoughts that were told in another dialect than they were thought in do not reach those who would refuse them."""

import json
from typing import Any

import pytest

from pointsman.config.enums import Dialect
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.thinking_signatures import MARK, without_foreign_thoughts

THOUGHT = {"type": "thinking", "thinking": "hm", "signature": MARK}
OWN = {"type": "thinking", "thinking": "hm", "signature": "EqQB"}
TEXT = {"type": "text", "text": "left"}


def messages(*blocks: Any) -> bytes:
    return json.dumps({"messages": [{"role": "assistant", "content": list(blocks)}]}).encode()


@pytest.mark.parametrize("dialect", Dialect)
def test_a_request_without_any_is_untouched(dialect: Dialect) -> None:
    body = messages(OWN, TEXT)
    assert without_foreign_thoughts(DIALECTS[dialect], body) is body


def test_blocks_of_thought_go_and_all_else_stays() -> None:
    assert without_foreign_thoughts(DIALECTS[Dialect.ANTHROPIC], messages(THOUGHT, OWN, TEXT)) == messages(OWN, TEXT)


def test_a_message_never_becomes_empty() -> None:
    [message] = json.loads(without_foreign_thoughts(DIALECTS[Dialect.ANTHROPIC], messages(THOUGHT)))["messages"]
    assert message["content"][0]["type"] == "text"


def test_items_of_thought_go_too() -> None:
    foreign, own = ({"type": "reasoning", "summary": [], "encrypted_content": each} for each in (MARK, "gAAA"))
    body = json.dumps({"input": [foreign, own, {"role": "user", "content": MARK}]}).encode()
    assert json.loads(without_foreign_thoughts(DIALECTS[Dialect.OPENAI_RESPONSES], body)) == {
        "input": [own, {"role": "user", "content": MARK}]
    }
