"""What Claude Code and Codex really send, through the router to providers of their dialect."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from pointsman.config.enums import Dialect
from pointsman.demo import Provider, ReceivedRequest, behaviours
from support.dialects import AUTH, PROVIDER_KEY, credentials_of
from support.http_requests import http_client
from support.router import Router, running
from support.settings import provider

CAPTURES = Path(__file__).parent.parent / "captures"


@dataclass(frozen=True)
class RealClient:
    name: str
    dialect: Dialect
    secret: str
    kept: tuple[str, ...]
    """Headers that a provider has to see, besides the SDK's own."""

    def turn(self, n: int) -> dict[str, Any]:
        """The request of that turn."""
        captured: dict[str, Any] = json.loads((CAPTURES / f"{self.name}_turn{n}.json").read_text())
        return captured


REAL_CLIENTS = (
    RealClient(
        "claude_code",
        Dialect.ANTHROPIC,
        "sk-ant-fake",
        ("anthropic-beta", "anthropic-version", "anthropic-dangerous-direct-browser-access", "user-agent"),
    ),
    RealClient("codex", Dialect.OPENAI_RESPONSES, "sk-fake", ("accept", "content-type", "user-agent")),
)
OURS = {"x-claude-code-session-id", "session-id", "thread-id", "cookie", "origin"}


async def replayed(router: Router, turn: Mapping[str, Any]) -> httpx.Response:
    headers = [(name, value) for name, value in turn["headers"] if name.lower() != "host"]
    async with http_client() as client:
        return await client.post(router.url + turn["path"], content=json.dumps(turn["body"]), headers=headers)


def assert_only_allowed_headers(seen: ReceivedRequest, turn: Mapping[str, Any], client: RealClient) -> None:
    given = {name.lower(): value for name, value in turn["headers"]}
    got = {name.lower(): value for name, value in seen.headers}
    kept = {*client.kept, *(name for name in given if name.startswith("x-stainless-"))}
    assert {name: got.get(name) for name in kept} == {name: given[name] for name in kept}
    assert not OURS & got.keys()
    assert credentials_of(seen.headers) == [AUTH[client.dialect]]
    assert client.secret not in str(seen.headers)


@pytest.mark.parametrize("client", REAL_CLIENTS, ids=lambda client: client.name)
async def test_only_the_model_changes_and_two_turns_are_one_session(tmp_path: Path, client: RealClient) -> None:
    turns = [client.turn(n) for n in (1, 2)]
    aliases = {turn["body"]["model"]: "p/real" for turn in turns}
    async with Provider(behaviours.answer("left")) as one:
        entries = {"p": provider(one.base_url, "real", dialect=client.dialect, keys=[PROVIDER_KEY])}
        async with running(tmp_path, entries, routing={"aliases": aliases}) as router:
            first, second = [await replayed(router, turn) for turn in turns]
    for turn, seen in zip(turns, one.seen, strict=True):
        name = b'"model": ' + json.dumps(turn["body"]["model"]).encode()
        assert seen.body == json.dumps(turn["body"]).encode().replace(name, b'"model": "real"', 1)
        assert seen.path == turn["path"]
        assert_only_allowed_headers(seen, turn, client)
    assert b"left" in first.content
    assert b"left" in second.content
    assert first.headers["x-session-id"] == second.headers["x-session-id"]
    assert (first.headers["x-sticky-session"], second.headers["x-sticky-session"]) == ("miss", "hit")
