"""docs/failures.md says what the code does: its tables are compared with those of the code, row by row."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pointsman.domain.failures import FAILURE_POLICIES, CooldownLength, Failure, Scope, SkipScope
from pointsman.routing.candidate_order import LAST_RESORT
from pointsman.routing.exclusion_reasons import ExclusionReason

PAGE = (Path(__file__).parents[2] / "docs" / "failures.md").read_text(encoding="utf-8")
SKIP_WORDS = {
    SkipScope.NOTHING: "over, with an error frame",
    SkipScope.KEY: "next key",
    SkipScope.TARGET: "next target",
    SkipScope.SMALLER: "next target with a larger context",
    SkipScope.ALL: "ends with the provider's answer",
}
SCOPE_WORDS = {
    Scope.REQUEST: "request",
    Scope.MODEL_OF_KEY: "model of the key",
    Scope.KEY: "key",
    Scope.TARGET: "target",
}


def section(title: str) -> str:
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


def rows(title: str) -> Iterator[list[str]]:
    """The cells of each row of the only table of a section, without its head."""
    lines = [line for line in section(title).splitlines() if line.startswith("| ")]
    return ([cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:])


def test_every_failure_and_no_other_has_a_row() -> None:
    assert sorted(cells[0].strip("`") for cells in rows("What each failure costs")) == sorted(Failure)


@pytest.mark.parametrize("failure", Failure)
def test_a_row_says_what_the_failure_costs(failure: Failure) -> None:
    policy = FAILURE_POLICIES[failure]
    row = next(cells for cells in rows("What each failure costs") if cells[0] == f"`{failure}`")
    _, _, request, charged, cooldown, counts = row
    assert request.endswith(SKIP_WORDS[policy.skip])
    assert re.split("[,;]", charged)[0] == SCOPE_WORDS[policy.scope]
    assert cooldown == (f"`{policy.cooldown.name.lower()}`" if policy.cooldown else "–")
    assert counts == ("yes" if policy.counts_as_strike else "–")
    assert ("once all its keys were tried" in charged) is policy.after_all_keys
    assert ("the pin on it is cleared" in charged) is policy.clears_pin


def test_every_cooldown_and_no_other_has_a_row() -> None:
    lengths = sorted(length.name.lower() for length in CooldownLength)
    assert sorted(cells[0].strip("`") for cells in rows("Cooldowns")) == lengths


def test_the_last_resort_stands_in_its_order() -> None:
    order = re.findall(r"^\d\. `(\w+)`", section("The last resort"), re.MULTILINE)
    assert order == [reason.value for reason in LAST_RESORT]


def test_every_reason_to_exclude_is_explained() -> None:
    explained = set(re.findall(r"`(\w+)`", section("The last resort")))
    assert {reason.value for reason in ExclusionReason} <= explained
