"""The collector of garbage, which `cli` turns off for the imports, is on again however the addon starts."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.test import taddons

from pointsman.addon import Pointsman
from pointsman.gateway import Gateway
from support.router import running

PROVIDERS = {
    "p": {"dialect": "openai-chat", "base_url": "http://127.0.0.1:9/v1", "keys": ["sk-p"], "models": [{"id": "m"}]}
}


@pytest.fixture(autouse=True)
def _off() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


async def _fail(_: object) -> None:
    raise OSError("no")


async def test_without_a_configuration() -> None:
    with taddons.context(Proxyserver(), addon := Pointsman()):
        await addon.running()
    assert gc.isenabled()


async def test_with_a_step_that_fails_before_it_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pointsman, "_begin", _fail)
    with taddons.context(Proxyserver(), addon := Pointsman()), pytest.raises(OSError, match="no"):
        await addon.running()
    assert gc.isenabled()


async def test_with_a_step_that_fails_once_it_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Gateway, "restore_history", _fail)
    async with running(tmp_path, PROVIDERS):
        assert gc.isenabled()
