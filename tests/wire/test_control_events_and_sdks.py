"""What the router says within a stream, heard by the vendors' own libraries: keep-alives pass unnoticed, an error is
one, and no half answer looks whole.
"""

from __future__ import annotations

from typing import Any

import anthropic
import pytest
from google.genai import errors

from pointsman.config.enums import Dialect
from pointsman.demo import Provider, behaviours
from pointsman.demo.received_request import ReceivedRequest
from pointsman.wire.dialects.base import Listener
from pointsman.wire.dialects.demo_base import DemoAnswer
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.errors import Code, Problem
from pointsman.wire.frames import Opening
from pointsman.wire.request_facts import RequestFacts
from support.provider_sdk_calls import SDKS, Said, forget_environment, responses_helper

PATHS = {
    Dialect.ANTHROPIC: "/v1/messages",
    Dialect.OPENAI_RESPONSES: "/v1/responses",
    Dialect.GEMINI: "/v1beta/models/demo:streamGenerateContent?alt=sse",
}
FACTS = RequestFacts("demo", True, frozenset(), 0, query="?alt=sse")
PROBLEM = Problem(Code.STREAM_BROKEN, "The provider went away.", details=(("trail", "a@503"),))


pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_environment(monkeypatch)


def control_events(dialect: Dialect, headers: tuple[tuple[str, str], ...] = ()) -> Any:
    return DIALECTS[dialect].control_events(Listener(FACTS, headers, "request-1", 1_700_000_000))


def answer(dialect: Dialect) -> list[bytes]:
    """The events of a provider's answer."""
    request = ReceivedRequest("POST", PATHS[dialect], [], body=b'{"model": "demo", "stream": true}')
    demo = DIALECTS[dialect].demo()
    return [event.encode() for event in demo.events(DemoAnswer(("hello", " there")), request)]


def before_content(events: list[bytes]) -> int:
    return next(place for place, event in enumerate(events) if b"hello" in event)


def opening(dialect: Dialect, events: list[bytes]) -> Opening | None:
    reader = DIALECTS[dialect].reader(FACTS, "text/event-stream")
    reader.read(b"".join(events))
    return reader.opening


async def heard(dialect: Dialect, chunks: list[bytes], ask: Any = None) -> Said:
    async with Provider(behaviours.exact(chunks, pace=0.005)) as provider:
        return await (ask or SDKS[dialect])(provider.base_url.removesuffix("/v1"), True)


@pytest.mark.parametrize("dialect", PATHS)
class TestEachLibrary:
    async def test_keep_alives_before_and_within_an_answer_pass_unnoticed(self, dialect: Dialect) -> None:
        events, own = answer(dialect), control_events(dialect)
        middle = before_content(events) + 1
        early, late = own.keep_alive(None), own.keep_alive(opening(dialect, events[:middle]))
        said = await heard(dialect, [early] * 3 + events[:middle] + [late] * 3 + events[middle:])
        assert said.text == "hello there"
        assert said == await heard(dialect, events)

    async def test_a_comment_passes_unnoticed_where_there_is_one(self, dialect: Dialect) -> None:
        events, comment = answer(dialect), control_events(dialect).comment("routed-via a/b attempts=2")
        said = await heard(dialect, [comment, *events] if comment else events)
        assert said.text == "hello there"

    @pytest.mark.parametrize("has_begun", [True, False])
    async def test_an_error_ends_the_answer_and_is_seen(self, dialect: Dialect, has_begun: bool) -> None:
        events, own = answer(dialect), control_events(dialect)
        said = events[: before_content(events) + 1] if has_begun else []
        words = own.error_event(PROBLEM, opening(dialect, said)) + own.end_marker()
        if dialect is Dialect.OPENAI_RESPONSES:
            assert await heard(dialect, [*said, words]) == Said("hello" if has_begun else "", (), "failed")
        else:
            with pytest.raises((anthropic.APIStatusError, errors.ServerError), match="The provider went away"):
                await heard(dialect, [*said, words])


class TestOpenAIsHelper:
    """It builds on `response.created`, and takes nothing before it."""

    DIALECT = Dialect.OPENAI_RESPONSES
    SDK = (("x-stainless-lang", "python"),)

    async def test_it_is_kept_awake_by_comments_first_and_by_events_then(self) -> None:
        events, own = answer(self.DIALECT), control_events(self.DIALECT, self.SDK)
        middle = before_content(events) + 1
        early, late = own.keep_alive(None), own.keep_alive(opening(self.DIALECT, events[:middle]))
        chunks = [early] * 3 + events[:middle] + [late] * 3 + events[middle:]
        assert await heard(self.DIALECT, chunks, responses_helper) == Said("hello there", (), "completed")

    async def test_an_event_before_the_opening_would_break_it(self) -> None:
        event = control_events(self.DIALECT).keep_alive(None)
        with pytest.raises(RuntimeError, match=r"Expected to have received `response\.created` before `ping`"):
            await heard(self.DIALECT, [event, *answer(self.DIALECT)], responses_helper)

    @pytest.mark.parametrize("has_begun", [True, False])
    async def test_an_answer_that_failed_is_not_completed(self, has_begun: bool) -> None:
        events = answer(self.DIALECT)
        said = events[: before_content(events) + 1] if has_begun else []
        words = control_events(self.DIALECT, self.SDK).error_event(PROBLEM, opening(self.DIALECT, said))
        with pytest.raises(RuntimeError, match=r"Didn't receive a `response\.completed` event"):
            await heard(self.DIALECT, [*said, words], responses_helper)


@pytest.mark.parametrize("foreign", [b": keep-alive\n\n", b'event: ping\ndata: {"type":"ping"}\n\n'])
async def test_googles_library_takes_neither_comments_nor_events_of_a_kind(foreign: bytes) -> None:
    with pytest.raises(errors.UnknownApiResponseError):
        await heard(Dialect.GEMINI, [foreign, *answer(Dialect.GEMINI)])
