"""Endpoints besides chats, through a real router, with the official SDKs."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any, ClassVar

import httpx
import openai
import pytest
from google import genai
from openai import AsyncOpenAI, DefaultAsyncHttpxClient
from openai.types import Completion

from pointsman.demo import Behaviour, Provider, behaviours
from pointsman.demo.behaviours.endpoints import PICTURE, SOUND, VECTOR
from pointsman.demo.behaviours.streaming import TEXT
from pointsman.domain.records import ExchangeRecord
from support.router import Router, running
from support.settings import provider

WELL = behaviours.endpoint()
NO_TEXT = behaviours.endpoint("")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20


@asynccontextmanager
async def served(
    folder: Path, kind: str, *scripted: Behaviour, **sections: Any
) -> AsyncIterator[tuple[AsyncOpenAI, Router, list[Provider]]]:
    """A provider for each behaviour, each with the model `m` of that kind, a chat model and another one of the kind."""
    async with AsyncExitStack() as stack:
        providers = [await stack.enter_async_context(Provider(behaviour)) for behaviour in scripted]
        rows = [{"id": "m", "kind": kind}, {"id": "chat"}, {"id": "other", "kind": kind}]
        entries = {
            f"p{n}": {**provider(each.base_url), "models": rows, "keys": [f"sk-provider-key-{n}"]}
            for n, each in enumerate(providers)
        }
        router = await stack.enter_async_context(running(folder, entries, **sections))
        client = AsyncOpenAI(base_url=router.base_url, api_key="sk-nobodys-key-0123456789", max_retries=0)
        yield await stack.enter_async_context(client), router, providers
        assert router.watcher.dialled == []


def forms_of(one: Provider) -> list[dict[str, bytes]]:
    """What the requests hold, by the standard library's reading."""
    forms = []
    for seen in one.seen:
        head = f"Content-Type: {seen.header('content-type')}\r\n\r\n".encode()
        parts = [part for part in message_from_bytes(head + seen.body).walk() if not part.is_multipart()]
        forms.append({str(part.get_param("name", header="content-disposition")): payload(part) for part in parts})
    return forms


def payload(part: Message) -> bytes:
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content


async def first_record(router: Router) -> ExchangeRecord:
    while not len(router.gateway.recent_exchanges):
        await asyncio.sleep(0)
    return next(router.gateway.recent_exchanges.newest(1))


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


