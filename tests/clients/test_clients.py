"""The owner of clients: who may begin a request, and what a reload changes."""

import pytest

from clients.client_builders import ClientHarness, priced, whole
from pointsman.wire.errors import Code, Problem
from pointsman.wire.frames import Usage

DAY = 86_400.0


def harness(**client: object) -> ClientHarness:
    return ClientHarness({"a": priced("a", 1)}, client=client)


def begin(ci: ClientHarness, name: str = "ci") -> None:
    ci.clients.begin(name, Usage(1, 9), ci.now, ci.now)


def test_a_client_that_was_removed_begins_nothing() -> None:
    ci = harness()
    with pytest.raises(Problem) as refused:
        begin(ci, "gone")
    assert refused.value.code is Code.INVALID_API_KEY


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"rpm": 1}, r"requests a minute \(1\)"),
        ({"tpm": 10}, r"tokens a minute \(10\)"),
        ({"concurrency": 1}, r"requests at once \(1\)"),
    ],
)
def test_the_limit_that_is_reached_is_named(limits: dict[str, int], said: str) -> None:
    ci = harness(limits=limits)
    begin(ci)
    with pytest.raises(Problem, match=said) as refused:
        begin(ci)
    assert (refused.value.status, refused.value.code) == (429, Code.RATE_LIMITED)
    assert (refused.value.retry_after or 0) > 0
    assert ci.told()["requests"] == 1


def test_the_report_follows_a_reload_and_the_days() -> None:
    ci = harness(budgets=[{"usd": 1, "per": "day"}])
    ci.ask().answers(1, 200, whole(100, 900))
    ci.reload({"budgets": [{"usd": "0.0005", "per": "day"}, {"tokens": 1000, "per": "month"}], "limits": {"rpm": 7}})
    told = ci.told()
    assert [(each["spent"], each["left"]) for each in told["budgets"]] == [("0.001", "-0.0005"), (0, 1000)]
    assert told["limits"] == {"rpm": 7, "tpm": None, "concurrency": None}
    ci.now += DAY
    told = ci.told()
    assert (told["budgets"][0]["left"], told["cost_usd"], told["requests"]) == ("0.0005", "0.001", 1)
