"""What a fault is, and what it teaches its exchange, everyone, and its session."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from pointsman.config.enums import Dialect
from pointsman.domain.failures import FAILURE_POLICIES, Failure, classify
from pointsman.domain.records import Outcome
from pointsman.routing.plan import Plan
from pointsman.routing.router import Router
from pointsman.sessions.store import Pin
from pointsman.wire.errors import Fault, FaultKind
from routing.routing_builders import Providers, called, candidate_of, pin_on, request, status, wrapped
from support.audit_records import attempt_record
from support.clients_in_core import SECRET, caller
from support.settings import provider, settings

BOTH = pytest.mark.parametrize("made", [status, wrapped], ids=["by status", "wrapped"])
type Made = Callable[..., Fault]


def test_a_failure_is_named_like_its_word():
    assert [failure.name.lower() for failure in Failure] == [*Failure]


@BOTH
@pytest.mark.parametrize(
    ("number", "failure"),
    [
        (400, Failure.REQUEST),
        (422, Failure.REQUEST),
        (405, Failure.REFUSED),
        (418, Failure.REFUSED),
        (401, Failure.KEY_INVALID),
        (402, Failure.ACCOUNT),
        (403, Failure.FORBIDDEN),
        (451, Failure.FORBIDDEN),
        (404, Failure.NOT_FOUND),
        (410, Failure.NOT_FOUND),
        (413, Failure.REQUEST_TOO_LARGE),
        (429, Failure.RATE_LIMIT),
        (500, Failure.SERVER_ERROR),
        (502, Failure.SERVER_ERROR),
        (503, Failure.SERVER_ERROR),
        (504, Failure.SERVER_ERROR),
        (408, Failure.ODD_SERVER_ERROR),
        (425, Failure.ODD_SERVER_ERROR),
        (529, Failure.ODD_SERVER_ERROR),
        (301, Failure.ODD_SERVER_ERROR),
        (None, Failure.ODD_SERVER_ERROR),
    ],
)
def test_a_status_without_words_is_taken_at_its_word(made: Made, number: int | None, failure: Failure) -> None:
    assert classify(made(number)) is failure


@BOTH
@pytest.mark.parametrize(
    ("number", "said", "failure"),
    [
        (400, "This model's maximum context length is 8192 tokens", Failure.CONTEXT_TOO_LARGE),
        (500, "exceeds the context window", Failure.CONTEXT_TOO_LARGE),
        (400, "Invalid API key provided", Failure.KEY_INVALID),
        (403, "Your credential has expired", Failure.KEY_INVALID),
        (403, "not available in your country", Failure.REGION),
        (403, "not today", Failure.FORBIDDEN),
        (400, "The model does not exist", Failure.NOT_FOUND),
        (400, "Unsupported parameter: logit_bias", Failure.REFUSED),
        (429, "Rate limit reached: 100 requests per day", Failure.QUOTA),
        (429, "Rate limit reached: 10 requests per minute", Failure.RATE_LIMIT),
        (400, "Too many requests", Failure.RATE_LIMIT),
        (500, "The answer was truncated", Failure.TRUNCATED),
        (401, "The model does not exist", Failure.KEY_INVALID),
        (400, "messages[0] is odd", Failure.REQUEST),
    ],
)
def test_words_say_more_than_a_status_that_says_little(made: Made, number: int, said: str, failure: Failure) -> None:
    assert classify(made(number, message=said)) is failure
    assert classify(made(number, message=said.upper())) is failure


FOREIGN_WORDS = (
    "messages.1.content.0: Invalid `signature` in `thinking` block",
    "messages.3.content.0: Invalid `data` in `redacted_thinking` block",
    "messages.3.content.0.thinking.signature: Field required",
    "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`.",
    "messages.5.content.1: `thinking` or `redacted_thinking` blocks in the latest message cannot be modified.",
    "The encrypted content gAAAAABo could not be verified. Reason: Encrypted content organization_id did not match",
    "The encrypted content for item rs_1 could not be verified. Reason: it could not be decrypted or parsed.",
    "Thought signature is not valid",
    "Corrupted thought signature.",
    "Function call is missing a thought_signature in functionCall parts.",
)
UNKNOWN_WORDS = (
    "Previous response with id 'resp_1' not found.",
    "Item with id 'rs_1' not found. Items are not persisted when `store` is set to false.",
    "Conversation with id 'conv_1' not found.",
    "No such File object: file-abc",
    "File not found: file_011",
    "You do not have permission to access the File abc or it may not exist.",
    "CachedContent not found (or permission denied)",
    "Container 'cntr_1' has expired.",
)


@BOTH
@pytest.mark.parametrize("number", [400, 403, 404, 422])
@pytest.mark.parametrize(
    ("said", "failure"),
    [
        *((said, Failure.FOREIGN_STATE) for said in FOREIGN_WORDS),
        *((said, Failure.UNKNOWN_ID) for said in UNKNOWN_WORDS),
    ],
)
def test_what_another_account_holds_is_neither_the_models_fault_nor_the_keys(
    made: Made, number: int, said: str, failure: Failure
) -> None:
    assert classify(made(number, message=said)) is failure


@pytest.mark.parametrize(
    ("number", "said", "failure"),
    [
        (404, "The model `gpt-5` does not exist", Failure.NOT_FOUND),
        (404, "models/gemini-9 is not found for API version v1beta", Failure.NOT_FOUND),
        (403, "The request signature we calculated does not match", Failure.FORBIDDEN),
        (429, "Thought signature is not valid", Failure.RATE_LIMIT),
        (400, "Encrypted content is not supported with this model.", Failure.REFUSED),
        (400, "thinking.budget_tokens: must be at least 1024", Failure.REQUEST),
    ],
)
def test_what_sounds_alike_is_something_else(number: int, said: str, failure: Failure) -> None:
    assert classify(status(number, message=said)) is failure


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        ("invalid_encrypted_content", Failure.FOREIGN_STATE),
        ("previous_response_not_found", Failure.UNKNOWN_ID),
    ],
)
def test_a_code_is_enough(code: str, failure: Failure) -> None:
    assert classify(status(400, code=code)) is failure
    assert classify(wrapped(502, code=code)) is failure


@BOTH
def test_the_word_for_an_error_counts_like_its_message(made: Made) -> None:
    assert classify(made(400, code="context_length_exceeded")) is Failure.CONTEXT_TOO_LARGE


@BOTH
def test_what_is_forbidden_for_a_while_is_a_limit(made: Made) -> None:
    assert classify(made(403, message="not now", retry_after=30.0)) is Failure.RATE_LIMIT
    assert classify(made(403, message="Your credential has expired", retry_after=30.0)) is Failure.KEY_INVALID
    assert classify(made(403, message="not now")) is Failure.FORBIDDEN


def test_a_page_of_text_is_not_read_as_an_error() -> None:
    page = "Our API key service and its rate limit: unsupported parameter"
    assert classify(status(400, message=page, structured=False)) is Failure.REQUEST


@pytest.mark.parametrize(
    ("kind", "failure"),
    [
        (FaultKind.REFUSED, Failure.CONNECT),
        (FaultKind.DNS, Failure.CONNECT),
        (FaultKind.TLS, Failure.CONNECT),
        (FaultKind.RESET, Failure.CONNECT),
        (FaultKind.CONNECT_TIMEOUT, Failure.CONNECT),
        (FaultKind.FIRST_BYTE_TIMEOUT, Failure.TIMEOUT),
        (FaultKind.ANSWER_TIMEOUT, Failure.TIMEOUT),
        (FaultKind.EMPTY, Failure.NO_ANSWER),
        (FaultKind.MALFORMED, Failure.NO_ANSWER),
        (FaultKind.UNUSABLE, Failure.UNUSABLE),
        (FaultKind.BROKEN, Failure.NO_ANSWER),
        (FaultKind.INCONVERTIBLE, Failure.OURS),
        (FaultKind.INTERNAL, Failure.OURS),
    ],
)
@pytest.mark.parametrize("number", [None, 400, 429, 504])
def test_any_other_fault_is_what_it_is_even_with_a_status_beside_it(
    kind: FaultKind, failure: Failure, number: int | None
) -> None:
    assert classify(Fault(kind, status=number)) is failure


@pytest.mark.parametrize("kind", FaultKind)
def test_every_kind_of_fault_has_a_row_before_and_after_commit(kind: FaultKind) -> None:
    assert classify(Fault(kind)) in FAILURE_POLICIES
    assert classify(Fault(kind), committed=True) is (Failure.OURS if kind is FaultKind.INTERNAL else Failure.BROKEN)


@pytest.mark.parametrize(
    ("fault", "failure"),
    [
        (Fault(FaultKind.STALLED, "no data for 60 s"), Failure.BROKEN),
        (Fault(FaultKind.BROKEN, "rate limit reached", 429), Failure.BROKEN),
        (Fault(FaultKind.BROKEN, "context length exceeded"), Failure.BROKEN),
        (Fault(FaultKind.BROKEN, "the answer was truncated"), Failure.BROKEN),
    ],
)
def test_after_commit_it_is_a_break_whatever_it_says(fault: Fault, failure: Failure) -> None:
    assert classify(fault, committed=True) is failure


# The table, row by row. Provider a has two keys and two models, provider b one of each; the session is pinned to a/m.

NOW = 1000.0
WALL = 1_700_000_000.0
TO_MIDNIGHT = 6400.0
"""Seconds from `WALL` to the next midnight in UTC."""
HOUSE = {
    "a": provider("https://a.test/v1", "m", "n", keys=["first-secret", "second-secret"]),
    "b": provider("https://b.test/v1", keys=["third-secret"]),
}
FIRST, SECOND, OTHER = "a/m#key-1", "a/m#key-2", "b/m#key-1"

type Cooled = tuple[str, str | None, str, float]
"""A provider, its model or key, the reason, and for how many seconds."""


@dataclass(frozen=True)
class Row:
    """`faults` come one after the other, each of the next candidate. What is not said here must not change."""

    faults: Sequence[Fault]
    here: Sequence[str]
    """Who is still in, in order, for the exchange that suffered them."""
    targets: Sequence[Cooled] = ()
    keys: Sequence[Cooled] = ()
    invalid: Sequence[str] = ()
    counts: bool = False
    committed: bool = False
    keeps_pin: bool = True


def cooled(*reasons: str, seconds: float = 15.0) -> list[Cooled]:
    return [("a", "m", reason, seconds) for reason in reasons]


def connection(kind: FaultKind) -> Row:
    return Row([Fault(kind)], [OTHER], targets=cooled(kind.value), counts=True)


def broken(fault: Fault) -> Row:
    return Row([fault], [OTHER], cooled("stream_broken"), counts=True, committed=True, keeps_pin=False)


ROWS: dict[str, Row] = {
    **{kind.value: connection(kind) for kind in (FaultKind.REFUSED, FaultKind.RESET, FaultKind.TLS, FaultKind.DNS)},
    "connect timeout": connection(FaultKind.CONNECT_TIMEOUT),
    **{f"{n} of one key": Row([status(n)], [SECOND, OTHER], counts=True) for n in (500, 502, 503, 504)},
    "503 of every key": Row([status(503)] * 2, [OTHER], targets=cooled("503"), counts=True),
    "500, then 503 of the last key": Row([status(500), status(503)], [OTHER], targets=cooled("503"), counts=True),
    "503 of every key, which names a time": Row(
        [status(503, retry_after=40.0)] * 2, [OTHER], targets=cooled("503", seconds=40.0), counts=True
    ),
    **{f"{n} of one key": Row([status(n)], [SECOND, OTHER]) for n in (529, 507, 408, 409, 425)},
    **{f"{n} of every key": Row([status(n)] * 2, [OTHER], targets=cooled(str(n))) for n in (529, 408, 409, 425)},
    "first byte timeout": Row(
        [Fault(FaultKind.FIRST_BYTE_TIMEOUT, status=504)], [OTHER], targets=cooled("first_byte_timeout"), counts=True
    ),
    "answer timeout": Row(
        [Fault(FaultKind.ANSWER_TIMEOUT, status=504)], [OTHER], targets=cooled("answer_timeout"), counts=True
    ),
    "empty answer": Row([Fault(FaultKind.EMPTY)], [OTHER], targets=cooled("empty")),
    "malformed stream": Row([Fault(FaultKind.MALFORMED)], [OTHER], targets=cooled("malformed")),
    "an answer that ends before its content": Row([Fault(FaultKind.BROKEN)], [OTHER], targets=cooled("stream_broken")),
    "429": Row([status(429)], [SECOND, OTHER], keys=[("a", "key-1", "rate_limit", 90.0)]),
    "429 that names a time": Row(
        [status(429, retry_after=7.0)], [SECOND, OTHER], keys=[("a", "key-1", "rate_limit", 7.0)]
    ),
    "429 of every key": Row(
        [status(429), status(429, retry_after=2.0)],
        [OTHER],
        keys=[("a", "key-1", "rate_limit", 90.0), ("a", "key-2", "rate_limit", 2.0)],
    ),
    "quota wording": Row(
        [status(400, message="Quota exceeded for this project")],
        [SECOND, OTHER],
        keys=[("a", "key-1", "rate_limit", 90.0)],
    ),
    "429, then 503 of the last usable key": Row(
        [status(429), status(503)],
        [OTHER],
        targets=cooled("503"),
        keys=[("a", "key-1", "rate_limit", 90.0)],
        counts=True,
    ),
    "401": Row([status(401)], [SECOND, OTHER], keys=[("a", "key-1", "key_invalid", 300.0)], invalid=["key-1"]),
    "403 with auth wording": Row(
        [status(403, message="This credential is not valid")],
        [SECOND, OTHER],
        keys=[("a", "key-1", "key_invalid", 300.0)],
        invalid=["key-1"],
    ),
    "403 of moderation": Row([status(403, message="Your input was flagged")], [OTHER]),
    "403 of a block page": Row([status(403, message="Bad API key? Sorry, you are blocked", structured=False)], [OTHER]),
    "402": Row([status(402)], [SECOND, OTHER], keys=[("a", "key-1", "account", 3600.0)]),
    "402 that names a time": Row(
        [status(402, retry_after=60.0)], [SECOND, OTHER], keys=[("a", "key-1", "account", 60.0)]
    ),
    "daily quota": Row(
        [status(429, message="Rate limit reached: 50 requests per day")],
        [SECOND, OTHER],
        keys=[("a", "key-1", "quota", TO_MIDNIGHT)],
    ),
    "402 for fewer tokens": Row(
        [status(402, message="This request requires more credits, or fewer max_tokens.")], [SECOND, OTHER]
    ),
    "concurrency": Row([status(429, code="1302")], [SECOND, OTHER], keys=[("a", "key-1", "concurrency", 2.0)]),
    "a daily quota of the account": Row(
        [status(429, message="Your account has reached its daily limit")],
        [SECOND, OTHER],
        keys=[("a", "key-1", "quota", TO_MIDNIGHT)],
    ),
    "no access": Row(
        [status(403, message="You do not have access to this model")],
        [SECOND, OTHER],
        keys=[("a", "key-1", "no_access", 3600.0)],
    ),
    "region": Row(
        [status(400, message="User location is not supported for the API use.")],
        [OTHER],
        keys=[("a", "key-1", "region", 3600.0)],
    ),
    **{str(n): Row([status(n)], [OTHER]) for n in (404, 410)},
    "gone by wording": Row(
        [status(400, message="The model `m` does not exist", model="m")],
        [OTHER],
        targets=cooled("model_gone", seconds=300.0),
    ),
    "413": Row([status(413)], [OTHER]),
    "a policy": Row([status(400, code="content_policy_violation")], [OTHER]),
    "foreign state": Row([status(400, code="invalid_encrypted_content")], [SECOND, OTHER]),
    "the request": Row([status(400)], [OTHER]),
    "context wording": Row([status(400, code="context_length_exceeded")], [OTHER]),
    "unsupported parameter": Row([status(400, message="Unsupported parameter: 'logprobs'")], [OTHER]),
    "a wrapped 429": Row([wrapped(429)], [SECOND, OTHER], keys=[("a", "key-1", "rate_limit", 90.0)]),
    "a wrapped error that says nothing": Row([wrapped(502)], [SECOND, OTHER], counts=True),
    "a wrapped error by its wording": Row(
        [wrapped(502, message="No endpoints found for m", model="m")],
        [OTHER],
        targets=cooled("model_gone", seconds=300.0),
    ),
    "a foreign signature": Row(
        [status(400, message="messages.1.content.0: Invalid `signature` in `thinking` block")], [SECOND, OTHER]
    ),
    "an unknown file": Row([status(404, message="No such File object: file-abc")], [SECOND, OTHER]),
    "truncation before commit": Row([status(400, message="response_length_limit")], [OTHER]),
    "truncation after commit": broken(Fault(FaultKind.BROKEN, "the answer was truncated")),
    "the window was full after commit": broken(Fault(FaultKind.BROKEN, code="context_length_exceeded")),
    "a stall after commit": Row(
        [Fault(FaultKind.STALLED)], [OTHER], cooled("stream_timeout"), counts=True, committed=True, keeps_pin=False
    ),
    "a break after commit": broken(Fault(FaultKind.BROKEN)),
    "an answer that the model spoiled": Row([Fault(FaultKind.UNUSABLE)], [OTHER]),
    "a fault of the router's own": Row([Fault(FaultKind.INTERNAL)], [OTHER]),
}


class Yard:
    """A router, and one exchange of a session that is pinned to a/m and its first key."""

    def __init__(self, providers: Providers = HOUSE, **sections: Any) -> None:
        self.router = Router(settings(providers, **sections), SECRET)
        plan = self.plan()
        candidate = plan.next_candidate(NOW)
        assert candidate
        plan.on_committed(candidate, NOW)
        self.own = self.plan()

    def plan(self) -> Plan:
        client = caller(headers={"x-session-id": "conversation"})
        return self.router.plan(request(), Dialect.OPENAI_CHAT, client, NOW)

    def suffer(self, fault: Fault | None, committed: bool = False, **record: Any) -> None:
        candidate = self.own.next_candidate(NOW)
        assert candidate
        failure = classify(fault, committed) if fault else None
        told = {"started": WALL, "settled_ms": 0.0, "outcome": Outcome.RETRY_FAILED, "failure": failure, **record}
        settled = attempt_record(first_content_ms=5.0 if committed else None, **told)
        self.own.on_launched(settled.n, candidate, NOW)
        self.own.on_settled(candidate, settled, fault, NOW)

    @property
    def pin(self) -> Pin | None:
        assert self.own.binding.session
        return self.own.binding.session.pin

    def cooling(self, kind: str, named: str) -> list[Cooled]:
        rows = self.router.cooldowns_to_dict(NOW, WALL)[kind]
        assert all(row["since"] == WALL for row in rows)
        return [(row["provider"], row[named], row["reason"], row["until"] - WALL) for row in rows]


PINNED = pin_on(Router(settings(HOUSE), SECRET), "a/m", "key-1")


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_a_failure_has_the_effects_that_its_row_states(row: Row) -> None:
    yard = Yard()
    assert called(yard.own.ranked_candidates(NOW)) == [FIRST, SECOND, OTHER]
    for fault in row.faults:
        yard.suffer(fault, row.committed)
    assert called(yard.own.ranked_candidates(NOW)) == list(row.here)
    assert yard.cooling("targets", "model") == list(row.targets)
    assert yard.cooling("keys", "key") == list(row.keys)
    invalid = {candidate_of(yard.router, "a/m", label).key_id for label in row.invalid}
    assert yard.router.cooldowns.invalid_keys == invalid
    assert yard.own.binding.failure_count("a/m") == row.counts
    assert yard.pin == (PINNED if row.keeps_pin else None)


@pytest.mark.parametrize("number", [400, 422])
@pytest.mark.parametrize("made", [status, wrapped])
def test_a_request_at_fault_stops_its_exchange_and_penalizes_no_target(made: Made, number: int) -> None:
    yard = Yard()
    assert yard.own.is_final(made(number))
    yard.suffer(made(number))
    assert yard.router.cooldowns_to_dict(NOW, WALL) == {"targets": [], "keys": []}
    assert yard.own.binding.failure_count("a/m") == 0
    assert yard.pin == PINNED
    assert called(yard.plan().ranked_candidates(NOW)) == [FIRST, SECOND, OTHER]


def test_a_client_that_leaves_is_not_a_failure() -> None:
    yard = Yard()
    yard.suffer(None, outcome=Outcome.CLIENT_ABORT)
    assert yard.router.cooldowns_to_dict(NOW, WALL) == {"targets": [], "keys": []}
    assert yard.own.binding.failure_count("a/m") == 0
    assert yard.pin == PINNED
    assert set(called(yard.own.ranked_candidates(NOW))) == {FIRST, SECOND, OTHER}


def test_a_full_window_rules_out_those_no_larger_for_this_exchange_alone() -> None:
    sizes = {"a": 1000, "b": 500, "c": 1000, "d": 1001}
    yard = Yard(
        {n: provider(f"https://{n}.test/v1") | {"models": [{"id": "m", "context": c}]} for n, c in sizes.items()}
    )
    yard.suffer(status(400, code="context_length_exceeded"))
    assert called(yard.own.ranked_candidates(NOW)) == ["d/m"]
    assert called(yard.plan().ranked_candidates(NOW)) == ["a/m", "b/m", "c/m", "d/m"]


def test_every_failure_has_a_row_in_the_table() -> None:
    shown = {classify(fault, row.committed) for row in ROWS.values() for fault in row.faults}
    assert shown | {Failure.REQUEST} == set(Failure) == set(FAILURE_POLICIES)


class TestStatedTimes:
    @pytest.mark.parametrize(("stated", "seconds"), [(0.0, 1.0), (0.2, 1.0), (40.0, 40.0), (1e9, 86_400.0)])
    @pytest.mark.parametrize("number", [402, 429])
    def test_they_are_accepted_from_a_second_to_a_day(self, number: int, stated: float, seconds: float) -> None:
        yard = Yard()
        yard.suffer(status(number, retry_after=stated))
        assert [row[3] for row in yard.cooling("keys", "key")] == [seconds]

    @pytest.mark.parametrize(
        "base_url",
        [
            "http://127.0.0.1:9/v1", "http://localhost:9/v1", "http://[::1]:9/v1", "http://10.1.2.3/v1",
            "http://192.168.1.9:8000/v1", "http://box.local/v1",
        ],
    )  # fmt: skip
    @pytest.mark.parametrize(("stated", "seconds"), [(None, 5.0), (40.0, 40.0)])
    def test_a_provider_nearby_cools_for_a_moment_unless_it_names_a_time(
        self, base_url: str, stated: float | None, seconds: float
    ) -> None:
        yard = Yard({"a": provider(base_url)})
        yard.suffer(status(503, retry_after=stated))
        assert yard.cooling("targets", "model") == cooled("503", seconds=seconds)

    def test_what_is_switched_off_cools_nothing(self) -> None:
        yard = Yard(cooldowns={"transient": "off", "rate_limit": "off", "key_invalid": "off"})
        for fault in (status(429), status(401), Fault(FaultKind.REFUSED)):
            yard.suffer(fault)
        assert yard.router.cooldowns_to_dict(NOW, WALL) == {"targets": [], "keys": []}


class TestLog:
    @pytest.mark.parametrize(
        ("fault", "words"),
        [
            (Fault(FaultKind.REFUSED), "a/m cools for 15.0 s: connect_refused"),
            (status(404, code="model_not_found"), "a/m cools for 300.0 s: model_gone"),
            (status(404), None),
            (status(429, retry_after=2.0), "key key-1 of a for m cools for 2.0 s: rate_limit"),
            (status(503), None),
            (status(400), None),
        ],
    )
    def test_the_effect_on_other_exchanges_is_one_line(self, fault: Fault, words: str | None) -> None:
        yard = Yard()
        candidate = yard.own.next_candidate(NOW)
        assert candidate
        yard.own.on_launched(1, candidate, NOW)
        record = attempt_record(failure=classify(fault), first_content_ms=None)
        assert yard.own.on_settled(candidate, record, fault, NOW) == words
