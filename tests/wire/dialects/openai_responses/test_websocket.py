"""What is said over a WebSocket connection of Responses, without the connection."""

import json
from typing import Any

import pytest

from pointsman.wire import jsontext
from pointsman.wire.dialects.openai_responses import websocket
from pointsman.wire.dialects.openai_responses.websocket import ResponsesSocket
from pointsman.wire.errors import Problem
from pointsman.wire.sse import Decoder, event

USER = {"type": "message", "role": "user", "content": "hi"}
PART = {"type": "output_text", "text": "hello", "annotations": []}
SAID = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [PART]}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "get", "arguments": "{}"}
SEALED = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}
PLAIN = {"type": "reasoning", "id": "rs_2", "summary": []}


def create(**members: Any) -> bytes:
    return json.dumps({"type": "response.create", "model": "m", "store": False, **members}).encode()


def asked(socket: ResponsesSocket, message: bytes) -> dict[str, Any]:
    body = socket.request(message, "resp_own", 1.0)
    assert isinstance(body, bytes), body
    found = json.loads(body)
    assert isinstance(found, dict)
    return found


def replies(socket: ResponsesSocket, message: bytes) -> list[dict[str, Any]]:
    found = socket.request(message, "resp_own", 1.0)
    assert not isinstance(found, bytes), found
    return [json.loads(each) for each in found]


def answer(socket: ResponsesSocket, answer_id: str, *items: Any, last: str = "response.completed") -> list[bytes]:
    """The messages that the client gets for such an answer."""
    stream = event("response.created", b'{"type":"response.created"}') + b": a comment\n\n"
    for index, item in enumerate(items):
        done = {"type": "response.output_item.done", "output_index": index, "item": item}
        stream += event("response.output_item.done", json.dumps(done).encode())
    status = last.removeprefix("response.")
    closing = {"type": last, "response": {"id": answer_id, "status": status, "output": list(items)}}
    stream += event(last, json.dumps(closing).encode())
    return [said for each in Decoder().feed(stream) if (said := socket.answer(each)) is not None]


def test_a_message_becomes_the_body_of_a_streamed_request_and_keeps_its_other_bytes() -> None:
    message = (
        b' {"type" : "response.create", "generate":true, "stream":false,"background":false,"model":"m",\n'
        b'"input": "h\\u00e9 \xc3\xa9", "big": 123456789012345678901234567890, "unknown": {"a" : [1, 2]} , "x":1.0}'
    )
    body = ResponsesSocket().request(message, "resp_own", 1.0)
    assert body == (
        b'{"stream":true,"model":"m","input":"h\\u00e9 \xc3\xa9","big":123456789012345678901234567890,'
        b'"unknown":{"a" : [1, 2]},"x":1.0}'
    )


@pytest.mark.parametrize("text", [b"{}", b'{"a":1}', b' { "a" : [ {"b":"}"} ] , "c\\"d": "\\\\" , "e":{} }'])
def test_members_are_found_where_they_stand(text: bytes) -> None:
    found = {name: json.loads(text[slice(*span)]) for name, span in jsontext.members(text)}
    assert found == json.loads(text)


def test_what_is_new_is_put_behind_the_conversation_so_far() -> None:
    socket = ResponsesSocket()
    assert asked(socket, create(input=[USER]))["input"] == [USER]
    answer(socket, "resp_1", SEALED, SAID, CALL)
    output = {"type": "function_call_output", "call_id": "c1", "output": "r"}
    body = asked(socket, create(input=[output], previous_response_id="resp_1"))
    without_ids = [{name: value for name, value in each.items() if name != "id"} for each in (SEALED, SAID, CALL)]
    assert body["input"] == [USER, *without_ids, output]
    assert "previous_response_id" not in body
    answer(socket, "resp_2", SAID)
    body = asked(socket, create(input="and more", previous_response_id="resp_2"))
    assert body["input"][-1] == {"type": "message", "role": "user", "content": "and more"}
    assert len(body["input"]) == 7


def test_an_earlier_answer_can_be_continued_twice() -> None:
    socket = ResponsesSocket()
    asked(socket, create(input=[USER]))
    answer(socket, "resp_1", SAID)
    for n in range(2):
        assert len(asked(socket, create(input=[USER], previous_response_id="resp_1"))["input"]) == 3
        answer(socket, f"resp_2_{n}", SAID)


@pytest.mark.parametrize(("store", "kept"), [(False, []), (True, [PLAIN])])
def test_unreadable_thoughts_are_sent_to_their_holder_only(store: bool, kept: list[Any]) -> None:
    socket = ResponsesSocket()
    asked(socket, create(input=[USER], store=store))
    answer(socket, "resp_1", PLAIN)
    assert asked(socket, create(previous_response_id="resp_1", store=store))["input"] == [USER, *kept]


