"""Calls as models write them: between all dialects, streamed and whole saying the same."""

import json
from typing import Any, NamedTuple

import pytest

from pointsman.config import Provider
from pointsman.config.enums import Dialect
from pointsman.wire.conversion.arguments import UNREADABLE, Arguments, normalized
from pointsman.wire.conversion.codec import codec_for
from pointsman.wire.dialects.base import Listener
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.request_facts import RequestFacts
from pointsman.wire.sse import Decoder, event

CHAT, RESPONSES, ANTHROPIC, GEMINI = Dialect
ENTRY = Provider(name="p", base_url="http://127.0.0.1:9/v1")
PAIRS = [(client, provider) for client in Dialect for provider in Dialect if client is not provider]
WRITE_TEXTS = (CHAT, RESPONSES, ANTHROPIC)
"""Dialects in which a model's arguments are a text."""
every_pair = pytest.mark.parametrize(("client", "provider"), PAIRS, ids=[f"{p} to {c}" for c, p in PAIRS])
texts_only = pytest.mark.parametrize(
    ("client", "provider"),
    [pair for pair in PAIRS if pair[1] in WRITE_TEXTS],
    ids=[f"{p} to {c}" for c, p in PAIRS if p in WRITE_TEXTS],
)
with_finish_words = pytest.mark.parametrize(
    ("client", "provider"),
    [pair for pair in PAIRS if pair[1] is not RESPONSES],  # which has states instead
    ids=[f"{p} to {c}" for c, p in PAIRS if p is not RESPONSES],
)
both_ways = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])


class Told(NamedTuple):
    """What a client got. `calls` are names with arguments, ids aside."""

    text: str
    calls: list[tuple[str, Any]]
    ids: list[str]
    finish: str


# What providers send: one text, then calls as (id, name, arguments as the model wrote them), then a finish.

FINISHES = {
    CHAT: {"stop": "stop", "length": "length", "tool_calls": "tool_calls"},
    ANTHROPIC: {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"},
    GEMINI: {"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP"},
}
Calls = list[tuple[str, str, str]]


def lines(*documents: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in documents)


def named(*documents: Any) -> bytes:
    return b"".join(event(each["type"], json.dumps(each).encode()) for each in documents)


def halves(text: str) -> list[str]:
    return [text[: len(text) // 2], text[len(text) // 2 :]]


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"id": "c", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def chat(text: str, calls: Calls, finish: str, stream: bool) -> bytes:
    if not stream:
        made = [{"id": i, "type": "function", "function": {"name": n, "arguments": a}} for i, n, a in calls]
        message = {"role": "assistant", "content": text, "tool_calls": made}
        return json.dumps({"id": "c", "choices": [{"message": message, "finish_reason": finish}]}).encode()
    out = [chunk(content=text)]
    for index, (call_id, name, arguments) in enumerate(calls):
        first, rest = halves(arguments)
        out.append(chunk(tool_calls=[{"index": index, "id": call_id, "function": {"name": name, "arguments": first}}]))
        out.append(chunk(tool_calls=[{"index": index, "function": {"arguments": rest}}]))
    return lines(*out, chunk(finish)) + b"data: [DONE]\n\n"


def responses(text: str, calls: Calls, finish: str, stream: bool) -> bytes:
    message = {"type": "message", "id": "msg", "role": "assistant", "content": [{"type": "output_text", "text": text}]}
    items = [
        {"type": "function_call", "id": f"fc{n}", "call_id": call_id, "name": name, "arguments": arguments}
        for n, (call_id, name, arguments) in enumerate(calls)
    ]
    is_cut = finish == "length"
    answer = {
        "id": "r", "status": "incomplete" if is_cut else "completed", "output": [message, *items],
        "incomplete_details": {"reason": "max_output_tokens"} if is_cut else None,
    }  # fmt: skip
    if not stream:
        return json.dumps(answer).encode()
    out: list[Any] = [
        {"type": "response.created", "response": {"id": "r", "output": []}},
        {"type": "response.output_text.delta", "item_id": "msg", "output_index": 0, "delta": text},
    ]
    for place, item in enumerate(items, 1):
        where = {"item_id": item["id"], "output_index": place}
        out.append({"type": "response.output_item.added", "output_index": place, "item": {**item, "arguments": ""}})
        for part in halves(item["arguments"]):
            out.append({"type": "response.function_call_arguments.delta", **where, "delta": part})
        out.append({"type": "response.function_call_arguments.done", **where, "arguments": item["arguments"]})
        out.append({"type": "response.output_item.done", "output_index": place, "item": item})
    return named(*out, {"type": "response.incomplete" if is_cut else "response.completed", "response": answer})


def anthropic(text: str, calls: Calls, finish: str, stream: bool) -> bytes:
    word = FINISHES[ANTHROPIC].get(finish, finish)
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": {}}
    if not stream:
        made = [{"type": "tool_use", "id": i, "name": n, "input": a} for i, n, a in calls]
        return json.dumps({**message, "content": [{"type": "text", "text": text}, *made], "stop_reason": word}).encode()
    out: list[Any] = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}},
        {"type": "content_block_stop", "index": 0},
    ]
    for index, (call_id, name, arguments) in enumerate(calls, 1):
        block = {"type": "tool_use", "id": call_id, "name": name, "input": {}}
        out.append({"type": "content_block_start", "index": index, "content_block": block})
        for part in halves(arguments):
            delta = {"type": "input_json_delta", "partial_json": part}
            out.append({"type": "content_block_delta", "index": index, "delta": delta})
        out.append({"type": "content_block_stop", "index": index})
    return named(*out, {"type": "message_delta", "delta": {"stop_reason": word}}, {"type": "message_stop"})