class TestEmbeddings:
    async def test_an_answer(self, tmp_path: Path) -> None:
        async with served(tmp_path, "embedding", WELL) as (client, _, [one]):
            raw = await client.embeddings.with_raw_response.create(model="m", input=["a", "b"])
            found = raw.parse()
            assert [row.embedding for row in found.data] == [list(VECTOR)] * 2
            assert found.usage.prompt_tokens == 4
            assert raw.headers["x-routed-via"] == "p0/m"
            assert raw.headers["x-sticky-session"] == "miss"
            [seen] = one.seen
            assert (seen.path, seen.json["model"]) == ("/v1/embeddings", "m")
            assert seen.header("authorization") == "Bearer sk-provider-key-0"

    @pytest.mark.parametrize(
        "failing",
        [
            behaviours.status(503),
            behaviours.status(401),
            behaviours.status(402),
            behaviours.rate_limited(),
            behaviours.reset(),
            behaviours.wrapped(),
            behaviours.html(),
            behaviours.exact([b'{"object":"list","data":[]}'], "application/json"),
            behaviours.exact([b'{"data":[{"embedding":[]}]}'], "application/json"),
        ],
        ids=lambda behaviour: behaviour.name,
    )
    async def test_a_failure_is_hidden_by_the_same_model_elsewhere(self, tmp_path: Path, failing: Behaviour) -> None:
        async with served(tmp_path, "embedding", failing, WELL) as (client, _, [one, two]):
            raw = await client.embeddings.with_raw_response.create(model="m", input="a")
            assert raw.headers["x-routed-via"] == "p1/m"
            assert raw.headers["x-fallback-attempts"] == "1"
            assert [seen.json["model"] for seen in (*one.seen, *two.seen)] == ["m", "m"]

    async def test_no_other_model_stands_in(self, tmp_path: Path) -> None:
        async with served(tmp_path, "embedding", behaviours.status(503)) as (client, _, [one]):
            with pytest.raises(openai.InternalServerError):
                await client.embeddings.create(model="m", input="a")
            assert [seen.json["model"] for seen in one.seen] == ["m"]

    async def test_a_refusal_is_passed_on(self, tmp_path: Path) -> None:
        refusal = {
            "error": {"message": "dimensions must be positive", "type": "invalid_request_error", "code": "bad_value"}
        }
        async with served(tmp_path, "embedding", behaviours.status(400, refusal), WELL) as (client, _, [_, two]):
            with pytest.raises(openai.BadRequestError) as caught:
                await client.embeddings.create(model="m", input="a")
            assert caught.value.code == "bad_value"
            assert not two.seen

    async def test_a_limit_everywhere(self, tmp_path: Path) -> None:
        async with served(tmp_path, "embedding", behaviours.rate_limited(retry_after=30)) as (client, _, [one]):
            for _ in range(2):
                with pytest.raises(openai.RateLimitError) as caught:
                    await client.embeddings.create(model="m", input="a")
                assert 0 < float(caught.value.response.headers["retry-after"]) <= 30
            assert len(one.seen) == 1, "it cools down"

    async def test_a_configured_limit(self, tmp_path: Path) -> None:
        async with Provider(WELL) as one, Provider(WELL) as two:
            limited = {"id": "m", "kind": "embedding", "limits": {"rpm": 1}}
            entries = {
                "p0": {**provider(one.base_url), "models": [limited]},
                "p1": {**provider(two.base_url), "models": [{"id": "m", "kind": "embedding"}]},
            }
            async with (
                running(tmp_path, entries) as router,
                AsyncOpenAI(base_url=router.base_url, api_key="x") as client,
            ):
                for _ in range(2):
                    await client.embeddings.create(model="m", input="a")
            assert (len(one.seen), len(two.seen)) == (1, 1)

    async def test_a_client_that_leaves(self, tmp_path: Path) -> None:
        async with served(tmp_path, "embedding", behaviours.hang()) as (client, router, [one]):
            task = asyncio.create_task(client.embeddings.create(model="m", input="a"))
            seen = await one.arrived()
            task.cancel()
            assert await seen.closed_by_peer()
            record = await first_record(router)
            assert [attempt.outcome for attempt in record.attempts] == ["client_abort"]

    async def test_the_same_client_keeps_its_target(self, tmp_path: Path) -> None:
        async with served(tmp_path, "embedding", WELL, WELL) as (client, _, [one, _]):
            one.script = [behaviours.status(503), WELL]
            seen = []
            for text in ("a", "b", "c"):
                raw = await client.embeddings.with_raw_response.create(model="m", input=text)
                seen.append((raw.headers["x-routed-via"], raw.headers["x-sticky-session"]))
            assert seen == [("p1/m", "miss"), ("p1/m", "hit"), ("p1/m", "hit")]
            other = client.with_options(api_key="sk-another-key-0123456789")
            raw = await other.embeddings.with_raw_response.create(model="m", input="a")
            assert raw.headers["x-sticky-session"] == "miss"

    async def test_a_conversation_keeps_its_pin(self, tmp_path: Path) -> None:
        ask: dict[str, Any] = {"model": "chat", "messages": [{"role": "user", "content": "Which track?"}]}
        headers = {"X-Session-ID": "the-conversation"}
        async with served(tmp_path, "embedding", behaviours.answer("ok"), behaviours.answer("ok")) as (
            client,
            _,
            [one, two],
        ):
            one.script = [behaviours.status(503), WELL, behaviours.answer("ok")]
            first = await client.chat.completions.with_raw_response.create(**ask, extra_headers=headers)
            assert first.headers["x-routed-via"] == "p1/chat"
            two.script = behaviours.status(503)
            embedded = await client.embeddings.with_raw_response.create(model="m", input="a", extra_headers=headers)
            assert embedded.headers["x-routed-via"] == "p0/m"
            two.script = behaviours.answer("ok")
            second = await client.chat.completions.with_raw_response.create(**ask, extra_headers=headers)
            assert (second.headers["x-routed-via"], second.headers["x-sticky-session"]) == ("p1/chat", "hit")


class TestKinds:
    async def test_a_chat_model_does_not_embed(self, tmp_path: Path) -> None:
        async with served(tmp_path, "embedding", WELL) as (client, _, [one]):
            with pytest.raises(openai.NotFoundError) as caught:
                await client.embeddings.create(model="chat", input="a")
            assert "'chat' is of kind chat" in caught.value.message
            assert "p0/m" in caught.value.message
            assert not one.seen

    async def test_an_embedding_model_does_not_chat(self, tmp_path: Path) -> None:
        async with served(tmp_path, "embedding", WELL) as (client, _, [one]):
            with pytest.raises(openai.NotFoundError) as caught:
                await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "a"}])
            assert "'m' is of kind embedding" in caught.value.message
            assert not one.seen

    async def test_automatic_modes_choose_chat_models(self, tmp_path: Path) -> None:
        async with served(tmp_path, "embedding", behaviours.answer("ok")) as (client, _, [one]):
            await client.chat.completions.create(model="auto", messages=[{"role": "user", "content": "a"}])
            assert [seen.json["model"] for seen in one.seen] == ["chat"]
            with pytest.raises(openai.BadRequestError) as caught:
                await client.embeddings.create(model="auto", input="a")
            assert "for chats" in caught.value.message

    async def test_the_model_list_names_kinds(self, tmp_path: Path) -> None:
        async with served(tmp_path, "embedding", WELL) as (client, _, _):
            kinds = {model.id: model.model_dump()["kind"] async for model in client.models.list()}
            assert (kinds["p0/m"], kinds["p0/chat"], kinds["auto"]) == ("embedding", "chat", "chat")


