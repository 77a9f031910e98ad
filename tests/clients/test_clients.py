"""The owner of clients: who may begin a request, and what a reload changes."""

import pytest

from clients.client_builders import ClientHarness, priced, whole
from pointsman.clients.budgets import ExpectedTokens
from pointsman.wire.errors import Code, Problem

DAY = 86_400.0


def harness(**client: object) -> ClientHarness:
    return ClientHarness({"a": priced("a", 1)}, client=client)


def begin(ci: ClientHarness, name: str = "ci") -> None:
    ci.clients.begin(name, ExpectedTokens(1, 9), ci.now, ci.now)


def test_a_client_that_was_removed_begins_nothing() -> None:
    ci = harness()
    with pytest.raises(Problem) as refused:
        begin(ci, "gone")
    assert refused.value.code is Code.INVALID_API_KEY


def test_a_client_that_was_disabled_since_its_request_came_begins_nothing() -> None:
    ci = harness()
    ci.reload({"disabled": True})
    with pytest.raises(Problem) as refused:
        begin(ci)
    assert refused.value.code is Code.FORBIDDEN


@pytest.mark.parametrize("unknown_model", ["auto", "map"])
def test_an_unknown_name_that_is_allowed_does_not_lead_to_every_model(unknown_model: str) -> None:
    providers = {"dear": priced("dear", 9, "m"), "free": priced("free", 0, "gpt-free")}
    ci = ClientHarness(providers, client={"models": ["gpt-f*"]}, routing={"unknown_model": unknown_model})
    asked = ci.ask(model="gpt-foo")
    asked.answers(1, 500)
    assert asked.launched == ["free"]
    ci.reload({"models": ["gpt-foo"]})
    with pytest.raises(Problem) as refused:
        ci.ask(model="gpt-foo")
    assert refused.value.code is Code.MODEL_NOT_ALLOWED


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


def test_a_request_above_the_whole_limit_is_served_after_an_empty_minute_and_is_told_so() -> None:
    ci = harness(limits={"tpm": 10})
    begin(ci)
    large = ExpectedTokens(5, 20)
    with pytest.raises(Problem, match=r"counts as 25 tokens \(20 of them .* raise clients\.ci\.limits\.tpm") as refused:
        ci.clients.begin("ci", large, ci.now, ci.now)
    assert 0 < (refused.value.retry_after or 0) <= 62
    ci.now += refused.value.retry_after or 0
    ci.clients.begin("ci", large, ci.now, ci.now)


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
