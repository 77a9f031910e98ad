"""A client that insists on a model name of its own, and what the answer, the log and the audit say of it."""

import logging
import re
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from pointsman.demo import behaviours
from support.http_requests import ask, get, started
from support.leak_checks import no_leaks
from support.router import Router, running
from support.settings import provider

NAME = "claude-haiku-4-5-20251001"


async def opened(stack: AsyncExitStack, folder: Path, policy: str = "map", **sections: Any) -> Router:
    [one] = await started(stack, behaviours.answer())
    entries = {"one": provider(one.base_url, "m")}
    return await stack.enter_async_context(running(folder, entries, routing={"unknown_model": policy}, **sections))


@pytest.mark.parametrize("stream", [True, False])
async def test_the_answer_the_log_and_the_audit_name_the_mode(
    stream: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with AsyncExitStack() as stack:
        router = await opened(stack, tmp_path)
        with caplog.at_level(logging.INFO, logger="pointsman"):
            answer = await ask(router.base_url, model=NAME, stream=stream)
            await no_leaks(router)
        assert (answer.status, answer.headers["x-routed-via"], answer.headers["x-routed-as"]) == (
            200,
            "one/m",
            "auto-fast",
        )
        request_id = answer.headers["x-request-id"]
        [line] = [record.getMessage() for record in caplog.records if record.getMessage().startswith(request_id)]
        assert re.search(rf"{NAME}: 200 one/m \S+ s · routed as auto-fast · ", line)
        record = (await get(f"{router.url}/internal/exchanges/{request_id}")).json
        assert (record["model"], record["taken_as"], record["mode"]) == (NAME, "auto-fast", "fast")


async def test_early_headers_name_it_too(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        [slow] = await started(stack, behaviours.answer(first_delay=0.5))
        sections = {"routing": {"unknown_model": "map"}, "stream": {"early_headers": "50ms"}}
        router = await stack.enter_async_context(running(tmp_path, {"one": provider(slow.base_url, "m")}, **sections))
        answer = await ask(router.base_url, model=NAME)
        assert "x-routed-via" not in answer.headers
        assert answer.headers["x-routed-as"] == "auto-fast"


async def test_an_error_names_it_too(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        [bad] = await started(stack, behaviours.status(500))
        sections = {"routing": {"unknown_model": "map"}}
        router = await stack.enter_async_context(running(tmp_path, {"one": provider(bad.base_url, "m")}, **sections))
        answer = await ask(router.base_url, model=NAME)
        assert (answer.status, answer.headers["x-routed-as"]) == (502, "auto-fast")


@pytest.mark.parametrize(
    ("policy", "model", "status", "taken_as"),
    [
        ("map", "m", 200, None),
        ("map", "auto", 200, None),
        ("map", "nobody", 404, None),
        ("error", NAME, 404, None),
        ("auto", "nobody", 200, "auto"),
    ],
)
async def test_only_what_is_unknown_is_taken_as_a_mode(
    policy: str, model: str, status: int, taken_as: str | None, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        router = await opened(stack, tmp_path, policy)
        answer = await ask(router.base_url, model=model)
        assert (answer.status, answer.headers.get("x-routed-as")) == (status, taken_as)


async def test_the_table_in_force_is_shown(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        router = await opened(stack, tmp_path)
        told = (await get(f"{router.url}/internal/status/models")).json
        assert told["unknown_model"] == "map"
        assert {word: row["taken_as"] for row in told["unknown_names"] for word in row["words"]}["opus"] == "auto-smart"
