"""Requests that run at once: configured limits of a model and of a key, and limits that a refusal has shown."""

from pointsman.domain.failures import Failure
from pointsman.domain.records import Outcome
from pointsman.domain.targets import Candidate
from pointsman.routing.concurrency import LEARNT_LIFETIME, Concurrency
from pointsman.routing.router import Router
from pointsman.wire.errors import Code
from routing.routing_builders import candidate_of, status
from routing.session_driver import DrivenExchange, SessionDriver
from support.audit_records import attempt_record
from support.clients_in_core import SECRET
from support.settings import provider, settings

NOW = 1000.0
KEYS = ["sk-first-secret", "sk-second-secret"]


def configured_limits(**limits: object) -> SessionDriver:
    """a has two models and one key; `limits` are the provider's or, as `model`, those of m."""
    of_model = limits.pop("model", {})
    models = [{"id": "m", "limits": of_model}, {"id": "n"}]
    return SessionDriver({"a": provider("https://a.test/v1", keys=KEYS[:1]) | {"models": models, "limits": limits}})


def refuse(own: DrivenExchange) -> None:
    """The attempt in flight is refused for there being too many at once."""
    candidate, fault = own.running.pop(own.n), status(429, message="Too many concurrent requests")
    record = attempt_record(n=own.n, outcome=Outcome.RETRY_FAILED, failure=Failure.CONCURRENCY, first_content_ms=None)
    own.plan.on_settled(candidate, record, fault, own.talks.now)


def test_a_limit_of_a_model_leaves_other_models_alone() -> None:
    talks = configured_limits(model={"concurrency": 1})
    first = talks.ask("1")
    assert first.launch() == "a/m#key-1"
    second = talks.ask("2")
    assert second.launch() is None
    problem = second.plan.final_error(NOW, NOW)
    assert (problem.code, problem.retry_after) == (Code.RATE_LIMITED, 2.0)
    assert talks.ask("3", "n").launch() == "a/n#key-1"
    first.settle()
    assert talks.ask("4").launch() == "a/m#key-1"


def test_a_limit_of_a_provider_counts_all_models_of_a_key() -> None:
    talks = configured_limits(concurrency=2)
    assert [talks.ask(name, model).launch() for name, model in (("1", "m"), ("2", "n"), ("3", "m"), ("4", "n"))] == [
        "a/m#key-1", "a/n#key-1", None, None,
    ]  # fmt: skip


def test_a_total_limit_of_a_provider_counts_all_its_keys() -> None:
    own = {"models": [{"id": "m"}, {"id": "n"}], "limits": {"total_concurrency": 3, "concurrency": 2}}
    talks = SessionDriver({"a": provider("https://a.test/v1", keys=KEYS) | own})
    asked = [talks.ask(str(n), "mn"[n % 2]) for n in range(5)]
    launched = [each.launch() for each in asked]
    assert launched[3:] == [None, None]
    assert sorted({str(name).partition("#")[2] for name in launched[:3]}) == ["key-1", "key-2"]
    problem = asked[3].plan.final_error(NOW, NOW)
    assert (problem.code, problem.retry_after) == (Code.RATE_LIMITED, 2.0)
    asked[0].settle()
    assert talks.ask("again").launch() is not None
    assert talks.ask("and again").launch() is None


def test_an_exchange_that_is_discarded_makes_room() -> None:
    talks = configured_limits(concurrency=1)
    own = talks.ask("1")
    own.launch()
    own.plan.discard()
    assert talks.ask("2").launch() == "a/m#key-1"


def test_a_refusal_sets_how_many_may_run() -> None:
    talks = SessionDriver({name: provider(f"https://{name}.test/v1", keys=[f"sk-of-{name}"]) for name in "ab"})
    exchanges = [talks.ask(f"{n}", "a/m") for n in range(4)]
    assert all(each.launch() == "a/m#key-1" for each in exchanges)
    refuse(exchanges[3])
    talks.now += 3
    asked = [talks.ask(f"more {n}", "m") for n in range(20)]
    assert {each.launch() for each in asked} == {"b/m#key-1"}, "three are running"
    exchanges[0].settle()
    assert "concurrency" not in {each.detail for each in asked[1].plan.exclusions(talks.now)}
    assert talks.ask("again", "a/m").launch() == "a/m#key-1"
    assert "concurrency" in {each.detail for each in asked[1].plan.exclusions(talks.now)}
    talks.now += LEARNT_LIFETIME
    assert "concurrency" not in {each.detail for each in asked[1].plan.exclusions(talks.now)}, "it is forgotten"


def test_a_limit_from_a_refusal_yields_when_nothing_else_is_left() -> None:
    talks = configured_limits()
    exchanges = [talks.ask(str(n)) for n in range(2)]
    assert all(each.launch() for each in exchanges)
    refuse(exchanges[1])
    assert talks.ask("3").launch() is None, "it rests for two seconds"
    talks.now += 2
    own = talks.ask("4")
    assert [each.detail for each in own.plan.exclusions(talks.now)] == ["concurrency"]
    assert own.launch() == "a/m#key-1"


def test_one_alone_is_always_allowed() -> None:
    talks = configured_limits()
    own = talks.ask("1")
    own.launch()
    refuse(own)
    told = talks.router.cooldowns_to_dict(talks.now, talks.now)["keys"]
    assert [(row["reason"], row["model"], row["until"] - talks.now) for row in told] == [("concurrency", "m", 2.0)]
    assert talks.ask("2").launch() is None
    talks.now += 2
    own = talks.ask("3")
    assert own.launch() == "a/m#key-1"
    refuse(own)
    [row] = talks.router.cooldowns_to_dict(talks.now, talks.now)["keys"]
    assert row["until"] - talks.now == 2.0, "it does not double"


def test_nothing_is_kept_of_what_has_ended_or_is_gone() -> None:
    router = Router(settings({"a": provider(keys=KEYS)}), SECRET)
    own = Concurrency()
    candidates: list[Candidate] = [candidate_of(router, "a/m", key) for key in ("key-1", "key-2")]
    for candidate in candidates:
        own.begin(candidate)
        own.on_refused(candidate, NOW)
        assert own.seems_full(candidate, NOW)
        own.end(candidate)
    assert not own._of_pairs
    assert not own._of_keys
    assert not own._of_providers
    own.keep_only({candidates[0].pair_id})
    assert set(own._learnt) == {candidates[0].pair_id}
