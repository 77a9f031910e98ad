"""The section `clients`: what is read, what is kept of a key, and what is refused."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from pointsman.config import BudgetPeriod, Settings
from pointsman.config.clients import hash_key

type Faults = Callable[..., dict[str, str]]
PROVIDERS = "providers: {local: {base_url: http://127.0.0.1:9/v1, models: [{id: m}]}}\n"
REQUIRED = "is required; write key: ${CI_KEY}"


def test_a_client_is_read_and_its_key_is_hashed(load_text: Callable[..., Settings]) -> None:
    settings = load_text(
        PROVIDERS
        + """
server: {client_key: shared}
clients:
  ci: {key: "Bearer ${CI}", models: ["local/*"], limits: {rpm: 2},
       budgets: [{usd: 0.000000001, per: day}, {tokens: 5, per: week, zone: Europe/Berlin}], on_exhausted: auto-fast}
  default: {limits: {concurrency: 1}}
""",
        CI="secret-of-ci",
    )
    ci, default = settings.clients["ci"], settings.clients["default"]
    assert (ci.key, default.key) == (hash_key("secret-of-ci"), hash_key("shared"))
    assert "secret-of-ci" not in repr(settings)
    assert [(each.usd, each.nano_dollars, each.tokens, each.per) for each in ci.budgets] == [
        (Decimal("1e-9"), 1, None, BudgetPeriod.DAY),
        (None, None, 5, BudgetPeriod.WEEK),
    ]
    assert str(ci.budgets[1].clock) == "Europe/Berlin"
    assert (ci.fallback, default.fallback, default.limits.concurrency) == ("auto-fast", None, 1)
    assert any(warning.startswith("clients.ci.key: white space, quotes") for warning in settings.warnings)


@pytest.mark.parametrize(("glob", "warns"), [("locl/*", True), ("local/*", False), ("auto-*", False), ("m", False)])
def test_a_glob_that_matches_nothing_is_a_warning(load_text: Callable[..., Settings], glob: str, warns: bool) -> None:
    settings = load_text(PROVIDERS + f'clients: {{ci: {{key: sk-1, models: ["{glob}"]}}}}')
    told = [each for each in settings.warnings if each.startswith("clients.ci.models[0]")]
    assert [("matches no model" in each) for each in told] == [True] * warns


def test_a_variable_sets_a_key(load_text: Callable[..., Settings]) -> None:
    settings = load_text(PROVIDERS + "clients: {ci: {key: old}}", POINTSMAN_CLIENTS__CI__KEY="new")
    assert settings.clients["ci"].key == hash_key("new")


@pytest.mark.parametrize(
    ("written", "place", "problem"),
    [
        ("ci:", "clients.ci.key", REQUIRED),
        ("ci: {key: }", "clients.ci.key", "has no value; set one or remove it"),
        ("ci: {key: ${NONE}}", "clients.ci.key", "refers to the environment variable NONE, which is not set"),
        ("ci: {key: [sk-1]}", "clients.ci.key", "must be text, got a list"),
        ("ci: {api_key: sk-1}", "clients.ci.api_key", "is not a known key; write key: ${CI_KEY}"),
        ("a b: {key: sk-1}", 'clients."a b"', "must consist of 1 to 64 letters"),
        ("{ci: {key: sk-1}, CI: {key: sk-2}}", "clients.CI", "differs from ci only in case; rename one"),
        ("{a: {key: sk-1}, b: {key: sk-1}}", "clients.b.key", "is the same key as clients.a.key; each client needs"),
        ("ci: {key: boss}", "clients.ci.key", "is the same key as server.admin_key; each client needs"),
        ("default: {key: sk-1}", "clients.default.key", "must not be written: default is the client of"),
        ("default: {}", "clients.default", "is the client of server.client_key, which is not set"),
        ("ci: {key: a, models: []}", "clients.ci.models", "must name at least one; absent, all are allowed"),
        ("ci: {key: a, models: auto}", "clients.ci.models", "must be a list, got text; write models: [auto-fast"),
        ("ci: {key: a, rpm: 5}", "clients.ci.rpm", "is not a known key; write limits: {rpm: 60}"),
        ("ci: {key: a, on_exhausted: refuze}", "clients.ci.on_exhausted", 'got "refuze" (did you mean "refuse"?)'),
        ("ci: {key: a, budgets: [{per: day}]}", "clients.ci.budgets[0]", "must have usd or tokens, one of the two"),
        ("ci: {key: a, budgets: [{usd: -1, per: day}]}", "clients.ci.budgets[0].usd", "must be dollars, a number from"),
        ("ci: {key: a, budgets: [{usd: 1, per: year}]}", "clients.ci.budgets[0].per", "must be one of day, week"),
        (
            "ci: {key: a, budgets: [{usd: 1, per: day, zone: Mars}]}",
            "clients.ci.budgets[0].zone",
            "must be a zone that this machine's time zone database has",
        ),
        (
            "ci: {key: a, budgets: [{usd: 1, per: day}, {usd: 2, per: day}]}",
            "clients.ci.budgets",
            "has two budgets of one kind, at [0] and [1]",
        ),
    ],
)
def test_a_fault_names_place_and_remedy(faults_in: Faults, written: str, place: str, problem: str) -> None:
    inner = written if written.startswith("{") else f"{{{written}}}" if written != "ci:" else "{ci: }"
    faults = faults_in(PROVIDERS + f"server: {{admin_key: boss}}\nclients: {inner}\n")
    assert problem in faults[place]
    assert "sk-1" not in str(faults)
