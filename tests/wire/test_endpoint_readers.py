"""What the answers of endpoints besides chats mean, whatever their bytes and however they are cut."""

import json
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.wire.dialects.registry import route_of_path
from pointsman.wire.endpoint_readers import BytesReader, EventsReader, bytes_reader, document_reader, events_reader
from pointsman.wire.errors import FaultKind
from pointsman.wire.frames import Frame, FrameKind, Reader, Usage
from pointsman.wire.request_facts import RequestFacts

GOOD = b'{"type":"x.delta","delta":"a"}'
STREAM = b"data: " + GOOD + b'\n\ndata: {"type":"x.done"}\n\n'


def frames(reader: Reader, *pieces: bytes) -> list[Frame]:
    return [frame for piece in pieces for frame in reader.read(piece)] + list(reader.close())


def kinds(found: Sequence[Frame]) -> list[str]:
    return [frame.kind.name for frame in found]


def faults(found: Sequence[Frame]) -> list[FaultKind]:
    return [frame.fault.kind for frame in found if frame.fault]


class TestBytes:
    @given(st.lists(st.binary(min_size=1, max_size=40), min_size=1))
    def test_they_pass_as_they_come(self, pieces: list[bytes]) -> None:
        reader = BytesReader()
        found = frames(reader, *pieces)
        assert [frame.data for frame in found] == [*pieces, b""]
        assert kinds(found) == [*["CONTENT"] * len(pieces), "END"]
        assert reader.finished

    def test_none_at_all_is_a_failure(self) -> None:
        reader = BytesReader()
        assert faults(frames(reader)) == [FaultKind.EMPTY]
        assert not reader.finished

    @pytest.mark.parametrize("content_type", ["text/html", "text/event-stream; charset=utf-8"])
    def test_a_page_or_a_stream_is_a_failure(self, content_type: str) -> None:
        assert faults(frames(bytes_reader(content_type), b"ID3")) == [FaultKind.MALFORMED]

    def test_a_document_says_what_went_wrong(self) -> None:
        assert faults(frames(bytes_reader("application/json"), b'{"error":{"message":"a"}}')) == [FaultKind.WRAPPED]
        assert faults(frames(bytes_reader("application/json"), b'{"id":1}')) == [FaultKind.EMPTY]


class TestEvents:
    @given(st.lists(st.integers(min_value=0, max_value=len(STREAM)), max_size=4))
    def test_they_pass_however_they_are_cut(self, cuts: list[int]) -> None:
        places = [0, *sorted(cuts), len(STREAM)]
        reader = EventsReader()
        found = frames(reader, *(STREAM[start:end] for start, end in pairwise(places)))
        assert b"".join(frame.data for frame in found) == STREAM
        assert set(kinds(found)) == {"CONTENT"}
        assert reader.finished

    def test_without_a_last_one_they_are_not_whole(self) -> None:
        reader = EventsReader()
        frames(reader, b"data: " + GOOD + b"\n\n")
        assert not reader.finished

    @pytest.mark.parametrize(
        "data", [b'{"error":{"message":"a"}}', b'{"type":"error","message":"a"}', b'{"type":"error"}']
    )
    def test_an_error_is_one(self, data: bytes) -> None:
        assert kinds(frames(EventsReader(), b"data: " + data + b"\n\n")) == ["ERROR"]

    def test_nothing_is_a_failure(self) -> None:
        assert faults(frames(EventsReader())) == [FaultKind.EMPTY]

    @pytest.mark.parametrize("content_type", ["text/html", "application/json"])
    def test_another_form_is_a_failure(self, content_type: str) -> None:
        assert faults(frames(events_reader(content_type), b"{}")) == [FaultKind.MALFORMED]


class TestDocuments:
    def test_a_stream_is_a_failure(self) -> None:
        reader = document_reader("text/event-stream", lambda _: "")
        assert faults(frames(reader, STREAM)) == [FaultKind.MALFORMED]

    @pytest.mark.parametrize(
        ("path", "answer", "has_content"),
        [
            ("/v1/embeddings", {"data": [{"embedding": [0.1]}, {"embedding": "AAAA"}]}, True),
            ("/v1/embeddings", {"data": [{"embedding": [0.1]}, {"embedding": []}]}, False),
            ("/v1/embeddings", {"data": []}, False),
            ("/v1/embeddings", {}, False),
            ("/v1/images/generations", {"data": [{"url": "https://a/b"}]}, True),
            ("/v1/images/edits", {"data": [{"b64_json": ""}]}, False),
            ("/v1/audio/transcriptions", {"text": ""}, True),
            ("/v1/audio/transcriptions", {"text": None}, False),
            ("/v1/rerank", {"results": [{"index": 0}]}, True),
            ("/v1/rerank", {"data": [{"index": 0}]}, True),
            ("/v1/rerank", {"results": []}, False),
            ("/v1/moderations", {"results": [{"flagged": False}]}, True),
            ("/v1/moderations", {"results": []}, False),
            ("/v1/completions", {"choices": [{"text": "a", "finish_reason": "stop"}]}, True),
            ("/v1beta/models/m:embedContent", {"embedding": {"values": [0.1]}}, True),
            ("/v1beta/models/m:embedContent", {"embedding": {}}, False),
            ("/v1beta/models/m:batchEmbedContents", {"embeddings": [{"values": [1]}, {"values": [1]}]}, True),
            ("/v1beta/models/m:batchEmbedContents", {"embeddings": [{"values": [1]}, {}]}, False),
            ("/v1beta/models/m:batchEmbedContents", {"embeddings": []}, False),
        ],
    )
    def test_what_an_answer_must_have(self, path: str, answer: object, has_content: bool) -> None:
        found = answered(path, answer)
        assert kinds(found) == (["CONTENT", "END"] if has_content else ["MALFORMED"])
        assert faults(found) == ([] if has_content else [FaultKind.EMPTY])

    @pytest.mark.parametrize(
        ("path", "usage", "told"),
        [
            ("/v1/embeddings", {"prompt_tokens": 4, "total_tokens": 4}, Usage(4, 0)),
            ("/v1/embeddings", {"total_tokens": 7}, Usage(7, 0)),
            ("/v1/images/generations", {"input_tokens": 4, "output_tokens": 9, "total_tokens": 13}, Usage(4, 9)),
        ],
    )
    def test_usage_is_read(self, path: str, usage: object, told: Usage) -> None:
        reader = reader_of(path)
        body = {"data": [{"embedding": [1], "url": "a"}], "usage": usage}
        frames(reader, json.dumps(body).encode())
        assert reader.usage == told


def reader_of(path: str, asked: bytes = b'{"model":"m"}') -> Reader:
    route = route_of_path(path)
    assert route
    assert route.endpoint
    facts: RequestFacts = route.endpoint.facts(asked, path)
    return route.endpoint.reader(facts, "application/json")


def answered(path: str, answer: object) -> list[Frame]:
    found = frames(reader_of(path), json.dumps(answer).encode())
    assert all(frame.kind is not FrameKind.ERROR for frame in found)
    return found
