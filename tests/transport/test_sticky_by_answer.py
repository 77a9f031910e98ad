"""A Responses client that refers to its last answer instead of sending it again stays where it was."""

import httpx

from pointsman.demo import Provider, behaviours
from support.http_requests import http_client
from support.router import running
from support.settings import provider


async def test_the_next_request_refers_to_the_answer_by_its_id(tmp_path):
    async with Provider(behaviours.answer("one")) as one, Provider(behaviours.answer("two")) as two:
        providers = {
            "one": provider(one.base_url, dialect="openai-responses"),
            "two": provider(two.base_url, dialect="openai-responses"),
        }
        async with running(tmp_path, providers) as router, http_client() as client:

            async def ask(**members) -> httpx.Response:
                return await client.post(f"{router.base_url}/responses", json={"model": "m", **members})

            first = await ask(input="hello there")
            assert first.headers["x-sticky-session"] == "miss"
            second = await ask(input="and now?", previous_response_id=first.json()["id"])
            assert second.headers["x-sticky-session"] == "hit"
            assert second.headers["x-sticky-key-source"] == "session_body"
            other = await ask(input="and now?", previous_response_id="resp_of_somebody_else")
            assert other.headers["x-sticky-session"] == "miss"