async def read(stream: openai.AsyncStream[Completion], said: list[str]) -> None:
    """Adds to what was `said` for as long as the stream is good."""
    async for chunk in stream:
        said.append(chunk.choices[0].text)


class TestCompletions:
    async def test_an_answer(self, tmp_path: Path) -> None:
        async with served(tmp_path, "completion", WELL) as (client, _, [one]):
            found = await client.completions.create(model="m", prompt="def f(", suffix="return 1")
            assert found.choices[0].text == TEXT
            assert (one.seen[0].path, one.seen[0].json["suffix"]) == ("/v1/completions", "return 1")

    async def test_it_streams(self, tmp_path: Path) -> None:
        async with served(tmp_path, "completion", WELL) as (client, router, _):
            stream = await client.completions.create(model="m", prompt="def f(", suffix="return 1", stream=True)
            chunks = [chunk async for chunk in stream]
            assert "".join(chunk.choices[0].text for chunk in chunks) == TEXT
            assert chunks[-1].choices[0].finish_reason == "stop"
            assert (await first_record(router)).attempts[0].outcome == "request_success"

    @pytest.mark.parametrize("stream", [True, False])
    @pytest.mark.parametrize(
        "failing",
        [
            behaviours.status(503),
            behaviours.rate_limited(),
            behaviours.endpoint(breaks_after=0),
            behaviours.endpoint(""),
        ],
        ids=["503", "429", "no answer", "no text"],
    )
    async def test_a_failure_is_hidden(self, tmp_path: Path, failing: Behaviour, stream: bool) -> None:
        async with served(tmp_path, "completion", failing, WELL) as (client, _, _):
            raw = await client.completions.with_raw_response.create(model="m", prompt="a", stream=stream)
            assert raw.headers["x-routed-via"] == "p1/m"

    @pytest.mark.parametrize("stream", [True, False])
    async def test_nothing_may_belong_between_two_texts(self, tmp_path: Path, stream: bool) -> None:
        async with served(tmp_path, "completion", behaviours.endpoint(""), WELL) as (client, _, [_, two]):
            raw = await client.completions.with_raw_response.create(model="m", prompt="a", suffix="b", stream=stream)
            assert raw.headers["x-routed-via"] == "p0/m"
            assert not two.seen

    @pytest.mark.parametrize("hangs", [True, False])
    async def test_a_stream_that_breaks_ends_with_an_error(self, tmp_path: Path, hangs: bool) -> None:
        broken = behaviours.endpoint(breaks_after=2, hangs=hangs)
        async with served(tmp_path, "completion", broken, WELL, stream={"stall": 0.2}) as (client, _, [_, two]):
            stream = await client.completions.create(model="m", prompt="a", stream=True)
            said: list[str] = []
            with pytest.raises(openai.APIError) as caught:
                await read(stream, said)
            assert caught.value.code == ("stream_timeout" if hangs else "stream_broken")
            assert "".join(said) == " ".join(TEXT.split()[:2])
            assert not two.seen

    async def test_a_client_that_leaves_in_a_stream(self, tmp_path: Path) -> None:
        pausing = behaviours.endpoint(breaks_after=2, hangs=True)
        async with served(tmp_path, "completion", pausing) as (client, router, [one]):
            stream = await client.completions.create(model="m", prompt="a", stream=True)
            await anext(aiter(stream))
            await stream.close()
            assert await one.seen[0].closed_by_peer()
            assert (await first_record(router)).attempts[0].outcome == "client_abort"

    async def test_a_refusal_and_a_limit(self, tmp_path: Path) -> None:
        async with served(tmp_path, "completion", behaviours.status(400)) as (client, _, [one]):
            with pytest.raises(openai.BadRequestError):
                await client.completions.create(model="m", prompt="a", stream=True)
            one.script = behaviours.rate_limited(retry_after=9)
            with pytest.raises(openai.RateLimitError) as caught:
                await client.completions.create(model="m", prompt="a", stream=True)
            assert caught.value.response.headers["retry-after"] == "9"


