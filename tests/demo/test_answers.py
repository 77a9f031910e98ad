from __future__ import annotations

import asyncio
import json

import pytest

from demo.raw_client import RawClient, ask, dechunk
from pointsman.demo import Provider, behaviours


class TestStreamed:
    async def test_goes_from_role_over_content_and_finish_to_done(self, session):
        async with Provider(behaviours.answer("hello world")) as provider:
            reply = await ask(session, provider, stream=True, model="asked-for")
        *chunks, done = reply.events
        choices = [chunk["choices"][0] for chunk in chunks]
        assert reply.headers["Content-Type"].startswith("text/event-stream")
        assert [choice["delta"] for choice in choices] == [
            {"role": "assistant", "content": "", "refusal": None},
            {"content": "hello"},
            {"content": " world"},
            {},
        ]
        assert [choice["finish_reason"] for choice in choices] == [None, None, None, "stop"]
        assert {(chunk["object"], chunk["model"], chunk["id"]) for chunk in chunks} == {
            ("chat.completion.chunk", "asked-for", "chatcmpl-demo-1")
        }
        assert done == "[DONE]"

    @pytest.mark.parametrize(
        ("offers", "asked", "told"),
        [(True, True, True), (True, False, False), (False, True, False)],
    )
    async def test_reports_usage_only_if_asked(self, session, offers, asked, told):
        options = {"stream_options": {"include_usage": True}} if asked else {}
        async with Provider(behaviours.answer("hello world", usage=offers)) as provider:
            *chunks, _ = (await ask(session, provider, stream=True, **options)).events
        usages = [chunk["usage"] for chunk in chunks if chunk.get("usage")]
        assert [usage["completion_tokens"] for usage in usages] == ([2] if told else [])
        assert (chunks[-1]["choices"] == []) is told

    async def test_parts_can_be_left_out_or_chosen(self, session):
        async with Provider(
            behaviours.answer(tokens=["a", "b c"], finish="length", done=False, model="other")
        ) as provider:
            events = (await ask(session, provider, stream=True)).events
        assert [event["choices"][0]["delta"].get("content") for event in events] == ["", "a", "b c", None]
        assert events[-1]["choices"][0]["finish_reason"] == "length"
        assert events[-1]["model"] == "other"

    async def test_without_a_finish_reason(self, session):
        async with Provider(behaviours.answer("a", finish="")) as provider:
            *chunks, done = (await ask(session, provider, stream=True)).events
        assert {chunk["choices"][0]["finish_reason"] for chunk in chunks} == {None}
        assert done == "[DONE]"

    async def test_reasoning_comes_first_and_a_tool_call_last_in_pieces(self, session):
        behaviour = behaviours.answer(
            "so", reasoning="let me see", tool_call=("read", {"path": "a/long/path/to/a/file"})
        )
        async with Provider(behaviour) as provider:
            *chunks, _ = (await ask(session, provider, stream=True)).events
        deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
        calls = [delta["tool_calls"][0] for delta in deltas if "tool_calls" in delta]
        arguments = [call["function"]["arguments"] for call in calls]
        assert [next(iter(delta), None) for delta in deltas[:5]] == [
            *("role", "reasoning_content", "reasoning_content", "reasoning_content", "content")
        ]
        assert (calls[0]["id"], calls[0]["function"]["name"]) == ("call_demo_1", "read")
        assert len(arguments) > 2
        assert json.loads("".join(arguments)) == {"path": "a/long/path/to/a/file"}
        assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"

    async def test_waits_at_a_gate_after_that_many_tokens(self):
        gate = asyncio.Event()
        async with Provider(behaviours.answer("one two three", gate_after={2: gate})) as provider:
            client = await RawClient.open(provider)
            client.post(stream=True, extra="Connection: close\r\n")
            before = await client.reader.readuntil(b'" two"')
            assert b"three" not in before
            assert not client.reader.at_eof()
            assert not provider.seen[0].finished
            gate.set()
            assert b'" three"' in await client.rest()
            await client.close()

    async def test_each_event_is_a_chunk_of_its_own(self):
        async with Provider(behaviours.answer("one two")) as provider:
            client = await RawClient.open(provider)
            client.post(stream=True, extra="Connection: close\r\n")
            _, _, body = (await client.rest()).partition(b"\r\n\r\n")
            await client.close()
        chunks, rest = dechunk(body)
        assert len(chunks) == 5
        assert all(chunk.startswith(b"data: ") and chunk.endswith(b"\n\n") for chunk in chunks)
        assert rest == b"\r\n"

    async def test_pace_and_first_delay_take_their_time(self, session):
        async with Provider(behaviours.answer("a b c", first_delay=0.03, pace=0.01)) as provider:
            start = asyncio.get_running_loop().time()
            await ask(session, provider, stream=True)
            assert asyncio.get_running_loop().time() - start >= 0.05


