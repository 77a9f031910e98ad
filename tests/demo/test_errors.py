from __future__ import annotations

import pytest

from demo.raw_client import RawClient, ask
from pointsman.demo import Provider, behaviours


class TestStatus:
    @pytest.mark.parametrize("stream", [True, False])
    @pytest.mark.parametrize(
        ("code", "kind"),
        [(400, "invalid_request"), (401, "invalid_api_key"), (404, "model_not_found"), (429, "rate_limit_exceeded")],
    )
    async def test_has_an_openai_error_by_default(self, session, code, kind, stream):
        async with Provider(behaviours.status(code)) as provider:
            reply = await ask(session, provider, stream=stream)
        assert reply.status == code
        assert reply.headers["Content-Type"] == "application/json"
        assert reply.json["error"]["code"] == kind
        assert reply.json["error"]["message"]

    async def test_any_code_has_a_body(self, session):
        async with Provider(behaviours.status(599)) as provider:
            reply = await ask(session, provider)
        assert (reply.status, reply.json["error"]["message"]) == (599, "Error 599.")

    @pytest.mark.parametrize(
        ("body", "content_type", "raw"),
        [
            ("busy", "text/plain; charset=utf-8", b"busy"),
            (b"\xff", "application/octet-stream", b"\xff"),
            ({"a": 1}, "application/json", b'{"a":1}'),
            ([1], "application/json", b"[1]"),
        ],
    )
    async def test_any_body_can_be_given(self, session, body, content_type, raw):
        async with Provider(behaviours.status(500, body)) as provider:
            reply = await ask(session, provider)
        assert (reply.headers["Content-Type"], reply.body) == (content_type, raw)

    async def test_its_headers_win_over_the_content_type_of_the_body(self, session):
        async with Provider(behaviours.status(500, "x", [("content-type", "a/b"), ("X-A", "1")])) as provider:
            reply = await ask(session, provider)
        assert reply.headers.getall("Content-Type") == ["a/b"]
        assert reply.headers["X-A"] == "1"


class TestRateLimited:
    async def test_says_when_to_come_back(self, session):
        async with Provider(behaviours.rate_limited(7, reset=1.5, limit=20)) as provider:
            reply = await ask(session, provider)
        assert reply.status == 429
        assert reply.headers["Retry-After"] == "7"
        assert reply.headers["x-ratelimit-limit-requests"] == "20"
        assert reply.headers["x-ratelimit-remaining-requests"] == "0"
        assert reply.headers["x-ratelimit-reset-requests"] == "1.5s"

    async def test_may_leave_retry_after_out(self, session):
        async with Provider(behaviours.rate_limited(None)) as provider:
            assert "Retry-After" not in (await ask(session, provider)).headers


async def test_a_huge_error_is_as_large_as_it_says(session):
    async with Provider(behaviours.huge_error(503, size=3_000_000)) as provider:
        reply = await ask(session, provider)
    assert reply.status == 503
    assert len(reply.json["error"]["message"]) == 3_000_000


SHAPES = [
    ("openai", lambda body: body["error"]["message"]),
    ("string", lambda body: body["error"]),
    ("cloudflare", lambda body: not body["success"] and body["errors"][0]["message"]),
    ("google", lambda body: body["error"]["status"] == "INTERNAL" and body["error"]["message"]),
    ("google-list", lambda body: body[0]["error"]["message"]),
    ("cohere", lambda body: body["message"]),
    ("detail", lambda body: body["detail"]),
    ("choice", lambda body: body["choices"][0]["finish_reason"] == "error" and body["error"]["message"]),
]


@pytest.mark.parametrize(("shape", "message_of"), SHAPES, ids=[shape for shape, _ in SHAPES])
class TestWrapped:
    async def test_as_the_body_of_a_200(self, session, shape, message_of):
        async with Provider(behaviours.wrapped(shape, "no luck")) as provider:
            reply = await ask(session, provider)
        assert (reply.status, message_of(reply.json)) == (200, "no luck")

    async def test_as_the_only_event_of_a_stream(self, session, shape, message_of):
        async with Provider(behaviours.wrapped(shape, "no luck")) as provider:
            reply = await ask(session, provider, stream=True)
        (event,) = reply.events
        assert (reply.status, message_of(event)) == (200, "no luck")

    async def test_as_json_where_a_stream_was_asked_for(self, session, shape, message_of):
        async with Provider(behaviours.wrapped_json(shape, "no luck")) as provider:
            reply = await ask(session, provider, stream=True)
        assert reply.headers["Content-Type"] == "application/json"
        assert (reply.status, message_of(reply.json)) == (200, "no luck")


def test_an_unknown_shape_is_refused():
    with pytest.raises(ValueError, match="unknown shape 'nix', known are openai, string"):
        behaviours.wrapped("nix")  # type: ignore[arg-type]


async def test_html_with_a_200(session):
    async with Provider(behaviours.html()) as provider:
        reply = await ask(session, provider, stream=True)
    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert reply.body.startswith(b"<!DOCTYPE html>")


async def test_garbage_promises_what_was_asked_and_is_neither_text_nor_json(session):
    async with Provider(behaviours.garbage(1000)) as provider:
        reply = await ask(session, provider, stream=True)
    assert reply.headers["Content-Type"].startswith("text/event-stream")
    assert len(reply.body) == 1000
    assert set(reply.body) == set(range(256))


class TestEmpty:
    @pytest.mark.parametrize("reason", ["stop", "length", "content_filter"])
    async def test_with_a_finish_reason(self, session, reason):
        async with Provider(behaviours.empty(reason)) as provider:
            role, finish, done = (await ask(session, provider, stream=True)).events
            whole = (await ask(session, provider)).json["choices"][0]
        assert role["choices"][0]["delta"]["content"] == ""
        assert finish["choices"][0]["finish_reason"] == whole["finish_reason"] == reason
        assert whole["message"]["content"] == ""
        assert done == "[DONE]"

    async def test_with_the_end_marker_only(self, session):
        async with Provider(behaviours.empty("done")) as provider:
            assert (await ask(session, provider, stream=True)).body == b"data: [DONE]\n\n"

    @pytest.mark.parametrize("stream", [True, False])
    async def test_with_nothing_at_all(self, session, stream):
        async with Provider(behaviours.empty("nothing")) as provider:
            reply = await ask(session, provider, stream=stream)
        assert (reply.status, reply.body, reply.error) == (200, b"", None)


async def test_no_content_leaves_the_connection_usable():
    async with Provider([behaviours.no_content(), behaviours.answer("next")]) as provider:
        client = await RawClient.open(provider)
        client.post()
        head = await client.reader.readuntil(b"\r\n\r\n")
        client.post(extra="Connection: close\r\n")
        assert (await client.rest()).startswith(b"HTTP/1.1 200 OK\r\n")
        await client.close()
    assert head.startswith(b"HTTP/1.1 204 No Content\r\n")
    assert b"Content-Length" not in head
    assert b"Transfer-Encoding" not in head


async def test_redirect(session):
    async with Provider(behaviours.redirect(308, "http://127.0.0.1:1/x")) as provider:
        reply = await ask(session, provider)
    assert (reply.status, reply.headers["Location"]) == (308, "http://127.0.0.1:1/x")