class TestImages:
    async def test_generations(self, tmp_path: Path) -> None:
        async with served(tmp_path, "image", behaviours.status(503), WELL) as (client, _, [one, two]):
            found = await client.images.generate(model="m", prompt="a track")
            assert found.data
            assert found.data[0].b64_json == PICTURE
            assert [seen.path for seen in (*one.seen, *two.seen)] == ["/v1/images/generations"] * 2

    async def test_generations_as_events(self, tmp_path: Path) -> None:
        empty = behaviours.exact([b""], "text/event-stream")
        async with served(tmp_path, "image", empty, WELL) as (client, _, _):
            stream = await client.images.generate(model="m", prompt="a track", stream=True)
            events = [event.type async for event in stream]
            assert events == ["image_generation.partial_image", "image_generation.completed"]

    async def test_without_images_it_is_no_answer(self, tmp_path: Path) -> None:
        empty = behaviours.exact([b'{"created":1,"data":[]}'], "application/json")
        async with served(tmp_path, "image", empty, WELL) as (client, _, _):
            raw = await client.images.with_raw_response.generate(model="m", prompt="a track")
            assert raw.headers["x-routed-via"] == "p1/m"

    async def test_edits_and_variations_upload(self, tmp_path: Path) -> None:
        async with served(tmp_path, "image", behaviours.status(503), WELL) as (client, _, [_, two]):
            await client.images.edit(model="m", image=("a.png", PNG, "image/png"), prompt="greener")
            await client.images.create_variation(model="m", image=("a.png", PNG, "image/png"))
            assert [seen.path for seen in two.seen] == ["/v1/images/edits", "/v1/images/variations"]
            assert all(PNG in seen.body for seen in two.seen)

    async def test_a_refusal_and_a_limit(self, tmp_path: Path) -> None:
        async with served(tmp_path, "image", behaviours.status(400), WELL) as (client, _, [one, two]):
            with pytest.raises(openai.BadRequestError):
                await client.images.edit(model="m", image=("a.png", PNG, "image/png"), prompt="greener")
            one.script = two.script = behaviours.rate_limited(retry_after=9)
            with pytest.raises(openai.RateLimitError):
                await client.images.generate(model="m", prompt="a track")

    async def test_a_client_that_leaves(self, tmp_path: Path) -> None:
        async with served(tmp_path, "image", behaviours.hang()) as (client, _, [one]):
            task = asyncio.create_task(client.images.generate(model="m", prompt="a track"))
            seen = await one.arrived()
            task.cancel()
            assert await seen.closed_by_peer()


class TestSpeech:
    ASKED: ClassVar[Any] = {"model": "m", "voice": "alloy", "input": "Which track?"}

    async def test_every_byte_arrives(self, tmp_path: Path) -> None:
        async with served(tmp_path, "audio", WELL) as (client, router, _):
            async with client.audio.speech.with_streaming_response.create(**self.ASKED) as answer:
                assert await answer.read() == b"".join(SOUND)
                assert answer.headers["content-type"] == "audio/mpeg"
                assert answer.headers["x-routed-via"] == "p0/m"
            assert (await first_record(router)).attempts[0].outcome == "request_success"

    async def test_it_arrives_while_it_is_made(self, tmp_path: Path) -> None:
        pausing = behaviours.endpoint(breaks_after=1, hangs=True)
        async with served(tmp_path, "audio", pausing) as (client, router, [one]):
            async with client.audio.speech.with_streaming_response.create(**self.ASKED) as answer:
                assert await anext(answer.iter_bytes(len(SOUND[0]))) == SOUND[0]
            assert await one.seen[0].closed_by_peer()
            assert (await first_record(router)).attempts[0].outcome == "client_abort"

    @pytest.mark.parametrize(
        "failing",
        [
            behaviours.status(503),
            behaviours.rate_limited(),
            behaviours.endpoint(pieces=()),
            behaviours.wrapped(),
            behaviours.html(),
            behaviours.endpoint(breaks_after=0),
        ],
        ids=["503", "429", "no bytes", "an error in a 200", "a page", "broken"],
    )
    async def test_a_failure_is_hidden(self, tmp_path: Path, failing: Behaviour) -> None:
        async with served(tmp_path, "audio", failing, WELL) as (client, _, _):
            raw = await client.audio.speech.with_raw_response.create(**self.ASKED)
            assert raw.content == b"".join(SOUND)
            assert raw.headers["x-routed-via"] == "p1/m"

    @pytest.mark.parametrize("hangs", [True, False])
    async def test_a_sound_that_breaks_never_looks_whole(self, tmp_path: Path, hangs: bool) -> None:
        broken = behaviours.endpoint(breaks_after=3, hangs=hangs)
        async with served(tmp_path, "audio", broken, WELL, stream={"stall": 0.2}) as (client, router, [_, two]):
            async with client.audio.speech.with_streaming_response.create(**self.ASKED) as answer:
                with pytest.raises(Exception, match="incomplete chunked read"):
                    await answer.read()
            record = await first_record(router)
            assert record.attempts[0].outcome == ("stream_stalled" if hangs else "stream_broken")
            assert not two.seen

    async def test_events(self, tmp_path: Path) -> None:
        async with served(tmp_path, "audio", behaviours.status(503), WELL) as (client, _, _):
            asked = client.audio.speech.with_streaming_response.create(**self.ASKED, stream_format="sse")
            async with asked as answer:
                lines = [line async for line in answer.iter_lines() if line]
                assert answer.headers["content-type"] == "text/event-stream"
            assert len(lines) == len(SOUND) + 1
            assert '"speech.audio.done"' in lines[-1]

    async def test_events_that_break_end_with_an_error(self, tmp_path: Path) -> None:
        async with served(tmp_path, "audio", behaviours.endpoint(breaks_after=2)) as (client, _, _):
            asked = client.audio.speech.with_streaming_response.create(**self.ASKED, stream_format="sse")
            async with asked as answer:
                lines = [line async for line in answer.iter_lines() if line]
            assert len(lines) == 4
            assert '"stream_broken"' in lines[2]
            assert lines[3] == "data: [DONE]"

    async def test_a_refusal_and_a_limit(self, tmp_path: Path) -> None:
        async with served(tmp_path, "audio", behaviours.status(400), WELL) as (client, _, [one, two]):
            with pytest.raises(openai.BadRequestError):
                await client.audio.speech.create(**self.ASKED)
            one.script = two.script = behaviours.rate_limited(retry_after=9)
            with pytest.raises(openai.RateLimitError):
                await client.audio.speech.create(**self.ASKED)


