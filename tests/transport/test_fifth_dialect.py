"""A dialect is added with its folder and one line: an invented one, in a copy of the package, through a real router."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.http_requests import http_client
from support.process import ROOT, started, tool
from support.settings import provider, write

FOLDER = ROOT / "tests" / "support" / "fifth_dialect" / "duo"
LINE = '    DUO = "duo"\n'
WORDS = "take the left track"
LINES = [{"who": "you", "words": "Which track?"}]
MESSAGES = [{"role": "user", "content": "Which track?"}]


@pytest.fixture(scope="module")
def addon(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package that knows the dialect."""
    copy = tmp_path_factory.mktemp("copy") / "addon"
    shutil.copytree(ROOT / "addon", copy, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(FOLDER, copy / "pointsman" / "wire" / "dialects" / "duo")
    names = copy / "pointsman" / "config" / "enums.py"
    last = '    GEMINI = "gemini"\n'
    assert names.read_text().count(last) == 1
    names.write_text(names.read_text().replace(last, last + LINE))
    return copy


def events(text: str) -> list[Any]:
    lines = [line.removeprefix("data: ") for line in text.split("\n") if line.startswith("data: {")]
    return [json.loads(line) for line in lines]


async def test_a_chat_goes_through_in_both_directions(tmp_path: Path, addon: Path) -> None:
    env = {"PYTHONPATH": str(addon)}
    demo = ("-m", "pointsman.demo", "--script", f"answer:{WORDS}", "--model", "m")
    async with started(sys.executable, *demo, folder=tmp_path, **env) as upstream:
        url = (await upstream.prints(r"(http://\S+:\d+/v1)"))[1]
        entries = {
            "speaks-duo": provider(url, "of-duo", dialect="duo"),
            "speaks-chat": provider(url, "of-chat", dialect="openai-chat"),
        }
        write(tmp_path, entries)
        async with tool("mitmdump", ("-p", "0"), tmp_path, env, addon / "main.py") as router:
            base_url = await router.base_url()
            async with http_client(base_url=base_url) as client:
                for model in ("of-chat", "of-duo"):
                    await duo_asks(client, model)
                    await chat_asks(client, model)
                await the_rest_is_in_its_form(client)
                names = (await client.get("/models", headers={"X-Duo-Key": "k"})).json()["names"]
                assert names[-2:] == ["speaks-duo/of-duo", "speaks-chat/of-chat"]


async def duo_asks(client: httpx.AsyncClient, model: str) -> None:
    whole = await client.post("/duo", json={"model": model, "lines": LINES})
    assert (whole.status_code, whole.headers["x-routed-via"].split("/")[1]) == (200, model)
    answer = whole.json()
    assert (answer["lines"], answer["over"]) == ([{"who": "me", "words": WORDS}], "done")
    streamed = await client.post("/duo", json={"model": model, "lines": LINES, "live": True})
    assert streamed.headers["content-type"].startswith("text/event-stream")
    *said, last = events(streamed.text)
    assert "".join(event["say"] for event in said) == WORDS
    assert last["over"] == "done"


async def chat_asks(client: httpx.AsyncClient, model: str) -> None:
    whole = await client.post("/chat/completions", json={"model": model, "messages": MESSAGES})
    assert (whole.status_code, whole.headers["x-routed-via"].split("/")[1]) == (200, model)
    [choice] = whole.json()["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == (WORDS, "stop")
    streamed = await client.post("/chat/completions", json={"model": model, "messages": MESSAGES, "stream": True})
    assert streamed.text.endswith("data: [DONE]\n\n")
    choices = [choice for event in events(streamed.text) for choice in event["choices"]]
    assert "".join(choice["delta"].get("content") or "" for choice in choices) == WORDS
    assert choices[-1]["finish_reason"] == "stop"


async def the_rest_is_in_its_form(client: httpx.AsyncClient) -> None:
    missing = await client.post("/duo", json={"model": "nobodys", "lines": LINES})
    assert (missing.status_code, missing.json()["sorry"]["code"]) == (404, "model_not_found")
    malformed = await client.post("/duo", json={"model": "of-duo", "lines": "Which track?"})
    assert malformed.status_code == 400
    assert "`lines`" in malformed.json()["sorry"]["message"]
    tools = [{"type": "function", "function": {"name": "t"}}]
    asked = {"model": "of-duo", "messages": MESSAGES, "tools": tools}
    refused = await client.post("/chat/completions", json=asked)
    assert "duo has no tools" in refused.text


async def test_it_can_do_everything_that_a_dialect_must(tmp_path: Path, addon: Path) -> None:
    """The test of every dialect, over the copy."""
    arguments = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", f"pythonpath={addon} {ROOT / 'tests'}")
    test = ROOT / "tests" / "wire" / "dialects" / "test_every_dialect.py"
    env = {"PYTHONPATH": str(addon), "PYTHONDONTWRITEBYTECODE": "1"}
    command = (sys.executable, *arguments, "--rootdir", str(ROOT), "-c", str(ROOT / "pyproject.toml"), str(test))
    async with started(*command, "-k", "duo", folder=tmp_path, **env) as run:
        status = await run.ends(110)
    assert status == 0, run.text
