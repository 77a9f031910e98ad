"""The unmodified SDKs of Anthropic, OpenAI (Responses) and Google, through the router to providers of their dialect."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pointsman.demo import Behaviour, Provider, behaviours
from support.dialects import credentials_of, entry
from support.recording_relay import RecordingRelay
from support.router import Router, running
from support.router_sdk_calls import RESPONSES, SDKS, TOOL, Ask, GenaiSdk, Sdk, forget_environment, told

TEXT = "Take the left track, then the right one."
HALF = "Take the left"
BEATS = {"early_headers": "50ms", "heartbeat": "50ms"}


def timing(behaviour: Behaviour) -> dict[str, str]:
    """Short for what stalls alone: on a busy machine anything else may take as long."""
    return {"stall": "200ms"} if behaviour.name.startswith("stall") else {}


@pytest.fixture(params=SDKS, ids=lambda sdk: sdk.dialect.value)
def sdk(request: pytest.FixtureRequest) -> Sdk:
    chosen: Sdk = request.param
    return chosen


@pytest.fixture(params=["whole", "streamed", "otherwise"])
def way(request: pytest.FixtureRequest, sdk: Sdk) -> Ask:
    return {"whole": sdk.whole, "streamed": sdk.streamed, "otherwise": sdk.otherwise}[request.param]


@pytest.fixture(params=["streamed", "otherwise"])
def streaming(request: pytest.FixtureRequest, sdk: Sdk) -> Ask:
    return sdk.streamed if request.param == "streamed" else sdk.otherwise


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_environment(monkeypatch)


@asynccontextmanager
async def served(
    folder: Path, sdk: Sdk, *scripted: Behaviour, **sections: Any
) -> AsyncIterator[tuple[Router, list[Provider]]]:
    """A router with a provider of the SDK's dialect for each behaviour, and with a key of this test's own."""
    async with AsyncExitStack() as stack:
        providers = [await stack.enter_async_context(Provider(behaviour)) for behaviour in scripted]
        entries = {f"p{n}": entry(sdk.dialect, each, keys=[own_key(folder)]) for n, each in enumerate(providers)}
        yield await stack.enter_async_context(running(folder, entries, **sections)), providers


def own_key(folder: Path) -> str:
    return f"key-{folder.parent.name}-{folder.name}"


def asked(provider: Provider, key: str) -> list[str]:
    """The paths of the requests with that key: a port may have been another test's, whose client still asks there."""
    credentials = [(seen.path, credentials_of(seen.headers)) for seen in provider.seen]
    return [path for path, sent in credentials if any(value.removeprefix("Bearer ") == key for _, value in sent)]


def root_of(provider: Provider) -> str:
    return provider.base_url.removesuffix("/v1")


