"""Images, speech and transcripts, through a real router, with the official SDK."""

import asyncio
from pathlib import Path

import httpx
import openai
import pytest
from openai import AsyncOpenAI

from pointsman.demo import Behaviour, Provider, behaviours
from pointsman.demo.behaviours.endpoints import PICTURE, SOUND
from pointsman.demo.behaviours.streaming import TEXT
from support.http_requests import http_client
from support.router import running
from support.settings import provider
from transport.endpoint_clients import SPEECH, WELL, first_record, forms_of, served

pytestmark = pytest.mark.usefixtures("bare_environment")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20


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
    async def test_every_byte_arrives(self, tmp_path: Path) -> None:
        async with served(tmp_path, "audio", WELL) as (client, router, _):
            async with client.audio.speech.with_streaming_response.create(**SPEECH) as answer:
                assert await answer.read() == b"".join(SOUND)
                assert answer.headers["content-type"] == "audio/mpeg"
                assert answer.headers["x-routed-via"] == "p0/m"
            assert (await first_record(router)).attempts[0].outcome == "request_success"

    async def test_it_arrives_while_it_is_made(self, tmp_path: Path) -> None:
        pausing = behaviours.endpoint(breaks_after=1, hangs=True)
        async with served(tmp_path, "audio", pausing) as (client, router, [one]):
            async with client.audio.speech.with_streaming_response.create(**SPEECH) as answer:
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
            raw = await client.audio.speech.with_raw_response.create(**SPEECH)
            assert raw.content == b"".join(SOUND)
            assert raw.headers["x-routed-via"] == "p1/m"

    @pytest.mark.parametrize("hangs", [True, False])
    async def test_a_sound_that_breaks_never_looks_whole(self, tmp_path: Path, hangs: bool) -> None:
        broken = behaviours.endpoint(breaks_after=3, hangs=hangs)
        async with served(tmp_path, "audio", broken, WELL, stream={"stall": 0.2 if hangs else 60.0}) as (
            client,
            router,
            [_, two],
        ):
            async with client.audio.speech.with_streaming_response.create(**SPEECH) as answer:
                with pytest.raises(Exception, match="incomplete chunked read"):
                    await answer.read()
            record = await first_record(router)
            assert record.attempts[0].outcome == ("stream_stalled" if hangs else "stream_broken")
            assert not two.seen

    async def test_events(self, tmp_path: Path) -> None:
        async with served(tmp_path, "audio", behaviours.status(503), WELL) as (client, _, _):
            asked = client.audio.speech.with_streaming_response.create(**SPEECH, stream_format="sse")
            async with asked as answer:
                lines = [line async for line in answer.iter_lines() if line]
                assert answer.headers["content-type"] == "text/event-stream"
            assert len(lines) == len(SOUND) + 1
            assert '"speech.audio.done"' in lines[-1]

    async def test_events_that_break_end_with_an_error(self, tmp_path: Path) -> None:
        async with served(tmp_path, "audio", behaviours.endpoint(breaks_after=2)) as (client, _, _):
            asked = client.audio.speech.with_streaming_response.create(**SPEECH, stream_format="sse")
            async with asked as answer:
                lines = [line async for line in answer.iter_lines() if line]
            assert len(lines) == 4
            assert '"stream_broken"' in lines[2]
            assert lines[3] == "data: [DONE]"

    async def test_a_refusal_and_a_limit(self, tmp_path: Path) -> None:
        async with served(tmp_path, "audio", behaviours.status(400), WELL) as (client, _, [one, two]):
            with pytest.raises(openai.BadRequestError):
                await client.audio.speech.create(**SPEECH)
            one.script = two.script = behaviours.rate_limited(retry_after=9)
            with pytest.raises(openai.RateLimitError):
                await client.audio.speech.create(**SPEECH)


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
        async with served(tmp_path, "audio", WELL) as (_, router, [one]), http_client() as client:
            answer = await client.post(
                f"{router.base_url}/audio/transcriptions",
                content=b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nm',
                headers={"Content-Type": "multipart/form-data; boundary=b"},
            )
            assert answer.status_code == 400
            assert "cut off" in answer.json()["error"]["message"]
            assert not one.seen


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
