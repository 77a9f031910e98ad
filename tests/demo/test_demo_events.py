from __future__ import annotations

import subprocess
import sys

import pytest

from pointsman.demo.dialects import dialect_for
from pointsman.wire.dialects.demo_base import DemoEvent, EventRole


@pytest.mark.parametrize(
    ("event", "raw"),
    [
        (DemoEvent(EventRole.CONTENT, "{}"), b"data: {}\n\n"),
        (DemoEvent(EventRole.CONTENT, "{}", type="delta"), b"event: delta\ndata: {}\n\n"),
        (DemoEvent(EventRole.CONTENT, "{\n}"), b"data: {\ndata: }\n\n"),
        (DemoEvent(EventRole.COMMENT, "ping"), b": ping\n\n"),
        (DemoEvent(EventRole.CONTENT, "é"), b"data: \xc3\xa9\n\n"),
    ],
)
def test_an_event_is_written_as_sse(event, raw):
    assert event.encode() == raw


def test_lines_end_as_wished_with_or_without_a_space():
    assert (
        DemoEvent(EventRole.CONTENT, "{}", type="delta").encode("\r\n", space=False)
        == b"event:delta\r\ndata:{}\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("route", "dialect"),
    [
        ("/v1/chat/completions", "openai-chat"),
        ("/a/b/v1/chat/completions", "openai-chat"),
        ("/v1/responses", "openai-responses"),
        ("/v1/messages", "anthropic"),
        ("/v1beta/models/m:generateContent", "gemini"),
        ("/v1/models/vendor/m:free:streamGenerateContent", "gemini"),
        ("/v1beta/models/m:countTokens", None),
        ("/v1/messages/count_tokens", None),
        ("/v1/completions", None),
    ],
)
def test_the_path_says_which_dialect_answers(route, dialect):
    found = dialect_for(route)
    assert (found and found.name) == dialect


def test_a_dialects_demo_is_loaded_when_it_is_used():
    program = "import sys; import pointsman.wire.dialects.registry; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "pointsman.wire.dialects.anthropic.control_events" in loaded
    assert not [name for name in loaded if name.startswith("pointsman.") and name.endswith(".demo")]