class TestTranscriptions:
    FILE = ("speech.mp3", b"\r\n--not-the-boundary\r\n".join(SOUND), "audio/mpeg")

    async def test_an_upload_is_passed_on(self, tmp_path: Path) -> None:
        async with served(tmp_path, "audio", behaviours.status(503), WELL) as (client, _, [one, two]):
            assert (await client.audio.transcriptions.create(model="m", file=self.FILE)).text == TEXT
            assert (await client.audio.translations.create(model="m", file=self.FILE)).text == TEXT
            assert [seen.path for seen in two.seen] == ["/v1/audio/transcriptions", "/v1/audio/translations"]
            assert all(self.FILE[1] in seen.body for seen in (*one.seen, *two.seen))

    async def test_only_the_model_is_replaced(self, tmp_path: Path) -> None:
        async with Provider(WELL) as one:
            entries = {"p0": {**provider(one.base_url), "models": [{"id": "vendor/whisper", "kind": "audio"}]}}
            sections = {"routing": {"aliases": {"whisper-1": "p0/vendor/whisper"}}}
            async with (
                running(tmp_path, entries, **sections) as router,
                AsyncOpenAI(base_url=router.base_url, api_key="x", max_retries=0) as client,
            ):
                await client.audio.transcriptions.create(model="whisper-1", file=self.FILE, language="de")
                plain = await client.post(
                    "/audio/transcriptions",
                    cast_to=httpx.Response,
                    files=[("file", self.FILE)],
                    options={"headers": {"Content-Type": "multipart/form-data"}},
                )
                assert plain.status_code == 200
            assert forms_of(one)[0] == {"model": b"vendor/whisper", "language": b"de", "file": self.FILE[1]}
            assert forms_of(one)[1] == {"model": b"vendor/whisper", "file": self.FILE[1]}

    async def test_text_and_silence(self, tmp_path: Path) -> None:
        async with served(tmp_path, "audio", behaviours.endpoint("")) as (client, _, [one]):
            assert (await client.audio.transcriptions.create(model="m", file=self.FILE)).text == ""
            one.script = behaviours.endpoint("1\n00:00 --> 00:01\nWhich track?\n")
            srt = await client.audio.transcriptions.create(model="m", file=self.FILE, response_format="srt")
            assert srt.splitlines()[2] == "Which track?"

    async def test_events(self, tmp_path: Path) -> None:
        async with served(tmp_path, "audio", behaviours.endpoint(breaks_after=0), WELL) as (client, _, _):
            stream = await client.audio.transcriptions.create(model="m", file=self.FILE, stream=True)
            events = [event async for event in stream]
            assert events[-1].type == "transcript.text.done"
            assert events[-1].text == TEXT

    async def test_a_refusal_a_limit_and_a_client_that_leaves(self, tmp_path: Path) -> None:
        async with served(tmp_path, "audio", behaviours.status(400)) as (client, _, [one]):
            with pytest.raises(openai.BadRequestError):
                await client.audio.transcriptions.create(model="m", file=self.FILE)
            one.script = behaviours.hang()
            task = asyncio.create_task(client.audio.transcriptions.create(model="m", file=self.FILE))
            seen = await one.arrived(2)
            task.cancel()
            assert await seen.closed_by_peer()
            one.script = behaviours.rate_limited(retry_after=9)
            with pytest.raises(openai.RateLimitError):
                await client.audio.transcriptions.create(model="m", file=self.FILE)

    async def test_an_upload_that_is_too_large(self, tmp_path: Path) -> None:
        async with served(tmp_path, "audio", WELL, server={"max_body": 2000}) as (client, _, [one]):
            with pytest.raises(openai.APIStatusError) as caught:
                await client.audio.transcriptions.create(model="m", file=self.FILE)
            assert caught.value.status_code == 413
            assert not one.seen

    async def test_a_form_that_is_cut_off(self, tmp_path: Path) -> None:
        async with served(tmp_path, "audio", WELL) as (_, router, [one]), httpx.AsyncClient() as client:
            answer = await client.post(
                f"{router.base_url}/audio/transcriptions",
                content=b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nm',
                headers={"Content-Type": "multipart/form-data; boundary=b"},
            )
            assert answer.status_code == 400
            assert "cut off" in answer.json()["error"]["message"]
            assert not one.seen