def gemini(text: str, calls: Calls, finish: str, stream: bool) -> bytes:
    made = [{"functionCall": {"id": i, "name": n, "args": json.loads(a or "{}")}} for i, n, a in calls]
    word = FINISHES[GEMINI].get(finish, finish)
    chunks: list[list[Any]] = [[{"text": text}], *([part] for part in made)] if stream else [[{"text": text}, *made]]
    documents = [{"responseId": "r", "candidates": [{"content": {"parts": parts}}]} for parts in chunks]
    documents[-1]["candidates"][0]["finishReason"] = word
    return lines(*documents) if stream else json.dumps(documents[0]).encode()


PROVIDERS = {CHAT: chat, RESPONSES: responses, ANTHROPIC: anthropic, GEMINI: gemini}


# What clients get.


def crossed(client: Dialect, provider: Dialect, sent: bytes, stream: bool) -> Told:
    facts = RequestFacts("m", stream, frozenset(), 0, document={}, query="?alt=sse" if stream else "")
    codec = codec_for(DIALECTS[client], DIALECTS[provider], Listener(facts, (), "r", 1.0), ENTRY, False)
    reader = codec.reader(200, "text/event-stream" if stream else "application/json")
    frames = [*reader.read(sent), *reader.close()]
    assert [frame.fault for frame in frames if frame.fault] == []
    data = b"".join(frame.data for frame in frames)
    if not stream:
        return READ_WHOLE[client](json.loads(data))
    events = [each.data for each in Decoder(1 << 26).feed(data)]
    return READ_STREAM[client]([json.loads(each) for each in events if each and each != b"[DONE]"])


def chat_stream(documents: list[Any]) -> Told:
    made: dict[int, list[str]] = {}
    text = ""
    for choice in (each["choices"][0] for each in documents if each["choices"]):
        text += choice["delta"].get("content") or ""
        for call in choice["delta"].get("tool_calls", []):
            made.setdefault(call["index"], [call.get("id"), call["function"].get("name"), ""])
            made[call["index"]][2] += call["function"]["arguments"]
    return Told(text, [(n, a) for _, n, a in made.values()], [i for i, *_ in made.values()], choice["finish_reason"])


def chat_whole(answer: Any) -> Told:
    message = answer["choices"][0]["message"]
    made = [call["function"] for call in message.get("tool_calls", [])]
    return Told(
        message["content"] or "",
        [(each["name"], each["arguments"]) for each in made],
        [call["id"] for call in message.get("tool_calls", [])],
        answer["choices"][0]["finish_reason"],
    )


def responses_stream(documents: list[Any]) -> Told:
    said: dict[str, str] = {}
    for each in documents:
        if each["type"] == "response.function_call_arguments.delta":
            said[each["item_id"]] = said.get(each["item_id"], "") + each["delta"]
    told = responses_whole(documents[-1]["response"])
    assert list(said.values()) == [arguments for _, arguments in told.calls], "the pieces make up the whole"
    return told