class TestAnswers:
    ANSWERS = (
        behaviours.answer(TEXT),
        behaviours.answer(TEXT, finish="length"),
        behaviours.answer(TEXT, reasoning="left or right?"),
        behaviours.answer("", tool_call=(TOOL, {"side": "left"})),
        behaviours.answer(TEXT, tool_call=(TOOL, {"side": "left"})),
    )

    @pytest.mark.parametrize("behaviour", ANSWERS, ids=["text", "limited", "reasoning", "call", "text-and-call"])
    async def test_are_what_the_provider_itself_would_give(
        self, tmp_path: Path, sdk: Sdk, way: Ask, behaviour: Behaviour
    ) -> None:
        async with served(tmp_path, sdk, behaviour) as (router, [one]):
            direct, routed = await told(way, root_of(one), tools=True), await told(way, router.url, tools=True)
            assert routed == direct
            assert routed.failure is None
            assert routed.finish is not None
            assert routed.text == TEXT or routed.calls == [(TOOL, {"side": "left"})]
            first, second = one.seen
            assert second.json == first.json
            assert second.path == first.path

    async def test_come_from_the_next_provider_if_the_first_ones_fail(self, tmp_path: Path, sdk: Sdk, way: Ask) -> None:
        said_nothing = (behaviours.reset(), behaviours.empty(), behaviours.html(), behaviours.cut(TEXT, after_tokens=0))
        said_so = (
            behaviours.status(503),
            behaviours.status(529),
            behaviours.wrapped(),
            behaviours.error_within(TEXT, after_tokens=0),
        )
        broken = (*said_nothing, *said_so)
        async with served(tmp_path, sdk, *broken, behaviours.answer(TEXT)) as (router, providers):
            got = await told(way, router.url)
            assert (got.text, got.failure) == (TEXT, None)
            assert [len(asked(each, own_key(tmp_path))) for each in providers] == [1] * 9

    async def test_are_not_touched_by_keep_alives(self, tmp_path: Path, sdk: Sdk, streaming: Ask) -> None:
        first, middle = asyncio.Event(), asyncio.Event()
        answer = behaviours.answer(TEXT, gate_after={0: first, 3: middle})
        async with served(tmp_path, sdk, answer, stream=BEATS) as (router, _), RecordingRelay(router.url) as relay:
            asking = asyncio.create_task(told(streaming, relay.base_url))
            await relay.wait_for(sdk.beat, 3)
            first.set()
            await relay.wait_for(b"left")
            del relay.received[:]
            await relay.wait_for(sdk.later_beat, 3)
            middle.set()
            got = await asking
            assert (got.text, got.failure) == (TEXT, None)

    async def test_come_from_the_next_provider_behind_an_early_head(
        self, tmp_path: Path, sdk: Sdk, streaming: Ask
    ) -> None:
        gate = asyncio.Event()
        slow = behaviours.gated(behaviours.status(503), gate)
        async with served(tmp_path, sdk, slow, behaviours.answer(TEXT), stream=BEATS) as (router, _):
            async with RecordingRelay(router.url) as relay:
                asking = asyncio.create_task(told(streaming, relay.base_url))
                await relay.wait_for(sdk.beat, 3)
                gate.set()
                got = await asking
            assert (got.text, got.failure) == (TEXT, None)


@pytest.mark.parametrize("version", ["v1", "v1beta"])
async def test_googles_sdk_is_served_under_both_versions_of_its_paths(tmp_path: Path, version: str) -> None:
    sdk = GenaiSdk(api_version=version)
    async with served(tmp_path, sdk, behaviours.answer(TEXT)) as (router, [one]):
        for way in (sdk.whole, sdk.streamed, sdk.otherwise):
            got = await told(way, router.url)
            assert (got.text, got.failure) == (TEXT, None)
        assert "models/p0/m" in await sdk.listed(router.url)
        assert [seen.path.partition("/models/")[2].partition("?")[0] for seen in one.seen] == [
            "m:generateContent",
            "m:streamGenerateContent",
            "m:streamGenerateContent",
        ]