class TestModerations:
    async def test_an_answer(self, tmp_path: Path) -> None:
        async with served(tmp_path, "moderation", behaviours.reset(), WELL) as (client, _, _):
            found = await client.moderations.create(model="m", input="a")
            assert not found.results[0].flagged

    async def test_a_refusal_a_limit_and_a_client_that_leaves(self, tmp_path: Path) -> None:
        async with served(tmp_path, "moderation", behaviours.status(400)) as (client, _, [one]):
            with pytest.raises(openai.BadRequestError):
                await client.moderations.create(model="m", input="a")
            one.script = behaviours.hang()
            task = asyncio.create_task(client.moderations.create(model="m", input="a"))
            seen = await one.arrived(2)
            task.cancel()
            assert await seen.closed_by_peer()
            one.script = behaviours.rate_limited(retry_after=9)
            with pytest.raises(openai.RateLimitError):
                await client.moderations.create(model="m", input="a")

    async def test_the_only_model_need_not_be_named(self, tmp_path: Path) -> None:
        async with Provider(WELL) as one:
            entries = {"p0": {**provider(one.base_url), "models": [{"id": "m", "kind": "moderation"}, {"id": "chat"}]}}
            async with (
                running(tmp_path, entries) as router,
                AsyncOpenAI(base_url=router.base_url, api_key="x", max_retries=0) as client,
            ):
                await client.moderations.create(input="a")
                assert one.seen[0].json["model"] == "m"

    async def test_one_of_several_has_to_be_named(self, tmp_path: Path) -> None:
        async with served(tmp_path, "moderation", WELL) as (client, _, [one]):
            with pytest.raises(openai.BadRequestError) as caught:
                await client.moderations.create(input="a")
            assert "p0/m, p0/other" in caught.value.message
            assert not one.seen


class TestRerank:
    """No maker of an SDK in use here has this path."""

    ASKED: ClassVar[Any] = {"model": "m", "query": "a", "documents": ["b", "c"]}

    @pytest.mark.parametrize("version", ["v1", "v2"])
    async def test_an_answer(self, tmp_path: Path, version: str) -> None:
        empty = behaviours.exact([b'{"results":[]}'], "application/json")
        async with served(tmp_path, "rerank", empty, WELL) as (_, router, [_, two]), httpx.AsyncClient() as client:
            answer = await client.post(f"{router.url}/{version}/rerank", json=self.ASKED)
            assert [row["index"] for row in answer.json()["results"]] == [0, 1]
            assert answer.headers["x-routed-via"] == "p1/m"
            assert two.seen[0].path == "/v1/rerank", "the provider's version is in its base URL"

    async def test_a_refusal_a_limit_and_a_client_that_leaves(self, tmp_path: Path) -> None:
        async with (
            served(tmp_path, "rerank", behaviours.status(400)) as (_, router, [one]),
            httpx.AsyncClient() as client,
        ):
            url = f"{router.url}/v1/rerank"
            assert (await client.post(url, json=self.ASKED)).status_code == 400
            one.script = behaviours.hang()
            task = asyncio.create_task(client.post(url, json=self.ASKED))
            seen = await one.arrived(2)
            task.cancel()
            assert await seen.closed_by_peer()
            one.script = behaviours.rate_limited(retry_after=9)
            limited = await client.post(url, json=self.ASKED)
            assert (limited.status_code, limited.headers["retry-after"]) == (429, "9")


