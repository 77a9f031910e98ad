"""Endpoints besides chats through mitmdump itself, in a process of its own, with the official SDK."""

import signal
from pathlib import Path

from openai import AsyncOpenAI

from pointsman.demo import Provider, behaviours
from pointsman.demo.behaviours.endpoints import SOUND, VECTOR
from pointsman.demo.behaviours.streaming import TEXT
from support.process import mitmdump
from support.settings import provider, write

ROWS = [
    {"id": "embed", "kind": "embedding"},
    {"id": "tab", "kind": "completion"},
    {"id": "voice", "kind": "audio"},
]


async def test_each_form_of_an_answer_arrives(tmp_path: Path) -> None:
    async with Provider(behaviours.status(503)) as one, Provider(behaviours.endpoint()) as two:
        write(tmp_path, {name: {**provider(each.base_url), "models": ROWS} for name, each in (("a", one), ("b", two))})
        async with mitmdump("-p", "0", folder=tmp_path) as router:
            async with AsyncOpenAI(base_url=await router.base_url(), api_key="any", max_retries=0) as client:
                found = await client.embeddings.create(model="embed", input="a")
                assert found.data[0].embedding == list(VECTOR)
                stream = await client.completions.create(model="tab", prompt="a", suffix="b", stream=True)
                assert "".join([chunk.choices[0].text async for chunk in stream]) == TEXT
                sound = await client.audio.speech.create(model="voice", voice="alloy", input="a")
                assert sound.content == b"".join(SOUND)
                file = ("a.mp3", b"".join(SOUND), "audio/mpeg")
                assert (await client.audio.transcriptions.create(model="voice", file=file)).text == TEXT
            router.tell(signal.SIGTERM)
            await router.ends_cleanly()
    assert [each.path for each in one.seen] == ["/v1/embeddings", "/v1/completions", "/v1/audio/speech"]
