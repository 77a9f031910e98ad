"""A provider that answers 404 to every path, over real sockets."""

from pathlib import Path

import pytest

from pointsman.demo import Behaviour, Provider, behaviours
from support.http_requests import ask
from support.router import running
from support.settings import provider


async def notices(
    folder: Path, log: pytest.LogCaptureFixture, script: Behaviour, cut: str = ""
) -> tuple[str, list[str]]:
    """What is said of a base URL, without `cut` at its end, that was asked for two models."""
    async with Provider(script) as wrong, Provider(behaviours.answer("hello")) as good:
        base_url = wrong.base_url.removesuffix(cut)
        entries = {"wrong": provider(base_url, "m", "n"), "good": provider(good.base_url, "m", "n")}
        async with running(folder, entries) as router:
            for model in ("m", "n"):
                assert (await ask(router.base_url, model=model)).headers["x-routed-via"] == f"good/{model}"
        assert len(wrong.seen) == 2
    return base_url, [message for message in log.messages if "answers 404" in message]


@pytest.mark.parametrize("script", [behaviours.html(404), behaviours.status(404, "")], ids=["a page", "nothing"])
@pytest.mark.parametrize(("cut", "remedy"), [("/v1", "it probably lacks /v1"), ("", "correct it")])
async def test_it_is_named_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, script: Behaviour, cut: str, remedy: str
) -> None:
    base_url, told = await notices(tmp_path, caplog, script, cut)
    assert told == [f"Pointsman: provider wrong: base_url {base_url} answers 404 to every path; {remedy}"]


async def test_a_model_that_is_not_there_says_nothing_of_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert (await notices(tmp_path, caplog, behaviours.status(404)))[1] == []