class TestGemini:
    @asynccontextmanager
    async def served(self, folder: Path, *scripted: Behaviour) -> AsyncIterator[tuple[genai.Client, list[Provider]]]:
        async with AsyncExitStack() as stack:
            providers = [await stack.enter_async_context(Provider(behaviour)) for behaviour in scripted]
            entries = {
                f"p{n}": {
                    **provider(each.base_url.replace("/v1", "/v1beta")),
                    "dialect": "gemini",
                    "models": [{"id": "embed", "kind": "embedding"}, {"id": "chat"}],
                    "keys": [f"provider-key-{n}"],
                }
                for n, each in enumerate(providers)
            }
            router = await stack.enter_async_context(running(folder, entries))
            yield genai.Client(api_key="nobodys", http_options={"base_url": router.url, "timeout": 20_000}), providers

    async def test_an_answer_after_a_failure(self, tmp_path: Path) -> None:
        async with self.served(tmp_path, behaviours.status(503), WELL) as (client, [one, two]):
            found = await client.aio.models.embed_content(model="embed", contents=["a", "b"])
            assert found.embeddings
            assert [each.values for each in found.embeddings] == [list(VECTOR)] * 2
            paths = [seen.path for seen in (*one.seen, *two.seen)]
            assert paths == ["/v1beta/models/embed:batchEmbedContents"] * 2
            assert two.seen[0].header("x-goog-api-key") == "provider-key-1"

    async def test_without_values_it_is_no_answer(self, tmp_path: Path) -> None:
        empty = behaviours.exact([b'{"embeddings":[{"values":[]}]}'], "application/json")
        async with self.served(tmp_path, empty, WELL) as (client, [_, two]):
            await client.aio.models.embed_content(model="embed", contents="a")
            assert len(two.seen) == 1

    async def test_a_refusal_a_limit_and_another_kind(self, tmp_path: Path) -> None:
        refusal = {"error": {"code": 400, "message": "no such task", "status": "INVALID_ARGUMENT"}}
        async with self.served(tmp_path, behaviours.status(400, refusal)) as (client, [one]):
            with pytest.raises(genai.errors.ClientError) as caught:
                await client.aio.models.embed_content(model="embed", contents="a")
            assert (caught.value.code, caught.value.message) == (400, "no such task")
            one.script = behaviours.rate_limited(retry_after=9)
            with pytest.raises(genai.errors.ClientError) as caught:
                await client.aio.models.embed_content(model="embed", contents="a")
            assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")
            with pytest.raises(genai.errors.ClientError) as caught:
                await client.aio.models.embed_content(model="chat", contents="a")
            assert caught.value.code == 404
            assert "'chat' is of kind chat" in str(caught.value.message)

    async def test_a_client_that_leaves(self, tmp_path: Path) -> None:
        async with self.served(tmp_path, behaviours.hang()) as (client, [one]):
            task = asyncio.create_task(client.aio.models.embed_content(model="embed", contents="a"))
            seen = await one.arrived()
            task.cancel()
            assert await seen.closed_by_peer()

    async def test_the_name_in_the_body_follows_that_in_the_path(self, tmp_path: Path) -> None:
        async with Provider(WELL) as one:
            entry = {**provider(one.base_url), "dialect": "gemini", "models": [{"id": "own", "kind": "embedding"}]}
            sections = {"routing": {"aliases": {"embed": "p0/own"}}}
            async with running(tmp_path, {"p0": entry}, **sections) as router:
                client = genai.Client(api_key="nobodys", http_options={"base_url": router.url})
                await client.aio.models.embed_content(model="embed", contents=["a", "b"])
            assert one.seen[0].path == "/v1/models/own:batchEmbedContents"
            assert [each["model"] for each in one.seen[0].json["requests"]] == ["models/own"] * 2


