"""What makers say when they refuse a request: each row of the patterns by an answer of its maker."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.error_samples import SAMPLES, Sample
from pointsman.domain.error_matching import error_text, matching_pattern
from pointsman.domain.error_patterns import PATTERNS
from pointsman.domain.failures import Failure, classify
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.error_parsing import wrapped_fault
from pointsman.wire.error_text import without_names
from pointsman.wire.errors import Fault, FaultKind
from pointsman.wire.jsontext import loads

NAMES = st.sampled_from(
    [
        "quota", "truncation", "context", "rate limit exceeded", "your credit balance is too low", "invalid api key",
        "maximum context length", "model not found", "does not support", "this organization has been disabled",
        "the answer was truncated", "flagged by moderation", "too many concurrent requests", "gpt-4o does not exist",
    ]
)  # fmt: skip


def suffered(sample: Sample) -> Fault:
    """The fault as an attempt has it."""
    fault = DIALECTS[sample.dialect].fault(sample.status, sample.body, sample.headers["content-type"])
    return replace(fault, model=sample.model)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.id)
def test_an_answer_means_what_its_maker_means(sample: Sample) -> None:
    fault = suffered(sample)
    pattern = matching_pattern({sample.status}, (fault.code, *fault.codes), error_text(fault))
    assert (pattern and pattern.name, classify(fault)) == (sample.pattern, sample.expected)


@pytest.mark.parametrize("sample", [each for each in SAMPLES if each.pattern], ids=lambda sample: sample.id)
def test_it_means_the_same_in_capitals(sample: Sample) -> None:
    fault = suffered(sample)
    codes = tuple(code.upper() for code in fault.codes)
    told = replace(fault, message=fault.message.upper(), upstream=fault.upstream.upper(), code="", codes=codes)
    assert classify(told) is sample.expected


def test_every_row_has_a_sample_and_a_name_of_its_own() -> None:
    names = [pattern.name for pattern in PATTERNS]
    assert len(set(names)) == len(names)
    assert {sample.pattern for sample in SAMPLES} - {None} == set(names)


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.name)
def test_a_row_has_something_to_match_and_a_maker(pattern) -> None:
    assert pattern.codes or pattern.words
    assert pattern.maker
    assert pattern.statuses


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.id)
def test_after_commit_whatever_it_says_is_a_break(sample: Sample) -> None:
    assert classify(suffered(sample), committed=True) is Failure.BROKEN


@pytest.mark.parametrize("quotes", ["''", '""', "``", "\u2018\u2019", "\u201c\u201d", "\xab\xbb"])
@pytest.mark.parametrize("number", [400, 403, 404, 422, 500])
@given(name=NAMES)
def test_a_quoted_name_says_nothing(number: int, quotes: str, name: str) -> None:
    def told(word: str) -> Failure:
        message = f"Tool {quotes[0]}{word}{quotes[1]} is not among the tools of this request"
        return classify(Fault(FaultKind.STATUS, message, number, model="gpt-4o"))

    assert told(name) is told("x")
    assert told(name.upper()) is told("x")


@given(name=st.text(st.characters(exclude_characters="'\"`", exclude_categories=["Cs"]), max_size=60))
def test_whatever_is_quoted(name: str) -> None:
    fault = Fault(FaultKind.STATUS, f'Invalid value for field "{name}" of tool `{name}`.', 400, model="gpt-4o")
    assert classify(fault) is Failure.REQUEST


@pytest.mark.parametrize("noun", ["tool", "parameter", "property", "field", "function", "file"])
@pytest.mark.parametrize("name", ["quota", "truncation", "context", "rate_limit", "api_key"])
def test_a_name_after_its_noun_says_nothing(noun: str, name: str) -> None:
    assert classify(Fault(FaultKind.STATUS, f"Invalid {noun}: {name}", 400)) is Failure.REQUEST


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("your organization's limit isn't 'mine'", "your organization's limit isn't …"),
        ("no `signature` in `thinking`, but `quota`", "no signature in thinking, but …"),
        ("he said \"quota 'exceeded'", "he said …"),
        ("unknown parameter: quota, and more", "unknown parameter: …, and more"),
        ("a\n b", "a b"),
    ],
)
def test_names_are_taken_out_of_a_text(text: str, left: str) -> None:
    assert without_names(text) == left


@pytest.mark.parametrize(
    ("model", "gone"),
    [("m", True), ("M", True), ("n", False), ("", False), ("m2", False), ("x/m", False)],
)
def test_a_model_is_gone_only_if_it_is_the_one_that_was_asked_for(model: str, gone: bool) -> None:
    for said in ("The model `m` does not exist", "The model m does not exist", "m is not a valid model ID"):
        expected = Failure.MODEL_GONE if gone else Failure.NOT_FOUND
        assert classify(Fault(FaultKind.STATUS, said, 404, model=model)) is expected


def test_a_name_in_a_wrapped_error_says_nothing() -> None:
    fault = wrapped_fault({"error": {"message": "The tool 'rate limit' has failed"}})
    assert fault
    assert (fault.status, classify(fault)) == (502, Failure.SERVER_ERROR)


@pytest.mark.parametrize(
    ("sample"),
    [
        each
        for each in SAMPLES
        if each.pattern in ("credit", "window", "usage of a plan", "no access", "concurrency")
        and each.maker not in ("IBM", "OpenAI Codex")  # without an error status, theirs may be an answer
    ],
    ids=lambda sample: sample.id,
)
def test_a_wrapped_error_means_the_same(sample: Sample) -> None:
    fault = wrapped_fault(loads(sample.body))
    assert fault
    assert classify(replace(fault, model=sample.model)) is sample.expected


@pytest.mark.parametrize(
    ("code", "said", "expected"),
    [
        (1002, "rate limit exceeded(RPM)", Failure.RATE_LIMIT),
        (1004, "login fail: Please carry the API secret key", Failure.KEY_INVALID),
        (1008, "insufficient balance", Failure.ACCOUNT),
        (2013, "invalid params, tool result's tool id not found", Failure.REQUEST),
    ],
)
def test_minimax_puts_errors_beside_an_answer(code: int, said: str, expected: Failure) -> None:
    fault = wrapped_fault({"id": "05", "choices": None, "base_resp": {"status_code": code, "status_msg": said}})
    assert fault
    assert classify(fault) is expected
