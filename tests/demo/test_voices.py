from __future__ import annotations

import pytest

from pointsman.demo.voices import Event, Part, voice_for


@pytest.mark.parametrize(
    ("event", "raw"),
    [
        (Event(Part.CONTENT, "{}"), b"data: {}\n\n"),
        (Event(Part.CONTENT, "{}", type="delta"), b"event: delta\ndata: {}\n\n"),
        (Event(Part.CONTENT, "{\n}"), b"data: {\ndata: }\n\n"),
        (Event(Part.COMMENT, "ping"), b": ping\n\n"),
        (Event(Part.CONTENT, "é"), b"data: \xc3\xa9\n\n"),
    ],
)
def test_an_event_is_written_as_sse(event, raw):
    assert event.encode() == raw


def test_lines_end_as_wished_with_or_without_a_space():
    assert Event(Part.CONTENT, "{}", type="delta").encode("\r\n", space=False) == b"event:delta\r\ndata:{}\r\n\r\n"


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
def test_the_path_says_which_voice_answers(route, dialect):
    voice = voice_for(route)
    assert (voice and voice.DIALECT) == dialect