def responses_whole(answer: Any) -> Told:
    items = answer["output"]
    made = [item for item in items if item["type"] == "function_call"]
    text = "".join(part["text"] for item in items if item["type"] == "message" for part in item["content"])
    finish = (answer["incomplete_details"] or {}).get("reason") or ("tool_calls" if made else "stop")
    return Told(text, [(item["name"], item["arguments"]) for item in made], [item["call_id"] for item in made], finish)


def anthropic_stream(documents: list[Any]) -> Told:
    blocks: list[Any] = []
    for each in documents:
        if each["type"] == "content_block_start":
            blocks.append({**each["content_block"], "said": ""})
        elif each["type"] == "content_block_delta":
            blocks[each["index"]]["said"] += each["delta"].get("text", each["delta"].get("partial_json", ""))
    made = [block for block in blocks if block["type"] == "tool_use"]
    return Told(
        "".join(block["said"] for block in blocks if block["type"] == "text"),
        [(block["name"], block["said"]) for block in made],
        [block["id"] for block in made],
        documents[-2]["delta"]["stop_reason"],
    )


def anthropic_whole(answer: Any) -> Told:
    made = [block for block in answer["content"] if block["type"] == "tool_use"]
    text = "".join(block["text"] for block in answer["content"] if block["type"] == "text")
    calls = [(block["name"], json.dumps(block["input"])) for block in made]
    return Told(text, calls, [block["id"] for block in made], answer["stop_reason"])


def gemini_stream(documents: list[Any]) -> Told:
    parts = [part for each in documents for part in each["candidates"][0]["content"]["parts"]]
    made = [part["functionCall"] for part in parts if "functionCall" in part]
    return Told(
        "".join(part.get("text", "") for part in parts),
        [(call["name"], json.dumps(call["args"])) for call in made],
        [call["id"] for call in made],
        documents[-1]["candidates"][0]["finishReason"],
    )


READ_STREAM = {CHAT: chat_stream, RESPONSES: responses_stream, ANTHROPIC: anthropic_stream, GEMINI: gemini_stream}
READ_WHOLE = {
    CHAT: chat_whole, RESPONSES: responses_whole, ANTHROPIC: anthropic_whole,
    GEMINI: lambda answer: gemini_stream([answer]),
}  # fmt: skip
CUT = {CHAT: "length", RESPONSES: "max_output_tokens", ANTHROPIC: "max_tokens", GEMINI: "MAX_TOKENS"}
CALLED = {CHAT: "tool_calls", RESPONSES: "tool_calls", ANTHROPIC: "tool_use", GEMINI: "STOP"}
STOPPED = {CHAT: "stop", RESPONSES: "stop", ANTHROPIC: "end_turn", GEMINI: "STOP"}


