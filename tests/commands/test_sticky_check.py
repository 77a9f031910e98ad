"""`pointsman check --sticky`: a conversation through a real router, and what is said of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from pointsman import cli
from pointsman.demo import Provider, behaviours
from support.admin import CLIENT, SERVER
from support.http_requests import started
from support.ports import free_port
from support.router import Router, running
from support.settings import provider


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def check(router: Router, *more: str) -> int:
    address = f"{router.host}:{router.port}"
    config = str(router.confdir / "pointsman.yaml")
    return await asyncio.to_thread(
        cli.main, ["check", "--sticky", "--router", address, "--config", config, "--model", "m", *more]
    )


async def test_a_conversation_that_sticks(
    tmp_path: Path, stack: AsyncExitStack, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = await started(stack, behaviours.answer("one"), behaviours.answer("two"))
    async with running(tmp_path, {"a": provider(one.base_url), "b": provider(two.base_url)}) as router:
        assert await check(router) == 0
        told = capsys.readouterr().out.splitlines()
        assert [line.rpartition(" · ")[0] for line in told[:3]] == [
            "turn 1  200  a/m · miss · prefix_hash",
            "turn 2  200  a/m · hit · prefix_hash",
            "turn 3  200  a/m · hit · prefix_hash",
        ]
        assert told[3] == (
            "It sticks to a/m. The conversation is recognised by its own words,"
            " as chat clients without a session id are (prefix_hash)."
        )
        asked = [request.fields["messages"] for request in one.seen]
        assert [len(messages) for messages in asked] == [1, 3, 5]
        assert asked[2][1] == {"role": "assistant", "content": "one"}
        assert two.seen == []

        assert await check(router, "--session", "session-0001") == 0
        assert "a session id in its headers (session_header)" in capsys.readouterr().out


async def test_a_provider_that_fails_is_named_as_the_reason(
    tmp_path: Path, stack: AsyncExitStack, capsys: pytest.CaptureFixture[str]
) -> None:
    one = await stack.enter_async_context(Provider([behaviours.answer("one"), behaviours.status(503)]))
    (two,) = await started(stack, behaviours.answer("two"))
    async with running(tmp_path, {"a": provider(one.base_url), "b": provider(two.base_url)}) as router:
        assert await check(router) == 1
    told = capsys.readouterr().out
    assert "It does not stick: turn 2 went to b/m, not to a/m: it failed there (503" in told


async def test_a_target_that_is_left_out_is_named_with_the_reason(
    tmp_path: Path, stack: AsyncExitStack, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = await started(stack, behaviours.answer("one"), behaviours.answer("two"))
    limited = provider(one.base_url)
    limited["models"][0]["limits"] = {"rpm": 1}
    async with running(tmp_path, {"a": limited, "b": provider(two.base_url)}) as router:
        assert await check(router) == 1
    assert "not to a/m: it was excluded (rate_limited" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("sticky", "reason"),
    [
        ({"enabled": False}, "sessions are off; set sticky.enabled: true."),
        ({"modes": ["fast"]}, "the mode of this model is not in sticky.modes; add it there."),
        ({"key_sources": ["session_header"]}, "nothing in the request identifies it; add prefix_hash"),
    ],
)
async def test_a_setting_that_keeps_it_from_sticking_is_named(
    tmp_path: Path,
    stack: AsyncExitStack,
    capsys: pytest.CaptureFixture[str],
    sticky: dict[str, object],
    reason: str,
) -> None:
    (one,) = await started(stack, behaviours.answer("one"))
    async with running(tmp_path, {"a": provider(one.base_url)}, sticky=sticky) as router:
        assert await check(router) == 1
    assert f"It does not stick: {reason}" in capsys.readouterr().out


async def test_other_names_of_headers_are_read(
    tmp_path: Path, stack: AsyncExitStack, capsys: pytest.CaptureFixture[str]
) -> None:
    (one,) = await started(stack, behaviours.answer("one"))
    async with running(tmp_path, {"a": provider(one.base_url)}, server={"header_prefix": "X-Olla-"}) as router:
        assert await check(router) == 0
    assert "It sticks to a/m." in capsys.readouterr().out


async def test_a_refused_turn_is_reported_with_the_remedy(
    tmp_path: Path, stack: AsyncExitStack, capsys: pytest.CaptureFixture[str]
) -> None:
    (one,) = await started(stack, behaviours.answer("one"))
    async with running(tmp_path, {"a": provider(one.base_url)}, server=SERVER) as router:
        assert await check(router) == 0, "the key of the configuration is used"
        assert await check(router, "--key", CLIENT) == 0
        assert await check(router, "--key", "wrong") == 1
        told = capsys.readouterr().out
        assert "turn 1 was refused with 401" in told
        assert "with --key or in POINTSMAN_KEY" in told
        assert await check(router, "--model", "nonsense") == 1
        assert "turn 1 was refused with 404" in capsys.readouterr().out


async def test_without_a_router_it_says_how_to_get_one(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["check", "--sticky", "--router"]
    assert await asyncio.to_thread(cli.main, [*arguments, f"127.0.0.1:{free_port()}"]) == 1
    assert "start it, or set --router" in capsys.readouterr().err
    async with Provider(behaviours.html()) as other:
        assert await asyncio.to_thread(cli.main, [*arguments, other.base_url]) == 1
    assert "is not Pointsman" in capsys.readouterr().err
