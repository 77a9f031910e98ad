"""`log.format: json` as whatever collects logs sees it: everything that the process prints is one object a line."""

import json
import signal
from pathlib import Path
from typing import Any

from pointsman.demo import Provider, behaviours
from support.http_requests import ask, get, http_client
from support.process import pointsman
from support.settings import provider, write

SECRET = 'sk-a"secret\\0123456789'
"""Spelled in another way in JSON."""


async def test_each_line_is_one_object_and_each_request_one_line(tmp_path: Path) -> None:
    async with Provider(behaviours.answer("hello")) as one:
        entry = provider(one.base_url, keys=[SECRET], prices={"m": {"input": 1, "output": 2}})
        write(tmp_path, {"one": entry}, log={"format": "json"}, server={"client_key": "a-client-key-0123"})
        (tmp_path / "pointsman.yaml").chmod(0o644)  # there is a warning of that
        async with pointsman("dump", "-p", "0", folder=tmp_path) as router:
            base_url = await router.base_url()
            url, key = base_url.removesuffix("/v1"), {"authorization": "Bearer a-client-key-0123"}
            for _ in range(3):
                assert (await get(f"{url}/internal/health")).status == 200
            answer = await ask(base_url, headers=key)
            assert (await ask(base_url, headers=key | {"x-request-id": SECRET}, model=f"not-{SECRET}")).status == 404
            assert (await ask(base_url)).status == 401
            async with http_client(proxy=url) as client:
                passed = await client.get(f"{one.base_url}/elsewhere?key=private")
            router.tell(signal.SIGTERM)
            await router.ends_cleanly()
        lines: list[dict[str, Any]] = [json.loads(line) for line in router.lines]
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    assert any("chmod 600" in line["message"] for line in lines)
    assert SECRET not in router.text
    assert json.dumps(SECRET)[1:-1] not in router.text
    by_status = {line["status"]: line for line in lines if "request_id" in line}
    assert len([line for line in lines if "request_id" in line]) == 3
    good = by_status[200]
    assert good["request_id"] == answer.headers["x-request-id"]
    assert (good["dialect"], good["model"]) == ("openai-chat", "m")
    assert "client" in good
    assert (good["provider"], good["target"], good["outcome"], good["attempts"]) == (
        "one",
        "one/m",
        "request_success",
        1,
    )
    assert good["session"]
    assert good["usage"]["output"] > 0
    assert float(good["cost_usd"]) > 0
    assert good["duration_ms"] > 0
    assert (by_status[404]["reason"], by_status[404]["outcome"]) == ("model_not_found", "refused")
    assert by_status[401]["reason"] == "invalid_api_key"
    [flow] = [line for line in lines if "url" in line]
    assert (flow["url"].endswith("/elsewhere"), flow["status"]) == (True, passed.status_code)
    connects = [line for line in lines if line["message"] == "client connect"]
    assert len(connects) == 4  # of chats and of what passed through, not of who read own pages