@both_ways
class TestEveryPair:
    @every_pair
    def test_calls_cross(self, client: Dialect, provider: Dialect, stream: bool) -> None:
        made = [("a", "get", '{"a": "1"}'), ("b", "now", "{}"), ("c", "get", '{"a": "}{"}')]
        told = crossed(client, provider, PROVIDERS[provider]("hi", made, "tool_calls", stream), stream)
        assert (told.text, told.ids, told.finish) == ("hi", ["a", "b", "c"], CALLED[client])
        assert [(name, json.loads(said)) for name, said in told.calls] == [(n, json.loads(a)) for _, n, a in made]

    @every_pair
    @pytest.mark.parametrize("given", ["", "same"])
    def test_ids_that_are_empty_or_equal_are_made_up(
        self, client: Dialect, provider: Dialect, stream: bool, given: str
    ) -> None:
        made = [(given, "get", '{"a": "1"}'), (given, "get", '{"a": "2"}')]
        told = crossed(client, provider, PROVIDERS[provider]("hi", made, "tool_calls", stream), stream)
        assert len(set(told.ids)) == 2
        assert all(told.ids)
        assert [json.loads(said) for _, said in told.calls] == [{"a": "1"}, {"a": "2"}]

    @texts_only
    @pytest.mark.parametrize(
        ("written", "meant"),
        [
            ("", {}), ("null", {}), ("{}", {}), (" { } ", {}), ('"{\\"a\\": 1}"', {"a": 1}), ('{}{"a": 1}', {"a": 1}),
            ('{"a": 1}{"a": 1}', {"a": 1}), ('{"a": "\\"}{"}', {"a": '"}{'}), ('""', {}),
        ],
    )  # fmt: skip
    def test_arguments_are_what_the_model_meant(
        self, client: Dialect, provider: Dialect, stream: bool, written: str, meant: Any
    ) -> None:
        sent = PROVIDERS[provider]("hi", [("a", "get", written)], "tool_calls", stream)
        told = crossed(client, provider, sent, stream)
        assert [(name, json.loads(said)) for name, said in told.calls] == [("get", meant)]
        assert told.finish == CALLED[client]

    @texts_only
    @pytest.mark.parametrize("finish", ["length", "tool_calls"])
    @pytest.mark.parametrize("written", ['{"a": "some long te', '{"a": [{"b": "\\', '"{\\"a\\": 1', "{"])
    def test_a_cut_call_is_written_as_far_as_the_dialect_can(
        self, client: Dialect, provider: Dialect, stream: bool, finish: str, written: str
    ) -> None:
        made = [("a", "get", '{"a": 1}'), ("b", "put", written)]
        told = crossed(client, provider, PROVIDERS[provider]("hi", made, finish, stream), stream)
        assert (told.text, told.finish) == ("hi", CUT[client])
        assert json.loads(told.calls[0][1]) == {"a": 1}
        match client:
            case Dialect.OPENAI_CHAT | Dialect.OPENAI_RESPONSES:
                assert told.calls[1:] == [("put", written)]
            case Dialect.ANTHROPIC:
                [(name, said)] = told.calls[1:]
                assert (name, told.ids[1]) == ("put", "b")
                assert said in (written, "{}")
            case Dialect.GEMINI:
                assert told.calls[1:] == []

    @texts_only
    @pytest.mark.parametrize("written", ["[1]", "7", "Paris, please", "```json\n{}\n```"])
    def test_arguments_that_are_no_object_reach_the_client(
        self, client: Dialect, provider: Dialect, stream: bool, written: str
    ) -> None:
        sent = PROVIDERS[provider]("hi", [("a", "get", written)], "tool_calls", stream)
        told = crossed(client, provider, sent, stream)
        takes_texts = client in (CHAT, RESPONSES)
        assert told.calls[0][0] == "get"
        assert (told.calls[0][1] if takes_texts else json.loads(told.calls[0][1])) == (
            written if takes_texts else {UNREADABLE: written}
        )
        assert told.finish == CALLED[client]

    @texts_only
    def test_what_follows_an_object_is_dropped_only_where_it_cannot_be_expressed(
        self, client: Dialect, provider: Dialect, stream: bool
    ) -> None:
        sent = PROVIDERS[provider]("hi", [("a", "get", '{"a": 1}}')], "tool_calls", stream)
        [(_, said)] = crossed(client, provider, sent, stream).calls
        if client in (CHAT, RESPONSES):
            assert said == '{"a": 1}}'
        else:
            assert json.loads(said) == {"a": 1}

    @with_finish_words
    @pytest.mark.parametrize(
        "word", ["eos", "pause_turn", "MALFORMED_FUNCTION_CALL", "model_length", "weird", "Safety"]
    )
    def test_the_finish_is_a_word_of_the_clients(
        self, client: Dialect, provider: Dialect, stream: bool, word: str
    ) -> None:
        told = crossed(client, provider, PROVIDERS[provider]("hi", [], word, stream), stream)
        filtered = {CHAT: "content_filter", RESPONSES: "content_filter", ANTHROPIC: "refusal", GEMINI: "SAFETY"}
        meant = {"model_length": CUT, "Safety": filtered}.get(word, STOPPED)
        assert told.finish == meant[client]


CLIENTS = pytest.mark.parametrize("client", [RESPONSES, ANTHROPIC, GEMINI])


def piece(index: int | None, call_id: str | None, name: str | None, arguments: Any) -> dict[str, Any]:
    """One piece of a call in a chunk of a chat completion; None leaves a member out."""
    made: dict[str, Any] = {"function": {"arguments": arguments}}
    if name is not None:
        made["function"]["name"] = name
    if call_id is not None:
        made["id"] = call_id
    if index is not None:
        made["index"] = index
    return chunk(tool_calls=[made])


def from_chat(client: Dialect, *documents: Any) -> Told:
    return crossed(client, CHAT, lines(*documents, chunk("tool_calls")) + b"data: [DONE]\n\n", True)


