"""Conversations that move between providers which verify what they have signed, and know only what they have stored."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import httpx
import pytest

from pointsman.config.enums import Dialect
from pointsman.demo import Provider, behaviours
from support.http_requests import http_client
from support.router import Router, running
from support.settings import provider
from transport.issuers import AnthropicIssuer, GeminiIssuer, Issuer, ResponsesIssuer

MODEL = "gemini-3-pro"
THINKING = {"type": "enabled", "budget_tokens": 1024}


class Talk(NamedTuple):
    """How a conversation is sent in a dialect: `path` of a streamed request or a whole one, `request` of the messages,
    and what follows an answer with a call.
    """

    issuer: type[Issuer]
    path: Callable[[bool], str]
    request: Callable[[list[Any], bool], Any]
    question: Any
    after: Callable[[Any], list[Any]]


def _tool_result(said: Any) -> list[Any]:
    result = {"type": "tool_result", "tool_use_id": said[-1]["id"], "content": "r"}
    return [{"role": "assistant", "content": said}, {"role": "user", "content": [result]}]


def _output(said: Any) -> list[Any]:
    return [*said, {"type": "function_call_output", "call_id": said[-1]["call_id"], "output": "r"}]


def _function_response(said: Any) -> list[Any]:
    response = {"functionResponse": {"id": said[-1]["functionCall"]["id"], "name": "get", "response": {"r": 1}}}
    return [{"role": "model", "parts": said}, {"role": "user", "parts": [response]}]


TALKS = {
    Dialect.ANTHROPIC: Talk(
        AnthropicIssuer,
        lambda stream: "/v1/messages",
        lambda said, stream: {
            "model": MODEL,
            "max_tokens": 5000,
            "stream": stream,
            "thinking": THINKING,
            "messages": said,
        },
        {"role": "user", "content": "hi"},
        _tool_result,
    ),
    Dialect.OPENAI_RESPONSES: Talk(
        ResponsesIssuer,
        lambda stream: "/v1/responses",
        lambda said, stream: {"model": MODEL, "stream": stream, "store": False, "input": said},
        {"role": "user", "content": "hi"},
        _output,
    ),
    Dialect.GEMINI: Talk(
        GeminiIssuer,
        lambda stream: f"/v1beta/models/{MODEL}:" + ("streamGenerateContent?alt=sse" if stream else "generateContent"),
        lambda said, stream: {"contents": said},
        {"role": "user", "parts": [{"text": "hi"}]},
        _function_response,
    ),
}


def undamaged(router: Router) -> None:
    """No target was charged for anything but being down."""
    routing, now = router.gateway.router, 0.0
    cooldowns = routing.cooldowns_to_dict(now, now)
    assert all(each["reason"] == "529" for each in cooldowns["targets"])
    assert cooldowns["keys"] == []
    assert all(not each["bans"] and not each["failures"] for each in routing.sessions_to_list(now, now))


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("dialect", TALKS)
async def test_a_conversation_moves_to_another_issuer_and_back(dialect, stream, tmp_path):
    talk = TALKS[dialect]
    async with talk.issuer() as a, talk.issuer() as b, http_client() as client:
        entries = {name: provider(each.base_url, MODEL, dialect=dialect.value) for name, each in (("a", a), ("b", b))}
        async with running(tmp_path, entries) as router:
            said: list[Any] = [talk.question]

            async def turn(issuer: Issuer) -> int:
                """The next turn, served by this one; returns how often it was asked for that."""
                before = len(issuer.bodies)
                headers = {"X-Session-ID": "conversation-1"}
                body = talk.request(said, stream)
                answer = await client.post(f"{router.url}{talk.path(stream)}", json=body, headers=headers)
                assert (answer.status_code, answer.headers.get("x-endpoint")) == (200, "a" if issuer is a else "b"), (
                    answer.text
                )
                said.extend(talk.after(issuer.said))
                return len(issuer.bodies) - before

            assert await turn(a) == 1
            a.down = 529
            assert await turn(b) == 2
            assert await turn(b) == 1
            assert await turn(b) == 1
            a.down, b.down = None, 529
            assert await turn(a) == 2
            assert await turn(a) == 1
            undamaged(router)


async def test_own_thoughts_stay_and_thinking_goes_on_after_the_move(tmp_path):
    talk = TALKS[Dialect.ANTHROPIC]
    async with AnthropicIssuer() as a, AnthropicIssuer() as b, http_client() as client:
        entries = {name: provider(each.base_url, MODEL, dialect="anthropic") for name, each in (("a", a), ("b", b))}
        async with running(tmp_path, entries) as router:
            said: list[Any] = [talk.question]
            for issuer in (a, b, b):
                a.down = 529 if issuer is b else None
                await client.post(f"{router.url}/v1/messages", json=talk.request(said, False))
                said.extend(talk.after(issuer.said))
    last = b.bodies[-1]
    assert last["thinking"] == THINKING
    thoughts = [block for message in last["messages"] for block in message["content"] if isinstance(block, dict)]
    assert [block["thinking"] for block in thoughts if block["type"] == "thinking"] == [
        said[3]["content"][0]["thinking"]
    ]


async def test_what_all_refuse_comes_back_as_the_first_one_said_it(tmp_path):
    forged = [{"type": "thinking", "thinking": "x", "signature": "forged"}, {"type": "text", "text": "t"}]
    said = [
        TALKS[Dialect.ANTHROPIC].question,
        {"role": "assistant", "content": forged},
        {"role": "user", "content": "hi"},
    ]

    class Stubborn(AnthropicIssuer):
        def verify(self, document, request):
            super().verify({**document, "messages": said}, request)

    async with Stubborn() as a, Stubborn() as b, http_client() as client:
        entries = {name: provider(each.base_url, MODEL, dialect="anthropic") for name, each in (("a", a), ("b", b))}
        async with running(tmp_path, entries) as router:
            body = TALKS[Dialect.ANTHROPIC].request(said, False)
            answer = await client.post(f"{router.url}/v1/messages", json=body)
            assert answer.status_code == 400
            assert answer.json() == a.error("messages.1.content.0: Invalid `signature` in `thinking` block", None)
            assert answer.headers["x-endpoint"] == "a"
            assert (len(a.bodies), len(b.bodies)) == (2, 2)
            undamaged(router)


THOUGHT_ELSEWHERE = {
    "id": "c",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "reasoning_content": "hm",
                "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "get", "arguments": "{}"}}],
            },
            "finish_reason": "tool_calls",
        }
    ],
}


async def test_a_thought_from_another_dialect_is_not_sent_at_all(tmp_path):
    talk = TALKS[Dialect.ANTHROPIC]
    script = behaviours.exact([json.dumps(THOUGHT_ELSEWHERE).encode()], content_type="application/json")
    async with Provider(script) as a, AnthropicIssuer() as b, http_client() as client:
        entries = {"a": provider(a.base_url, MODEL), "b": provider(b.base_url, MODEL, dialect="anthropic")}
        async with running(tmp_path, entries) as router:

            async def ask(name: str, said: list[Any]) -> httpx.Response:
                body = {**talk.request(said, False), "model": f"{name}/{MODEL}"}
                return await client.post(f"{router.url}/v1/messages", json=body)

            thought = (await ask("a", [talk.question])).json()["content"]
            assert [block["type"] for block in thought] == ["thinking", "tool_use"]
            again = await ask("b", [talk.question, *talk.after(thought)])
            assert (again.status_code, len(b.bodies)) == (200, 1), again.text


class Answers:
    """A client of Responses that refers to earlier answers by their ids."""

    def __init__(self, router: Router, client: httpx.AsyncClient) -> None:
        self._url, self._client = f"{router.url}/v1/responses", client

    async def ask(self, earlier: str | None = None, **more: Any) -> httpx.Response:
        body = {"model": MODEL, "input": "hi", **({"previous_response_id": earlier} if earlier else {}), **more}
        return await self._client.post(self._url, json=body)


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_an_earlier_answer_is_asked_of_its_own_account(stream, tmp_path):
    async with ResponsesIssuer() as a, ResponsesIssuer() as b, http_client() as client:
        keys = ["account-one", "account-two", "account-three"]
        entries = {
            "a": provider(a.base_url, MODEL, dialect="openai-responses", keys=keys),
            "b": provider(b.base_url, MODEL, dialect="openai-responses"),
        }
        async with running(tmp_path, entries) as router:
            answers = Answers(router, client)
            issued: list[tuple[str, str]] = []
            for n in range(6):
                assert (await answers.ask(input=f"question {n}", stream=stream)).status_code == 200
                issued.append((f"resp_{a.said[-1]['call_id']}", a.accounts[-1]))
            assert {account for _, account in issued} == {"one", "two", "three"}
            for answer_id, account in [*reversed(issued), *issued]:
                answer = await answers.ask(answer_id, stream=stream, prompt_cache_key="whatever the session is")
                assert (answer.status_code, a.accounts[-1]) == (200, account), answer.text
            assert (len(a.bodies), b.bodies) == (18, [])


async def test_the_holder_that_fails_says_so_itself(tmp_path):
    async with ResponsesIssuer() as a, ResponsesIssuer() as b, http_client() as client:
        entries = {
            "a": provider(a.base_url, MODEL, dialect="openai-responses", keys=["account-one", "account-two"]),
            "b": provider(b.base_url, MODEL, dialect="openai-responses"),
        }
        async with running(tmp_path, entries) as router:
            answers = Answers(router, client)
            first = (await answers.ask()).json()["id"]
            a.down = 503
            for _ in range(2):
                failed = await answers.ask(first)
                assert (failed.status_code, failed.json()) == (503, a.error("Overloaded", None))
            assert (len(a.bodies), len(b.bodies)) == (3, 0)
            assert (await answers.ask()).headers["x-endpoint"] == "b"
            a.down = None
            again = await answers.ask(first)
            assert (again.status_code, again.headers["x-endpoint"]) == (200, "a")


async def test_an_unknown_answer_is_asked_of_all_and_costs_nothing(tmp_path):
    async with ResponsesIssuer() as a, ResponsesIssuer() as b, http_client() as client:
        entries = {
            "a": provider(a.base_url, MODEL, dialect="openai-responses", keys=["account-one", "account-two"]),
            "b": provider(b.base_url, MODEL, dialect="openai-responses"),
        }
        async with running(tmp_path, entries) as router:
            unknown = await Answers(router, client).ask("resp_0")
            assert (unknown.status_code, unknown.json()["error"]["code"]) == (400, "previous_response_not_found")
            assert (len(a.bodies), len(b.bodies)) == (2, 1)
            b.stored[""] = {"resp_1"}
            found = await Answers(router, client).ask("resp_1")
            assert (found.status_code, found.headers["x-endpoint"]) == (200, "b")
            await Answers(router, client).ask("resp_1")
            assert (len(a.bodies), len(b.bodies)) == (4, 3)
            undamaged(router)