class TestElsewhere:
    """As a proxy and in reverse mode, only kinds that are configured are the router's."""

    ASKED: ClassVar[Any] = {"model": "m", "input": "a"}

    @asynccontextmanager
    async def reverse(self, folder: Path, kind: str) -> AsyncIterator[tuple[httpx.AsyncClient, Provider, Provider]]:
        async with Provider(WELL) as target, Provider(WELL) as one, AsyncExitStack() as stack:
            entry = {**provider(one.base_url), "models": [{"id": "m", "kind": kind}]}
            mode = f"reverse:{target.base_url.removesuffix('/v1')}"
            router = await stack.enter_async_context(running(folder, {"p0": entry}, mode))
            headers = {"Authorization": "Bearer sk-its-own-key-0123456789"}
            client = httpx.AsyncClient(base_url=router.url, headers=headers)
            yield await stack.enter_async_context(client), target, one

    async def test_a_kind_that_is_configured_is_routed(self, tmp_path: Path) -> None:
        async with self.reverse(tmp_path, "embedding") as (client, target, one):
            answer = await client.post("/v1/embeddings", json=self.ASKED)
            assert answer.headers["x-routed-via"] == "p0/m"
            assert (len(target.seen), len(one.seen)) == (0, 1)

    @pytest.mark.parametrize("kind", ["chat", "embedding"])
    async def test_a_model_that_is_not_goes_to_the_target_with_its_own_key(self, tmp_path: Path, kind: str) -> None:
        async with self.reverse(tmp_path, kind) as (client, target, one):
            answer = await client.post("/v1/embeddings", json={**self.ASKED, "model": "another"})
            assert answer.status_code == 200
            assert "x-routed-via" not in answer.headers
            assert target.seen[0].header("authorization") == "Bearer sk-its-own-key-0123456789"
            assert not one.seen

    async def test_files_are_those_of_the_client(self, tmp_path: Path) -> None:
        async with self.reverse(tmp_path, "embedding") as (client, target, one):
            await client.get("/v1/files/file-abc")
            assert target.seen[0].header("authorization") == "Bearer sk-its-own-key-0123456789"
            assert not one.seen

    async def test_the_default_base_url_by_way_of_the_proxy(self, tmp_path: Path) -> None:
        async with served(tmp_path, "embedding", behaviours.status(503), WELL) as (_, router, _):
            trusting = ssl.create_default_context(cafile=router.ca)
            http_client = DefaultAsyncHttpxClient(proxy=router.url, verify=trusting, http2=True)
            async with AsyncOpenAI(api_key="sk-own", max_retries=0, http_client=http_client) as client:
                raw = await client.embeddings.with_raw_response.create(model="m", input="a")
            assert raw.headers["x-routed-via"] == "p1/m"
            assert router.watcher.flows[0].request.pretty_url == "https://api.openai.com/v1/embeddings"

    async def test_sound_over_http2_is_cut_when_it_breaks(self, tmp_path: Path) -> None:
        async with served(tmp_path, "audio", WELL) as (_, router, [one]):
            trusting = ssl.create_default_context(cafile=router.ca)
            http_client = DefaultAsyncHttpxClient(proxy=router.url, verify=trusting, http2=True)
            async with AsyncOpenAI(api_key="sk-own", max_retries=0, http_client=http_client) as client:
                whole = await client.audio.speech.with_raw_response.create(**TestSpeech.ASKED)
                assert (whole.http_response.http_version, whole.content) == ("HTTP/2", b"".join(SOUND))
                one.script = behaviours.endpoint(breaks_after=3)
                async with client.audio.speech.with_streaming_response.create(**TestSpeech.ASKED) as answer:
                    with pytest.raises(Exception, match=r"(?i)reset"):
                        await answer.read()


async def test_what_a_provider_refuses_is_left_out(tmp_path: Path) -> None:
    async with Provider(WELL) as one:
        entry = {**provider(one.base_url), "models": [{"id": "m", "kind": "embedding"}], "drop_params": ["dimensions"]}
        async with (
            running(tmp_path, {"p0": entry}) as router,
            AsyncOpenAI(base_url=router.base_url, api_key="x", max_retries=0) as client,
        ):
            await client.embeddings.create(model="m", input="a", dimensions=3)
    assert "dimensions" not in one.seen[0].json


async def test_another_dialect_is_no_candidate(tmp_path: Path) -> None:
    """Nothing is converted, and the error says so."""
    async with Provider(WELL) as one:
        entry = {**provider(one.base_url), "dialect": "gemini", "models": [{"id": "m", "kind": "embedding"}]}
        async with (
            running(tmp_path, {"p0": entry}) as router,
            AsyncOpenAI(base_url=router.base_url, api_key="x", max_retries=0) as client,
        ):
            with pytest.raises(openai.APIStatusError, match="cannot be converted"):
                await client.embeddings.create(model="m", input="a")
    assert not one.seen


async def test_a_model_of_several_kinds(tmp_path: Path) -> None:
    async with Provider(WELL) as one:
        entry = {**provider(one.base_url), "models": [{"id": "m", "kind": ["chat", "completion"]}]}
        async with (
            running(tmp_path, {"p0": entry}) as router,
            AsyncOpenAI(base_url=router.base_url, api_key="x", max_retries=0) as client,
        ):
            assert (await client.completions.create(model="m", prompt="a")).choices[0].text == TEXT
            one.script = behaviours.answer("ok")
            await client.chat.completions.create(model="auto", messages=[{"role": "user", "content": "a"}])
            listed = {model.id: model.model_dump() async for model in client.models.list()}
    assert (listed["p0/m"]["kind"], listed["p0/m"]["kinds"]) == ("chat", ["chat", "completion"])
    assert [each.path for each in one.seen] == ["/v1/completions", "/v1/chat/completions"]


async def test_a_large_upload_is_read_and_sent_away_from_the_loop(tmp_path: Path) -> None:
    async with Provider(WELL) as one:
        entry = {**provider(one.base_url), "models": [{"id": "own/whisper", "kind": "audio"}]}
        async with (
            running(tmp_path, {"p0": entry}) as router,
            AsyncOpenAI(base_url=router.base_url, api_key="x", max_retries=0) as client,
        ):
            file = ("a.mp3", bytes(range(256)) * 12_000, "audio/mpeg")
            await client.audio.transcriptions.create(model="whisper", file=file)
    assert forms_of(one) == [{"model": b"own/whisper", "file": file[1]}]
