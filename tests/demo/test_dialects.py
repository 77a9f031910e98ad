"""Every dialect of the demo provider is understood by the reader of that dialect, in good answers and in bad ones."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest

from pointsman.config.enums import Dialect
from pointsman.demo import Behaviour, Provider, behaviours
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.frames import Frame, FrameKind, Reader

CONTENT, NEUTRAL, ERROR, MALFORMED, END = (
    FrameKind.CONTENT,
    FrameKind.NEUTRAL,
    FrameKind.ERROR,
    FrameKind.MALFORMED,
    FrameKind.END,
)
QUESTIONS = {
    Dialect.OPENAI_CHAT: {"messages": [{"role": "user", "content": "hi you"}]},
    Dialect.OPENAI_RESPONSES: {"input": [{"role": "user", "content": [{"type": "input_text", "text": "hi you"}]}]},
    Dialect.ANTHROPIC: {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi you"}]}]},
    Dialect.GEMINI: {"contents": [{"role": "user", "parts": [{"text": "hi you"}]}]},
}
PATHS = {
    Dialect.OPENAI_CHAT: "/chat/completions",
    Dialect.OPENAI_RESPONSES: "/responses",
    Dialect.ANTHROPIC: "/messages",
}


@dataclass(frozen=True)
class Form:
    """A dialect, and how it is asked for a stream."""

    dialect: Dialect
    streamed: bool
    query: str = ""

    @property
    def path(self) -> str:
        if self.dialect is Dialect.GEMINI:
            return f"/models/demo:{'streamGenerateContent' if self.streamed else 'generateContent'}{self.query}"
        return PATHS[self.dialect]

    def __str__(self) -> str:
        return f"{self.dialect}{'-streamed' if self.streamed else ''}{self.query}"


STREAMED = [Form(dialect, True, "?alt=sse" if dialect is Dialect.GEMINI else "") for dialect in Dialect]
LIST = Form(Dialect.GEMINI, True)
WHOLE = [Form(dialect, False) for dialect in Dialect]
FORMS = [*STREAMED, LIST, *WHOLE]


@dataclass(frozen=True)
class Read:
    """What a reader made of an answer."""

    status: int
    body: bytes
    frames: list[Frame]
    reader: Reader

    @property
    def kinds(self) -> list[FrameKind]:
        return [frame.kind for frame in self.frames if frame.kind is not FrameKind.PING]

    @property
    def out(self) -> bytes:
        return b"".join(frame.data for frame in self.frames)


async def pieces(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    try:
        async for piece in response.content.iter_any():
            yield piece
    except (aiohttp.ClientError, OSError):
        pass  # cut on purpose


async def read(session: aiohttp.ClientSession, behaviour: Behaviour, form: Form) -> Read:
    async with Provider(behaviour) as provider:
        body = json.dumps({**QUESTIONS[form.dialect], "model": "demo", "stream": form.streamed}).encode()
        dialect = DIALECTS[form.dialect]
        async with session.post(f"{provider.base_url}{form.path}", data=body) as response:
            kind = response.headers.get("Content-Type", "")
            reader = dialect.reader(dialect.facts(body, f"/v1{form.path}"), kind)
            got, frames = b"", []
            async for piece in pieces(response):
                got += piece
                frames += reader.read(piece)
    return Read(response.status, got, [*frames, *reader.close()], reader)


@pytest.mark.parametrize("form", FORMS, ids=str)
class TestGoodAnswers:
    async def test_text(self, session, form):
        answer = await read(session, behaviours.answer("one two three"), form)
        assert answer.out == answer.body
        assert CONTENT in answer.kinds
        assert not any(frame.fault for frame in answer.frames)
        assert (answer.reader.finished, answer.reader.finish_reason) == (True, "stop")

    async def test_reasoning_and_a_tool_call(self, session, form):
        behaviour = behaviours.answer(
            "so", reasoning="let me see", tool_call=("read", {"path": "a/long/path/to/a/file"})
        )
        answer = await read(session, behaviour, form)
        assert answer.out == answer.body
        assert answer.reader.finish_reason == ("stop" if form.dialect is Dialect.GEMINI else "tool_calls")

    @pytest.mark.parametrize("reason", ["length", "content_filter", "stop"])
    async def test_an_empty_one_has_no_content_and_its_reason(self, session, form, reason):
        answer = await read(session, behaviours.empty(reason), form)
        assert CONTENT not in answer.kinds
        assert (answer.reader.finished, answer.reader.finish_reason) == (True, reason)

    async def test_usage_is_reported(self, session, form):
        options = behaviours.answer("one two three", usage=True)
        answer = await read(session, options, form)
        is_asked = form != STREAMED[0]  # chat completions tell it in streams only if asked
        assert (answer.reader.usage is not None) is is_asked
        if answer.reader.usage:
            assert (answer.reader.usage.prompt > 0, answer.reader.usage.output) == (True, 3)

    async def test_an_echo_repeats_the_question(self, session, form):
        answer = await read(session, behaviours.echo("", ""), form)
        assert b"hi" in answer.body
        assert b"you" in answer.body


@pytest.mark.parametrize("form", [*STREAMED, LIST], ids=str)
class TestStreams:
    async def test_each_token_is_an_event_of_content(self, session, form):
        answer = await read(session, behaviours.answer("one two three", pace=0.01), form)
        assert answer.kinds.count(CONTENT) >= 3

    async def test_pings_do_not_count(self, session, form):
        answer = await read(session, behaviours.pings(0.03, 0.01, "one two", after_tokens=1), form)
        assert answer.out == answer.body
        assert answer.reader.finished
        assert not any(frame.fault for frame in answer.frames)

    @pytest.mark.parametrize("after", [0, 2])
    async def test_a_cut_one_is_not_finished(self, session, form, after):
        answer = await read(session, behaviours.cut("one two three", after_tokens=after, in_event=True), form)
        assert not answer.reader.finished
        assert answer.kinds.count(CONTENT) <= after

    async def test_an_error_within_is_an_error(self, session, form):
        answer = await read(session, behaviours.error_within("one two three", code=503), form)
        assert answer.kinds[-1] is ERROR
        assert answer.frames[-1].fault
        assert answer.frames[-1].fault.status in (500, 503)
        assert not answer.reader.finished

    @pytest.mark.parametrize("shape", ["openai", "google", "google-list", "string", "cohere"])
    async def test_a_wrapped_error_is_an_error(self, session, form, shape):
        answer = await read(session, behaviours.wrapped(shape), form)
        assert ERROR in answer.kinds
        assert CONTENT not in answer.kinds

    async def test_hanging_after_the_opening_says_nothing_yet(self, form):
        async with Provider(behaviours.hang("after-role")) as provider, aiohttp.ClientSession() as session:
            body = json.dumps({**QUESTIONS[form.dialect], "stream": True}).encode()
            dialect = DIALECTS[form.dialect]
            async with session.post(f"{provider.base_url}{form.path}", data=body) as response:
                reader = dialect.reader(dialect.facts(body, f"/v1{form.path}"), response.headers["Content-Type"])
                if form.dialect is not Dialect.GEMINI:  # which has no opening
                    frames = reader.read(await response.content.readany())
                    assert {frame.kind for frame in frames} == {NEUTRAL}
                    assert (reader.opening is not None) is (form.dialect is Dialect.OPENAI_RESPONSES)


@pytest.mark.parametrize("form", WHOLE, ids=str)
async def test_a_cut_body_is_no_answer(session, form):
    answer = await read(session, behaviours.cut("one two three"), form)
    assert answer.kinds == [MALFORMED]


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize(("code", "status"), [(400, 400), (401, 401), (429, 429), (503, 503), (529, 529)])
async def test_error_statuses_are_said_in_the_dialect(session, form, code, status):
    answer = await read(session, behaviours.status(code), form)
    fault = DIALECTS[form.dialect].fault(answer.status, answer.body, "application/json")
    assert (answer.status, fault.status) == (code, status)
    assert fault.code
    assert fault.structured
    wrapped = DIALECTS[form.dialect].reader(_facts(Form(form.dialect, False)), "application/json")
    wrapped.read(answer.body)
    assert [frame.kind for frame in wrapped.close()] == [ERROR]


def _facts(form):
    return DIALECTS[form.dialect].facts(json.dumps(QUESTIONS[form.dialect]).encode(), f"/v1{form.path}")


class TestAside:
    @pytest.mark.parametrize(
        ("path", "member"), [("/messages/count_tokens", "input_tokens"), ("/models/demo:countTokens", "totalTokens")]
    )
    async def test_tokens_are_counted_without_using_the_script_up(self, session, path, member):
        async with Provider(behaviours.status(500)) as provider:
            async with session.post(f"{provider.base_url}{path}", json={"a": "x" * 100}) as response:
                assert (response.status, await response.json()) == (200, {member: 27})
            assert provider.seen[0].behaviour == "aside"

    async def test_a_provider_may_not_count(self, session):
        async with (
            Provider(behaviours.answer(), counts=False) as provider,
            session.post(f"{provider.base_url}/messages/count_tokens", json={}) as response,
        ):
            assert response.status == 404

    @pytest.mark.parametrize(
        ("path", "headers", "named"),
        [
            ("/v1/models", {}, lambda body: body["data"][0]["object"]),
            ("/v1/models", {"anthropic-version": "2023-06-01"}, lambda body: body["data"][0]["display_name"]),
            ("/v1beta/models", {}, lambda body: body["models"][0]["name"]),
        ],
    )
    async def test_models_are_listed_in_the_asking_clients_form(self, session, path, headers, named):
        async with Provider(behaviours.answer(), models=["demo"]) as provider:
            url = provider.base_url.removesuffix("/v1") + path
            async with session.get(url, headers=headers) as response:
                assert named(await response.json()) in ("model", "demo", "models/demo")
