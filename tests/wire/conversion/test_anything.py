"""Whatever a request or an answer holds: routing gets a verdict, and an attempt an answer or a fault."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pointsman.config import Provider
from pointsman.config.enums import Dialect
from pointsman.wire.conversion.codec import codec_for
from pointsman.wire.conversion.ir import Inconvertible
from pointsman.wire.conversion.unsupported import left_out, unsupported
from pointsman.wire.dialects.base import Listener
from pointsman.wire.dialects.openai_responses.tools import namespaces
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.frames import FrameKind
from pointsman.wire.request_facts import RequestFacts

NAMES = (
    "messages", "content", "role", "type", "text", "tools", "function", "name", "parameters", "input", "output",
    "tool_choice", "include", "stop", "n", "response_format", "json_schema", "schema", "contents", "parts",
    "tool_calls", "functionCall", "functionResponse", "generationConfig", "stopSequences", "candidateCount",
    "inlineData",
    "mimeType",
    "image_url", "url", "source", "call_id", "id", "arguments", "choices", "delta", "message", "candidates", "index",
    "finish_reason", "usage", "item", "response", "content_block", "input_schema", "format", "output_config", "system",
)  # fmt: skip
WORDS = (
    "user", "assistant", "tool", "function", "custom", "namespace", "text", "image_url", "input_text", "tool_use",
    "tool_result", "function_call", "function_call_output", "auto", "json_schema", "message", "content_block_delta",
    "response.output_item.done", "text_delta", "model", "",
)  # fmt: skip
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-3, 10**20), st.sampled_from(WORDS), st.text(max_size=4))
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)),
    max_leaves=20,
)
DOCUMENTS = st.dictionaries(st.sampled_from(NAMES), ANYTHING, max_size=6)
untimed = settings(suppress_health_check=[HealthCheck.too_slow], max_examples=25)
PAIRS = [(client, provider) for client in Dialect for provider in Dialect if client is not provider]
every_pair = pytest.mark.parametrize(("client", "provider"), PAIRS, ids=[f"{c}-{p}" for c, p in PAIRS])
ENTRY = Provider(name="p", base_url="http://127.0.0.1:9/v1", quirks={"flat_content": True, "drop_keywords": ["x"]})


def facts(document: dict[str, Any], stream: bool = True) -> RequestFacts:
    return RequestFacts("m", stream, frozenset(), 0, document=document, query="?alt=sse")


@every_pair
class TestAnything:
    @untimed
    @given(document=DOCUMENTS)
    @example(document={"include": 7, "tool_choice": [], "tools": [{}, []], "stop": {}, "n": "2"})
    @example(document={"generationConfig": 3, "contents": [[], {"parts": [{}, {"fileData": 1}]}], "tools": [{}]})
    @example(document={"messages": [{"content": [{"type": [], "source": 3, "content": 4, "image_url": []}]}]})
    def test_is_judged(self, client: Dialect, provider: Dialect, document: dict[str, Any]) -> None:
        asked = facts(document)
        own = DIALECTS[client].conversion
        assert isinstance(unsupported(DIALECTS[client], DIALECTS[provider], asked), str)
        assert isinstance(left_out(DIALECTS[client], asked), list)
        assert own.free_tools(document) >= frozenset()
        assert all(len(where) == 2 for where in namespaces(document).values())
        form = own.response_format(document)
        assert form is None or form.name

    @untimed
    @given(document=DOCUMENTS)
    def test_that_is_asked_is_sent_or_refused(
        self, client: Dialect, provider: Dialect, document: dict[str, Any]
    ) -> None:
        asked = Listener(facts(document), request_id="r", started=1.0)
        way = codec_for(DIALECTS[client], DIALECTS[provider], asked, ENTRY, True)
        try:
            body, path = way.outbound(json.dumps(document).encode(), "m")
        except Inconvertible:
            return
        assert isinstance(json.loads(body), dict)
        assert path.startswith("/")

    @untimed
    @given(documents=st.lists(DOCUMENTS, max_size=4), stream=st.booleans())
    def test_an_answer_is_converted_or_a_fault(
        self, client: Dialect, provider: Dialect, documents: list[dict[str, Any]], stream: bool
    ) -> None:
        asked = Listener(facts({}, stream), request_id="r", started=1.0)
        way = codec_for(DIALECTS[client], DIALECTS[provider], asked, ENTRY, True)
        reader = way.reader(200, "text/event-stream" if stream else "application/json")
        if stream:
            sent = b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in documents)
        else:
            sent = json.dumps(documents[0] if documents else {}).encode()
        frames = [*reader.read(sent), *reader.close()]
        assert all((frame.fault is None) or frame.kind in (FrameKind.ERROR, FrameKind.MALFORMED) for frame in frames)
        assert [frame.kind for frame in frames[:-1]].count(FrameKind.END) == 0