class TestWhole:
    async def test_is_one_chat_completion_with_its_length(self, session):
        async with Provider(behaviours.answer("hello world")) as provider:
            reply = await ask(session, provider)
        choice = reply.json["choices"][0]
        assert reply.headers["Content-Length"] == str(len(reply.body))
        assert reply.json["object"] == "chat.completion"
        assert choice["message"] == {"role": "assistant", "content": "hello world", "refusal": None}
        assert choice["finish_reason"] == "stop"
        assert reply.json["usage"]["completion_tokens"] == 2

    async def test_without_usage(self, session):
        async with Provider(behaviours.answer(usage=False)) as provider:
            assert "usage" not in (await ask(session, provider)).json

    async def test_with_reasoning_and_a_tool_call(self, session):
        async with Provider(behaviours.answer("", reasoning="hm", tool_call=("read", {"n": 1}))) as provider:
            choice = (await ask(session, provider)).json["choices"][0]
        assert choice["message"]["reasoning_content"] == "hm"
        assert choice["message"]["content"] is None
        assert choice["message"]["tool_calls"][0]["function"] == {"name": "read", "arguments": '{"n": 1}'}
        assert choice["finish_reason"] == "tool_calls"

    async def test_waits_at_a_gate(self, session):
        gate = asyncio.Event()
        async with Provider(behaviours.answer("one two three", gate_after={1: gate})) as provider:
            asking = asyncio.create_task(ask(session, provider))
            request = await provider.arrived()
            while not request.sent:
                await asyncio.sleep(0)
            assert not request.finished
            gate.set()
            assert (await asking).said == "one two three"


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("text", ["", " ", "two  spaces ", "line\nbreaks\n", "Grüße, 世界 🚂", "lone \ud800 surrogate"])
async def test_any_text_arrives_as_it_is(session, text, stream):
    async with Provider(behaviours.answer(text)) as provider:
        reply = await ask(session, provider, stream=stream)
    if "\ud800" in text:
        assert text.encode("utf-8", "surrogatepass") in reply.body or b"\xed\xa0\x80" in reply.body
    else:
        assert reply.said == text


class TestEcho:
    @pytest.mark.parametrize("stream", [True, False])
    async def test_says_the_last_thing_the_user_said(self, session, stream):
        messages = [
            {"role": "user", "content": "first"},
            {"role": "user", "content": [{"type": "text", "text": "last"}, {"type": "image_url", "image_url": {}}]},
            {"role": "assistant", "content": "prefill"},
        ]
        async with Provider(behaviours.echo("<", ">")) as provider:
            assert (await ask(session, provider, stream=stream, messages=messages)).said == "<last>"

    async def test_cuts_a_long_question(self, session):
        async with Provider(behaviours.echo("", "", limit=10)) as provider:
            assert (await ask(session, provider, "1234567890 and more")).said == "1234567890…"

    @pytest.mark.parametrize(
        "messages", [None, [], "text", [1], [{"role": "user"}], [{"role": "user", "content": [3]}]]
    )
    async def test_says_nothing_when_nothing_was_asked(self, session, messages):
        async with Provider(behaviours.echo("<", ">")) as provider:
            assert (await ask(session, provider, messages=messages)).said == "<>"


async def test_counted_has_as_many_tokens_as_it_says(session):
    async with Provider(behaviours.counted(5)) as provider:
        reply = await ask(session, provider, stream=True)
    assert reply.said == "1 2 3 4 5 "
    assert len(reply.events) == 1 + 5 + 1 + 1


async def test_exact_plays_the_given_bytes_chunk_by_chunk():
    behaviour = behaviours.exact([b"a\x00", b"\xffb"], content_type="odd/type", status=299, headers=[("X-Extra", "1")])
    async with Provider(behaviour) as provider:
        client = await RawClient.open(provider)
        client.post(extra="Connection: close\r\n")
        head, _, body = (await client.rest()).partition(b"\r\n\r\n")
        await client.close()
    assert head.startswith(b"HTTP/1.1 299 Unknown\r\nContent-Type: odd/type\r\nX-Extra: 1\r\n")
    assert dechunk(body)[0] == [b"a\x00", b"\xffb"]
