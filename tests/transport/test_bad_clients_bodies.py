"""Requests whose body is bad, over real sockets: errors in the client's dialect, on a connection that goes on."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from pointsman.demo import behaviours
from support.damage_checks import connected, memory_below
from support.h1client import chat

MIB = 1 << 20
DEEP = 200_000
"""Levels."""
MESSAGES = b'"messages":[{"role":"user","content":"Which track?"}]'


def with_members(*members: bytes) -> bytes:
    return b"{" + b",".join((MESSAGES, *members)) + b"}"


@dataclass(frozen=True)
class Bad:
    name: str
    body: bytes
    says: str
    """A part of the message."""
    param: str | None = None
    status: int = 400
    code: str = "invalid_request"


NOT_AN_OBJECT = "must be a JSON object in UTF-8"
BAD = (
    Bad("plain text", b"Which track?", "not JSON"),
    Bad("an array", b"[" + with_members() + b"]", f"{NOT_AN_OBJECT}; it is a list"),
    Bad("null", b"null", f"{NOT_AN_OBJECT}; it is missing or null"),
    Bad("a string", b'"messages"', f"{NOT_AN_OBJECT}; it is a string"),
    Bad("a number", b"1e999", NOT_AN_OBJECT),
    Bad("nothing", b"", f"{NOT_AN_OBJECT}; it is empty"),
    Bad("blanks", b" \r\n\t ", f"{NOT_AN_OBJECT}; it is empty"),
    Bad("cut short", with_members()[:-20], "not JSON"),
    Bad("two objects", with_members() * 2, "not JSON"),
    Bad("a zero byte behind it", with_members() + b"\0", "not JSON"),
    Bad("a form", b"model=m&stream=true", "not JSON"),
    Bad("invalid UTF-8", with_members(b'"user":"\xff"'), "not valid UTF-8"),
    Bad("a surrogate as UTF-8 bytes", with_members(b'"user":"\xed\xa0\x80"'), "not valid UTF-8"),
    Bad("UTF-16", chat().decode().encode("utf-16"), "UTF-16"),
    Bad("a byte order mark", b"\xef\xbb\xbf" + chat(), "byte order mark"),
    Bad("no messages", b'{"model":"m"}', "list of at least one message", "messages"),
    Bad("messages null", b'{"model":"m","messages":null}', "missing or null", "messages"),
    Bad("messages empty", b'{"model":"m","messages":[]}', "`messages` is an empty list", "messages"),
    Bad("messages a string", b'{"model":"m","messages":"hi"}', "a string", "messages"),
    Bad("messages an object", b'{"model":"m","messages":{"role":"user"}}', "an object", "messages"),
    Bad("a message a string", b'{"model":"m","messages":["hi"]}', "must be an object", "messages[0]"),
    Bad("a message null", b'{"messages":[{"role":"user","content":"a"},null]}', "must be an object", "messages[1]"),
    Bad("stream a word", with_members(b'"stream":"yes"'), "true or false; it is a string", "stream"),
    Bad("stream a number", with_members(b'"stream":1'), "true or false; it is a number", "stream"),
    Bad("model a number", with_members(b'"model":5'), "the name of a model; it is a number", "model"),
    Bad("model a list", with_members(b'"model":["m"]'), "the name of a model; it is a list", "model"),
    Bad("model empty", with_members(b'"model":""'), "the name of a model; it is an empty string", "model"),
    Bad("model a lone surrogate", with_members(b'"model":"m\\ud800"'), "the name of a model", "model"),
    Bad("model twice", with_members(b'"model":"m"', b'"model":"other"'), "more than once", "model"),
    Bad("model twice, once escaped", with_members(b'"model":"m"', b'"mod\\u0065l":"x"'), "more than once", "model"),
    Bad("a model that no target has", with_members(b'"model":"\\u0000"'), "", "model", 404, "model_not_found"),
    Bad("many brackets", b"[" * DEEP, "nested too deeply"),
    Bad("many braces", b'{"a":' * DEEP, "nested too deeply"),
    Bad("many nested lists", b'{"messages":' + b"[" * DEEP + b"]" * DEEP + b"}", "nested too deeply"),
    Bad("brackets where a message should be", with_members(b'"tools":' + b"[" * DEEP), "nested too deeply"),
    Bad("1 MB of brackets", b"[" * MIB, "500,000 JSON values", None, 413, "request_too_large"),
    Bad(
        "8 MB of empty objects",
        with_members(b'"x":[' + b"{}," * (8 * MIB // 3) + b"{}]"),
        "500,000 JSON values",
        None,
        413,
        "request_too_large",
    ),
    Bad(
        "more messages than any client has",
        b'{"messages":[' + b"{}," * 100_000 + b"{}]}",
        "100,001 items",
        "messages",
        413,
        "request_too_large",
    ),
)


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
async def test_it_is_refused_and_the_connection_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, bad: Bad
) -> None:
    async with connected(tmp_path, caplog, behaviours.answer("hello")) as (client, one, _):
        with memory_below(32 * MIB):
            await client.ask(bad.body)
            status, headers, body = await client.answer()
        error = json.loads(body)["error"]
        assert (status, error["code"], error["param"]) == (bad.status, bad.code, bad.param)
        assert bad.says in error["message"]
        assert len(error["message"]) < 1000
        assert headers["content-type"] == "application/json"
        assert headers["x-request-id"]
        assert not one.seen
        await client.ask(chat(stream=False))
        assert (await client.answer())[0] == 200
        client.close()


ODD = {
    "a huge integer": b'"seed":' + b"9" * 400,
    "an integer longer than Python reads": b'"seed":' + b"9" * 5000,
    "a number beyond all": b'"temperature":1e999',
    "not a number": b'"temperature":NaN',
    "a lone surrogate in a text": b'"user":"\\ud83d"',
    "escaped zero bytes": b'"user":"\\u0000"',
    "inner keys given twice": b'"metadata":{"model":"a","model":"b"}',
    "members of wrong types": b'"tools":5,"functions":"x","response_format":[],"modalities":{},"stream_options":1',
    "thousands of members": b",".join(b'"x%d":0' % n for n in range(20_000)),
    "a hundred lists in each other": b'"metadata":' + b"[" * 100 + b"]" * 100,
}


@pytest.mark.parametrize("name", ODD)
async def test_what_is_merely_odd_is_for_the_provider_to_judge(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    body = with_members(b'"model":"m"', ODD[name])
    async with connected(tmp_path, caplog, behaviours.answer("hello")) as (client, one, _):
        await client.ask(body)
        status, _, _ = await client.answer()
        [seen] = one.seen
        assert seen.body == body
        assert status == (200 if seen.fields else 400)
        client.close()
