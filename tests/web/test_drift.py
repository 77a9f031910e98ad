"""As users see it: a provider that writes worse tool calls than another one of its model, and a quota that ends."""

import asyncio
import json
from pathlib import Path

import pytest

from pointsman import cli
from pointsman.demo import Provider, behaviours
from support.admin import ADMIN, CLIENT, SERVER, bearer, call
from support.http_requests import QUESTION, http_client
from support.router import running
from support.settings import provider

TOOLS = [{"type": "function", "function": {"name": "read", "parameters": {"type": "object"}}}]
CUT = {"index": 0, "id": "call-1", "type": "function", "function": {"name": "read", "arguments": '{"path": "a'}}


def chunk(delta: object, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return f"data: {json.dumps({'id': 'c', 'object': 'chat.completion.chunk', 'choices': [choice]})}\n\n".encode()


MALFORMED = behaviours.exact([chunk({"tool_calls": [CUT]}), chunk({}, "tool_calls"), b"data: [DONE]\n\n"])


async def test_drift_and_quotas_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POINTSMAN_SERVER__ADMIN_KEY", ADMIN)
    good = behaviours.answer("", tool_call=("read", {"path": "a"}))
    async with Provider(good) as usual, Provider(MALFORMED) as twin:
        limited = {"models": [{"id": "m", "limits": {"rpd": 200}}]}
        entries = {
            "usual": provider(usual.base_url),
            "twin": provider(twin.base_url, keys=["sk-twin-0001"]) | limited,
        }
        async with running(tmp_path, entries, server=SERVER) as router:
            async with http_client(headers=bearer(CLIENT)) as client:
                for n in range(60):
                    model = ("usual/m", "twin/m")[n % 2]
                    body = {"model": model, "messages": QUESTION, "tools": TOOLS, "stream": True}
                    answer = await client.post(f"{router.base_url}/chat/completions", json=body)
                    assert answer.status_code == 200
                endpoints = (await client.get(f"{router.url}/internal/status/endpoints")).json()["endpoints"]
            by_name = {each["name"]: each for each in endpoints}
            [keys] = (await call(router.url, "GET", "keys")).json()["keys"]
            assert await asyncio.to_thread(cli.main, ["status", "--router", router.url]) == 0
            asked = tmp_path / "request.json"
            asked.write_text(json.dumps({"model": "m", "messages": QUESTION}))
            assert await asyncio.to_thread(cli.main, ["explain", str(asked), "--router", router.url]) == 0
    [found] = [each for each in by_name["twin"]["drift"] if each["signal"] == "malformed_calls"]
    assert (found["model"], found["against"], found["direction"]) == ("m", "elsewhere", "higher")
    assert (found["figure"], found["reference"]) == (1.0, 0.0)
    [quota] = by_name["twin"]["quotas"]
    assert (quota["window"], quota["used"], quota["limit"]) == ("rpd", 30, 200)
    assert quota["used_up_at"] > found["since"]
    assert [each["used"] for each in keys["quotas"]] == [30]
    assert by_name["usual"]["quotas"] == []
    shown = " ".join(capsys.readouterr().out.split())
    assert "twin/m has drifted: malformed_calls higher than elsewhere, 100.0% against 0.0%" in shown
    assert "twin/m: malformed_calls higher than elsewhere, 1 against 0" in shown
    assert "key key-1 of twin for m: 30 of 200 rpd used, at this pace (" in shown
