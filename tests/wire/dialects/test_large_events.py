"""Events that hold an image: passed on as they are, in every dialect, with few copies."""

import json
import tracemalloc
from typing import Any

import pytest

from pointsman.config.enums import Dialect
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.frames import FrameKind, Reader
from pointsman.wire.request_facts import RequestFacts
from pointsman.wire.sse import LARGE_EVENT, Decoder

CHUNK = 256 * 1024
CHAT, RESPONSES, ANTHROPIC, GEMINI = Dialect


def event(dialect: Dialect, image: str) -> bytes:
    documents: dict[Dialect, Any] = {
        CHAT: {"choices": [{"index": 0, "delta": {"images": [{"type": "image_url", "image_url": {"url": image}}]}}]},
        RESPONSES: {
            "type": "response.image_generation_call.partial_image",
            "sequence_number": 7,
            "partial_image_b64": image,
        },
        ANTHROPIC: {"type": "content_block_start", "index": 0, "content_block": {"type": "image", "source": image}},
        GEMINI: {"candidates": [{"content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": image}}]}}]},
    }
    document = documents[dialect]
    head = f"event: {document['type']}\n".encode() if "type" in document else b""
    return head + b"data: " + json.dumps(document).encode() + b"\r\n\r\n"


def reader(dialect: Dialect) -> Reader:
    facts = RequestFacts("m", True, frozenset(), 0, document={}, query="?alt=sse")
    return DIALECTS[dialect].reader(facts, "text/event-stream")


def read(own: Reader, sent: bytes) -> list[Any]:
    return [frame for at in range(0, len(sent), CHUNK) for frame in own.read(sent[at : at + CHUNK])]


@pytest.mark.parametrize("dialect", Dialect)
class TestLargeEvents:
    def test_one_of_32_mib_is_content(self, dialect: Dialect) -> None:
        sent = event(dialect, "A" * (32 << 20))
        [frame] = read(reader(dialect), sent)
        assert (frame.kind, frame.data == sent) == (FrameKind.CONTENT, True)

    def test_a_larger_one_than_any_is_refused_before_it_is_whole(self, dialect: Dialect) -> None:
        own = reader(dialect)
        frames = read(own, b"data: " + b"A" * (LARGE_EVENT + CHUNK))
        assert [frame.kind for frame in frames] == [FrameKind.MALFORMED]

    def test_nothing_of_it_is_kept(self, dialect: Dialect) -> None:
        size = 8 << 20
        sent = event(dialect, "A" * size)
        own = reader(dialect)
        tracemalloc.start()
        try:
            assert len(read(own, sent)) == 1
            kept, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert kept < CHUNK


def test_cutting_an_event_out_makes_few_copies_of_it() -> None:
    size = 8 << 20
    sent = event(CHAT, "A" * size)
    decoder = Decoder(LARGE_EVENT, shortens=True)
    tracemalloc.start()
    try:
        events = [each for at in range(0, len(sent), CHUNK) for each in decoder.feed(sent[at : at + CHUNK])]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (len(events), decoder.pending) == (1, 0)
    assert peak < 1.5 * size
