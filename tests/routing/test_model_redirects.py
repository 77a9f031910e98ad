"""Which of a provider's redirects applies to a name."""

import pytest

from pointsman.routing.model_redirects import MAX_REGEX_INPUT, apply_redirects
from support.settings import provider, settings


def rules(*written: tuple[str, str, str]):
    redirects = [{"match": match, "source": source, "target": target} for match, source, target in written]
    return settings({"p": provider(redirects=redirects)}).providers["p"]


@pytest.mark.parametrize(
    ("match", "source", "taken", "left"),
    [
        ("exact", "qwen3", "qwen3", "qwen3-coder"),
        ("prefix", "qwen3", "qwen3-coder", "my-qwen3"),
        ("suffix", ":free", "owl:free", "owl:free:2"),
        ("contains", "coder", "qwen3-coder:30b", "qwen3-code"),
        ("regex", r"^gpt-\d+(o)?$", "gpt-4o", "gpt-4o-mini"),
    ],
)
def test_each_way_to_match(match: str, source: str, taken: str, left: str) -> None:
    one = rules((match, source, "other"))
    found = apply_redirects(one, taken)
    assert found
    assert (found.original_model, found.redirected_model, found.match, found.source) == (taken, "other", match, source)
    assert apply_redirects(one, left) is None


def test_the_first_rule_that_matches_counts() -> None:
    both = rules(("prefix", "gpt-", "first"), ("contains", "4", "second"))
    assert [
        found and found.redirected_model for found in (apply_redirects(both, n) for n in ("gpt-4", "o4", "o3"))
    ] == [
        "first",
        "second",
        None,
    ]


def test_names_count_as_they_are_written() -> None:
    assert apply_redirects(rules(("exact", "Qwen3", "other")), "qwen3") is None


def test_no_pattern_is_tried_on_an_endless_name() -> None:
    one = rules(("regex", "(a+)+$", "other"), ("prefix", "aaa", "long"))
    assert apply_redirects(one, "a" * MAX_REGEX_INPUT).redirected_model == "other"
    assert apply_redirects(one, "a" * (MAX_REGEX_INPUT + 1)).redirected_model == "long"