@CLIENTS
class TestChatProviders:
    @pytest.mark.parametrize("between", [{"content": "\n"}, {"reasoning_content": " "}, {"content": "later"}])
    def test_text_between_pieces_of_a_call_follows_it(self, client: Dialect, between: Any) -> None:
        told = from_chat(client, piece(0, "t", "get", '{"a":'), chunk(**between), piece(0, None, None, '"1"}'))
        assert [(name, json.loads(said)) for name, said in told.calls] == [("get", {"a": "1"})]
        assert told.text == between.get("content", told.text)

    def test_text_in_the_event_of_a_piece(self, client: Dialect) -> None:
        both = piece(0, None, None, '"1"}')
        both["choices"][0]["delta"]["content"] = "x"
        told = from_chat(client, piece(0, "t", "get", '{"a":'), both)
        assert ([(name, json.loads(said)) for name, said in told.calls], told.text) == ([("get", {"a": "1"})], "x")

    @pytest.mark.parametrize("ids", [(None, None), ("", ""), ("same", "same"), ("a", "b")], ids=str)
    @pytest.mark.parametrize("index", [0, None])
    @pytest.mark.parametrize("split", [False, True])
    def test_parallel_calls_with_one_index(
        self, client: Dialect, ids: tuple[str | None, str | None], index: int | None, split: bool
    ) -> None:
        sent = []
        for call_id, said in zip(ids, ('{"a":1}', '{"a":2}'), strict=True):
            pieces = halves(said) if split else [said]
            sent.append(piece(index, call_id, "get", pieces[0]))
            sent += [piece(index, None, None, rest) for rest in pieces[1:]]
        told = from_chat(client, *sent)
        assert [(name, json.loads(said)) for name, said in told.calls] == [("get", {"a": 1}), ("get", {"a": 2})]
        assert len(set(told.ids)) == 2

    def test_a_name_and_id_repeated_in_every_piece(self, client: Dialect) -> None:
        told = from_chat(client, *(piece(0, "a", "get", part) for part in ("", '{"a"', ":1}", "")))
        assert [(name, json.loads(said)) for name, said in told.calls] == [("get", {"a": 1})]

    def test_a_name_that_comes_after_its_id(self, client: Dialect) -> None:
        told = from_chat(client, piece(0, "a", None, ""), piece(0, None, "get", '{"a"'), piece(0, None, None, ":1}"))
        assert [(name, json.loads(said)) for name, said in told.calls] == [("get", {"a": 1})]

    @pytest.mark.parametrize("call_id", ["a", None])
    @pytest.mark.parametrize("names", [("edit_", "file"), ("edit_", "edit_file"), ("e", "dit", "_file")])
    def test_a_name_that_comes_in_pieces(self, client: Dialect, names: tuple[str, ...], call_id: str | None) -> None:
        first, *others = names
        sent = [piece(0, "a", first, ""), *(piece(0, call_id, name, "") for name in others)]
        told = from_chat(client, *sent, piece(0, None, None, '{"a"'), piece(0, None, None, ":1}"))
        assert [(name, json.loads(said)) for name, said in told.calls] == [("edit_file", {"a": 1})]

    @pytest.mark.parametrize(("given", "meant"), [(None, {}), ({"a": 1}, {"a": 1}), ({}, {})])
    def test_arguments_that_are_no_text(self, client: Dialect, given: Any, meant: Any) -> None:
        told = from_chat(client, piece(0, "a", "get", given))
        assert [(name, json.loads(said)) for name, said in told.calls] == [("get", meant)]

    def test_a_call_that_the_last_event_alone_has(self, client: Dialect) -> None:
        made = {"id": "a", "type": "function", "function": {"name": "get", "arguments": '{"a":1}'}}
        last = {"choices": [{"index": 0, "message": {"content": "hi", "tool_calls": [made]}, "finish_reason": "stop"}]}
        told = from_chat(client, chunk(content="hi"), last)
        assert ([(name, json.loads(said)) for name, said in told.calls], told.text) == ([("get", {"a": 1})], "hi")

    def test_the_legacy_form(self, client: Dialect) -> None:
        first = chunk(function_call={"name": "get", "arguments": '{"a"'})
        told = from_chat(client, first, chunk(function_call={"arguments": ":1}"}))
        assert [(name, json.loads(said)) for name, said in told.calls] == [("get", {"a": 1})]


