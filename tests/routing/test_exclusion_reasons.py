"""Why a candidate was left out, as pages and error bodies print it."""

import json

import pytest

from pointsman.routing.exclusion_reasons import Exclusion, ExclusionReason
from routing.routing_builders import inventory
from support.settings import provider

[TARGET] = inventory({"a": provider(keys=["sk-very-secret"])}).targets


@pytest.mark.parametrize("reason", ExclusionReason)
def test_it_is_plain_json_with_times_on_the_wall_whatever_the_reason(reason: ExclusionReason) -> None:
    told = Exclusion(TARGET, "key-1", reason, "because", 1000.5).to_dict(1_699_999_000.0)
    assert json.loads(json.dumps(told)) == {
        "provider": "a",
        "model": "m",
        "key": "key-1",
        "reason": reason.value,
        "detail": "because",
        "until": 1_700_000_000.5,
    }


@pytest.mark.parametrize(
    "word",
    [
        "disabled",
        "no_key",
        "dialect",
        "missing_capability",
        "context_too_small",
        "cooling",
        "model_gone",
        "rate_limited",
        "key_invalid",
        "skipped_target",
        "skipped_key",
    ],
)
def test_the_words_that_operators_read_stay_the_same(word: str) -> None:
    assert ExclusionReason(word).value == word


def test_what_is_not_known_is_null() -> None:
    told = Exclusion(TARGET, None, ExclusionReason.DISABLED).to_dict(1_699_999_000.0)
    assert [told[member] for member in ("key", "detail", "until")] == [None, None, None]
