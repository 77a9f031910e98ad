"""The unmodified SDKs, through the router, to a provider that breaks off and another that goes on."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from pointsman.config.enums import Dialect
from pointsman.demo import Behaviour, Provider, behaviours
from pointsman.domain.records import ExchangeRecord
from support.dialects import entry
from support.router import Router, running
from support.router_sdk_calls import ALL_SDKS, Ask, Sdk, Told, forget_environment, told

SAID, REST = "Take the left", " track, then the right one."
TEXT = SAID + REST
LAST = {
    Dialect.OPENAI_CHAT: ("messages", {"role": "assistant", "content": SAID}),
    Dialect.ANTHROPIC: ("messages", {"role": "assistant", "content": [{"type": "text", "text": SAID}]}),
    Dialect.GEMINI: ("contents", {"role": "model", "parts": [{"text": SAID}]}),
}
OTHER = {
    Dialect.OPENAI_CHAT: Dialect.ANTHROPIC,
    Dialect.ANTHROPIC: Dialect.GEMINI,
    Dialect.GEMINI: Dialect.OPENAI_RESPONSES,
    Dialect.OPENAI_RESPONSES: Dialect.OPENAI_CHAT,
}

REPORTING_AT_ONCE = (Dialect.ANTHROPIC, Dialect.GEMINI)
"""Their streams begin with what the prompt has used."""


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_environment(monkeypatch)


async def asked(
    folder: Path, ask: Ask, dialects: tuple[Dialect, Dialect], second: Behaviour
) -> tuple[Told, ExchangeRecord]:
    """What the SDK's user gets, and what is on record."""
    models = [{"id": "m", "prefill": True}]
    async with AsyncExitStack() as stack:
        scripted = behaviours.cut(TEXT, after_tokens=3), second
        providers = [await stack.enter_async_context(Provider(each)) for each in scripted]
        pairs = zip("ab", dialects, providers, strict=True)
        entries = {name: entry(dialect, each) | {"models": models} for name, dialect, each in pairs}
        router: Router = await stack.enter_async_context(running(folder, entries, stream={"recover": "prefill"}))
        got = await told(ask, router.url)
        [exchange] = router.gateway.recent_exchanges.newest(1)
        if dialects[1] in LAST:
            member, turn = LAST[dialects[1]]
            assert providers[1].seen[0].json[member][-1] == turn
    return got, exchange


def outcomes(exchange: ExchangeRecord) -> list[str]:
    return [each.outcome.value for each in exchange.attempts]


@pytest.mark.parametrize("is_converted", [False, True], ids=["like-to-like", "converted"])
@pytest.mark.parametrize("sdk", ALL_SDKS, ids=lambda sdk: sdk.dialect.value)
async def test_an_answer_that_broke_is_one_answer(tmp_path: Path, sdk: Sdk, is_converted: bool) -> None:
    own = sdk.dialect
    dialects = (OTHER[own], OTHER[OTHER[own]]) if is_converted else (own, own)
    way = sdk.otherwise if is_converted else sdk.streamed
    got, exchange = await asked(tmp_path, way, dialects, behaviours.answer(REST))
    assert (got.text, got.failure) == (TEXT, None)
    assert got.finish in ("stop", "end_turn", "STOP", "completed")
    assert outcomes(exchange) == ["stream_broken", "stream_continued"]


@pytest.mark.parametrize("is_converted", [False, True], ids=["like-to-like", "converted"])
@pytest.mark.parametrize("sdk", ALL_SDKS, ids=lambda sdk: sdk.dialect.value)
async def test_its_usage_counts_the_prompt_once_and_both_outputs(tmp_path: Path, sdk: Sdk, is_converted: bool) -> None:
    own = sdk.dialect
    dialects = (OTHER[own], OTHER[OTHER[own]]) if is_converted else (own, own)
    got, exchange = await asked(tmp_path, sdk.streamed, dialects, behaviours.answer(REST))
    assert (got.text, len(got.ids)) == (TEXT, 1)
    assert got.usage
    first, second = (each.usage for each in exchange.attempts)
    assert first
    assert second
    has_reported = dialects[0] in REPORTING_AT_ONCE
    assert got.usage[0] == (first.prompt if has_reported else second.prompt - first.output)
    assert got.usage[1] == first.output + second.output


@pytest.mark.parametrize("sdk", ALL_SDKS, ids=lambda sdk: sdk.dialect.value)
async def test_one_that_breaks_twice_raises_once(tmp_path: Path, sdk: Sdk) -> None:
    second = behaviours.cut(REST, after_tokens=2)
    got, exchange = await asked(tmp_path, sdk.otherwise, (sdk.dialect, sdk.dialect), second)
    assert TEXT.startswith(got.text)
    assert "stream_broken" in got.said
    assert outcomes(exchange) == ["stream_broken", "stream_broken"]
