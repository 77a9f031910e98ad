"""The log's line for each exchange, which comes where mitmproxy is to say anything of flows."""

import logging
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from mitmproxy.addonmanager import Loader

from pointsman.demo import behaviours
from support.http_requests import ask, started
from support.leak_checks import no_leaks
from support.router import running
from support.settings import provider


class Dumper:
    """mitmdump's option, which mitmweb has not."""

    def __init__(self, detail: int) -> None:
        self._detail = detail

    def load(self, loader: Loader) -> None:
        loader.add_option("flow_detail", int, self._detail, "How much is told of flows.")


@pytest.mark.parametrize(("addons", "lines"), [([], 1), ([Dumper(1)], 1), ([Dumper(0)], 0)])
async def test_an_exchange_is_one_line_unless_lines_about_flows_are_off(
    addons: list[object], lines: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with AsyncExitStack() as stack:
        (one,) = await started(stack, behaviours.answer())
        entries = {"one": provider(one.base_url, "m")}
        router = await stack.enter_async_context(running(tmp_path, entries, addons=addons))
        with caplog.at_level(logging.INFO, logger="pointsman"):
            answer = await ask(router.base_url, stream=True)
            await no_leaks(router)
        name = answer.headers["x-request-id"]
        assert sum(record.getMessage().startswith(f"{name} m: ") for record in caplog.records) == lines