def test_each_event_is_one_message_and_a_comment_is_none() -> None:
    socket = ResponsesSocket()
    asked(socket, create(input=[USER]))
    said = [json.loads(each) for each in answer(socket, "resp_1", SAID)]
    assert [each["type"] for each in said] == ["response.created", "response.output_item.done", "response.completed"]
    assert socket.is_answered


def test_an_answer_without_items_of_its_own_is_read_off_its_last_event() -> None:
    socket = ResponsesSocket()
    asked(socket, create(input=[USER]))
    closing = {"type": "response.completed", "response": {"id": "resp_1", "status": "completed", "output": [CALL]}}
    [last] = Decoder().feed(b"data: " + json.dumps(closing).encode() + b"\n\n")
    socket.answer(last)
    assert socket.is_answered
    assert len(asked(socket, create(previous_response_id="resp_1"))["input"]) == 2


def test_an_unknown_answer_is_the_error_that_clients_know() -> None:
    [error] = replies(ResponsesSocket(), create(input=[USER], previous_response_id="resp_other"))
    assert (error["type"], error["status"], error["error"]["code"]) == ("error", 400, "previous_response_not_found")
    assert "resp_other" in error["error"]["message"]


def test_a_failed_answer_cannot_be_continued() -> None:
    socket = ResponsesSocket()
    asked(socket, create(input=[USER]))
    answer(socket, "resp_1", SAID, last="response.failed")
    assert replies(socket, create(previous_response_id="resp_1"))[0]["error"]["code"] == "previous_response_not_found"


def test_an_answer_that_a_provider_may_have_stored_is_left_to_it() -> None:
    socket = ResponsesSocket()
    for n in (1, 2):
        body = asked(socket, create(input=[USER], previous_response_id=f"resp_{n - 1}", store=True))
        assert (body["previous_response_id"], body["input"]) == (f"resp_{n - 1}", [USER])
        answer(socket, f"resp_{n}", SAID)


def test_a_warmed_up_conversation_is_continued() -> None:
    socket = ResponsesSocket()
    created, completed = replies(socket, create(input=[USER], generate=False))
    assert (created["type"], completed["type"]) == ("response.created", "response.completed")
    assert (completed["response"]["id"], completed["response"]["output"]) == ("resp_own", [])
    more = {**USER, "content": "more"}
    assert asked(socket, create(input=[more], previous_response_id="resp_own"))["input"] == [USER, more]


@pytest.mark.parametrize(
    ("message", "named"),
    [
        (b"", "a JSON object"),
        (b"[]", "a JSON object"),
        (b'{"type":"response.append"}', "response.append"),
        (b'{"input":"hi"}', "Unknown message type"),
        (create(stream_id="s1"), "stream_id"),
        (create(generate="no"), "generate"),
        (create(input=5), "input"),
    ],
)
def test_what_cannot_be_read_is_named(message: bytes, named: str) -> None:
    with pytest.raises(Problem, match=named):
        ResponsesSocket().request(message, "resp_own", 1.0)


def test_an_error_has_its_status_and_what_clients_read_of_its_headers() -> None:
    socket = ResponsesSocket()
    headers = (("Content-Type", "application/json"), ("Retry-After", "7"))
    error = json.loads(socket.error(429, b'{"error":{"code":"rate_limited","message":"wait"}}', headers))
    assert error == {
        "type": "error",
        "status": 429,
        "error": {"code": "rate_limited", "message": "wait"},
        "headers": {"retry-after": "7"},
    }
    assert json.loads(socket.error(502, b"<html>", ()))["error"]["message"] == "<html>"


def test_an_error_event_gets_the_form_of_an_error_message() -> None:
    socket = ResponsesSocket()
    asked(socket, create(input=[USER]))
    given = {"type": "error", "code": "server_error", "message": "it broke", "param": None, "sequence_number": 3}
    [found] = Decoder().feed(event("error", json.dumps(given).encode()))
    said = socket.answer(found)
    assert said
    error = json.loads(said)
    assert (error["type"], error["status"], error["sequence_number"]) == ("error", 502, 3)
    assert (error["error"]["code"], error["error"]["message"]) == ("server_error", "it broke")
    assert socket.is_answered


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    socket = ResponsesSocket()
    for n in range(websocket.MAX_REMEMBERED + 1):
        asked(socket, create(input=[USER]))
        answer(socket, f"resp_{n}", SAID)
    assert replies(socket, create(previous_response_id="resp_0"))[0]["status"] == 400
    assert asked(socket, create(previous_response_id="resp_1"))
    monkeypatch.setattr(websocket, "MAX_REMEMBERED_BYTES", 1000)
    asked(socket, create(input=[{**USER, "content": "x" * 500}]))
    answer(socket, "resp_large", SAID)
    assert replies(socket, create(previous_response_id="resp_2"))[0]["status"] == 400
    assert len(asked(socket, create(previous_response_id="resp_large"))["input"]) == 2
    asked(socket, create(input=[{**USER, "content": "x" * 1500}]))
    answer(socket, "resp_too_large", SAID)
    assert replies(socket, create(previous_response_id="resp_too_large"))[0]["status"] == 400
