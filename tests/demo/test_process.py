from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import pointsman
from pointsman.demo.__main__ import main

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(pointsman.__file__).parents[1])}


@asynccontextmanager
async def running(*arguments: str):
    """The provider as a process, and the base URL it printed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pointsman.demo", *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
    )
    try:
        assert process.stdout is not None
        yield process, (await process.stdout.readline()).decode().strip()
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def say(session, base_url: str) -> tuple[int, str]:
    async with session.post(f"{base_url}/chat/completions", json={"messages": []}) as response:
        body = await response.json()
        return response.status, body["choices"][0]["message"]["content"] if response.ok else ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_plays_its_scripts_until_it_is_stopped(session, number):
    async with running("--script", "status:503", "--script", "answer:hi") as (process, base_url):
        assert [await say(session, base_url) for _ in range(3)] == [(503, ""), (200, "hi"), (200, "hi")]
        process.send_signal(number)
        _, stderr = await process.communicate()
    assert (process.returncode, stderr) == (0, b"")


async def test_rotates_and_lists_its_models(session):
    arguments = ("--script", "answer:a", "--script", "answer:b", "--rotate", "--model", "m-1", "--name", "x")
    async with running(*arguments) as (_, base_url):
        assert [(await say(session, base_url))[1] for _ in range(4)] == ["a", "b", "a", "b"]
        async with session.get(f"{base_url}/models") as response:
            assert [row["id"] for row in (await response.json())["data"]] == ["m-1"]


def test_a_bad_spec_is_a_usage_error_that_says_why(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--script", "status:many"])
    assert ended.value.code == 2
    assert "status: code must be a whole number, got 'many'" in capsys.readouterr().err


def test_help_names_the_menu(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "wrong_length" in capsys.readouterr().out


def test_importing_the_package_imports_neither_mitmproxy_nor_aiohttp():
    code = "import sys, pointsman.demo; print([name for name in ('mitmproxy', 'aiohttp') if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=ENVIRONMENT)
    assert ran.stdout.strip() == "[]"