class TestFailures:
    @pytest.mark.parametrize("code", [400, 422])
    async def test_a_refused_request_is_what_the_provider_itself_would_say(
        self, tmp_path: Path, sdk: Sdk, way: Ask, code: int
    ) -> None:
        async with served(tmp_path, sdk, behaviours.status(code)) as (router, [one]):
            assert await told(way, router.url) == await told(way, root_of(one))

    async def test_a_rate_limit_everywhere(self, tmp_path: Path, sdk: Sdk, way: Ask) -> None:
        limited = (behaviours.rate_limited(retry_after=30), behaviours.rate_limited(retry_after=7))
        async with served(tmp_path, sdk, *limited) as (router, [one, _]):
            direct, routed = await told(way, root_of(one)), await told(way, router.url)
            assert routed.failure == direct.failure == sdk.failures[429]
            assert routed.detail["status"] == 429
            assert routed.detail["retry_after"] == "7"
            assert "rate_limited" in routed.said

    @pytest.mark.parametrize(("behaviour", "code"), [(behaviours.status(401), 502), (behaviours.status(500), 502)])
    async def test_other_failures_have_the_routers_status(
        self, tmp_path: Path, sdk: Sdk, way: Ask, behaviour: Behaviour, code: int
    ) -> None:
        async with served(tmp_path, sdk, behaviour) as (router, _):
            got = await told(way, router.url)
            assert (got.failure, got.detail["status"]) == (sdk.failures[code], code)

    async def test_an_unknown_model(self, tmp_path: Path, sdk: Sdk, way: Ask) -> None:
        async with served(tmp_path, sdk, behaviours.answer()) as (router, _):
            got = await told(way, router.url, model="no-such-model")
            assert (got.failure, got.detail["status"]) == (sdk.failures[404], 404)
            assert "no-such-model" in got.said

    async def test_behind_an_early_head_are_errors_in_the_stream(
        self, tmp_path: Path, sdk: Sdk, streaming: Ask
    ) -> None:
        gate = asyncio.Event()
        async with served(tmp_path, sdk, behaviours.gated(behaviours.status(503), gate), stream=BEATS) as (router, _):
            async with RecordingRelay(router.url) as relay:
                asking = asyncio.create_task(told(streaming, relay.base_url))
                await relay.wait_for(sdk.beat, 3)
                gate.set()
                got = await asking
            assert got.failure
            assert "p0/m@503" in got.said
            assert (got.text, got.finish) == ("", None)


class TestHalfAnswers:
    BROKEN = (
        (behaviours.stall(TEXT, after_tokens=3), "stream_timeout"),
        (behaviours.stall(TEXT, after_tokens=3, in_event=True), "stream_timeout"),
        (behaviours.cut(TEXT, after_tokens=3), "stream_broken"),
        (behaviours.cut(TEXT, after_tokens=3, in_event=True), "stream_broken"),
        (behaviours.truncated(TEXT, after_tokens=3), "stream_broken"),
        (behaviours.reset_within(TEXT, after_tokens=3), "stream_broken"),
    )

    @pytest.mark.parametrize(("behaviour", "code"), BROKEN, ids=lambda value: getattr(value, "name", value))
    async def test_never_look_whole(
        self, tmp_path: Path, sdk: Sdk, streaming: Ask, behaviour: Behaviour, code: str
    ) -> None:
        async with served(tmp_path, sdk, behaviour, stream=timing(behaviour)) as (router, _):
            got = await told(streaming, router.url)
            assert got.failure
            assert code in got.said
            assert (got.text, got.finish) == (HALF, None)

    async def test_end_in_the_providers_own_error(self, tmp_path: Path, sdk: Sdk, streaming: Ask) -> None:
        async with served(tmp_path, sdk, behaviours.error_within(TEXT, after_tokens=3)) as (router, [one]):
            direct, routed = await told(streaming, root_of(one)), await told(streaming, router.url)
            assert routed.failure == direct.failure is not None
            assert "The model is overloaded" in routed.said
            assert (routed.text, routed.finish) == (HALF, None)

    async def test_that_are_not_streamed_are_errors(self, tmp_path: Path, sdk: Sdk) -> None:
        async with served(tmp_path, sdk, behaviours.truncated(TEXT)) as (router, _):
            got = await told(sdk.whole, router.url)
            assert (got.failure, got.text) == (sdk.failures[502], "")

    @pytest.mark.parametrize(
        "behaviour", [behaviours.stall(TEXT, after_tokens=3), behaviours.cut(TEXT, after_tokens=3)]
    )
    async def test_of_responses_fail_under_the_id_they_began_with(self, tmp_path: Path, behaviour: Behaviour) -> None:
        async with served(tmp_path, RESPONSES, behaviour, stream=timing(behaviour)) as (router, _):
            events = await RESPONSES.events(router.url)
            created, failed = events[0], events[-1]
            assert (created.type, failed.type) == ("response.created", "response.failed")
            assert created.response.id == failed.response.id == "resp_demo_1"
            assert failed.response.status == "failed"
            assert [event.sequence_number for event in events] == list(range(len(events)))