class TestResponsesProviders:
    ITEM = {"type": "function_call", "id": "fc", "call_id": "a", "name": "get", "arguments": '{"a":1}'}  # noqa: RUF012

    @pytest.mark.parametrize("client", [CHAT, ANTHROPIC, GEMINI])
    @pytest.mark.parametrize("closing", ["arguments.done", "item.done", "completed", "item.done alone"])
    def test_a_call_known_from_a_closing_event(self, client: Dialect, closing: str) -> None:
        text = {"type": "response.output_text.delta", "item_id": "m", "output_index": 0, "delta": "hi"}
        added = {"type": "response.output_item.added", "output_index": 1, "item": {**self.ITEM, "arguments": ""}}
        said = {
            "type": "response.function_call_arguments.done", "item_id": "fc", "output_index": 1,
            "arguments": self.ITEM["arguments"],
        }  # fmt: skip
        done = {"type": "response.output_item.done", "output_index": 1, "item": self.ITEM}
        message = {"type": "message", "content": [{"type": "output_text", "text": "hi"}]}
        answer = {"id": "r", "status": "completed", "output": [message, self.ITEM]}
        before = {
            "arguments.done": [added, said],
            "item.done": [added, done],
            "completed": [],
            "item.done alone": [done],
        }[closing]
        told = crossed(
            client, RESPONSES, named(text, *before, {"type": "response.completed", "response": answer}), True
        )
        assert ([(name, json.loads(said)) for name, said in told.calls], told.text) == ([("get", {"a": 1})], "hi")

    @pytest.mark.parametrize("client", [CHAT, ANTHROPIC, GEMINI])
    def test_items_that_share_an_id_are_different_calls(self, client: Dialect) -> None:
        events: list[Any] = []
        for place in (0, 1):
            where = {"item_id": "fc", "output_index": place}
            item = {**self.ITEM, "arguments": f'{{"a":{place}}}'}
            events += [
                {"type": "response.output_item.added", "output_index": place, "item": {**item, "arguments": ""}},
                {"type": "response.function_call_arguments.delta", **where, "delta": item["arguments"]},
                {"type": "response.output_item.done", "output_index": place, "item": item},
            ]
        answer = {"id": "r", "status": "completed", "output": [each["item"] for each in events[2::3]]}
        told = crossed(client, RESPONSES, named(*events, {"type": "response.completed", "response": answer}), True)
        assert [json.loads(said) for _, said in told.calls] == [{"a": 0}, {"a": 1}]

    @pytest.mark.parametrize("client", [CHAT, ANTHROPIC, GEMINI])
    @pytest.mark.parametrize("are_mixed", [False, True])
    @pytest.mark.parametrize("ids", [("fc_0", "fc_1", "fc_2"), (None, None, None)], ids=str)
    def test_items_that_share_a_place_are_different_calls(
        self, client: Dialect, ids: tuple[str | None, ...], are_mixed: bool
    ) -> None:
        items = [
            {**self.ITEM, "id": item_id, "call_id": f"call_{number}", "arguments": f'{{"a":{number}}}'}
            for number, item_id in enumerate(ids)
        ]
        added = [
            {"type": "response.output_item.added", "output_index": 0, "item": {**item, "arguments": ""}}
            for item in items
        ]
        said = [
            {
                "type": "response.function_call_arguments.delta", "item_id": item["id"], "output_index": 0,
                "delta": item["arguments"],
            }
            for item in items
        ]  # fmt: skip
        done = [{"type": "response.output_item.done", "output_index": 0, "item": item} for item in items]
        events = [event for events in zip(added, said, done, strict=True) for event in events]
        if are_mixed:
            events = [*added, *(said if ids[0] else ()), *done]  # without ids, nothing tells whose arguments they are
        answer = {"id": "r", "status": "completed", "output": items}
        told = crossed(client, RESPONSES, named(*events, {"type": "response.completed", "response": answer}), True)
        assert [json.loads(said) for _, said in told.calls] == [{"a": 0}, {"a": 1}, {"a": 2}]


def test_arguments_are_passed_on_as_they_come() -> None:
    own = Arguments()
    assert [own.add(part) for part in ("", " {", ' "a', '": "b', '"}', "\n")] == ["", "", ' { "a', '": "b', '"}', ""]
    assert (own.finish(False), own.is_whole) == ("", True)


@pytest.mark.parametrize("odd", ['"\\"\\""', "[", "]", "\ud83d", '"\\ud83d"', "{}" * 50, "[" * 5000, '{"a":1}' * 3])
def test_any_input_is_converted_or_refused(odd: str) -> None:
    own = Arguments()
    own.add(odd)
    own.finish(True)
    assert isinstance(normalized(odd), str)
