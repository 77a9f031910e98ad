"""Texts that break off and go on: the client's is right, or there is one error. `scripts/recovery` does the same with
every cut.
"""

from itertools import islice

import pytest

from pointsman.config.enums import Dialect
from support.broken_answers import (
    PLAIN_TEXTS,
    REPEATING_TEXTS,
    Behaviour,
    Case,
    Method,
    Run,
    cuts,
    every_cut,
    run,
)

SEED = 26
STEP = 331
"""One of so many cuts is made here."""


@pytest.mark.parametrize("method", Method)
def test_no_cut_gives_a_wrong_text(method: Method) -> None:
    cases = every_cut(PLAIN_TEXTS + REPEATING_TEXTS, tuple(Behaviour), (method,), SEED)
    outcomes = [run(case) for case in islice(cases, 0, None, STEP)]
    assert len(outcomes) > 100
    assert [(outcome.case, fault) for outcome in outcomes if (fault := outcome.fault())] == []
    sound = [each for each in outcomes if each.is_sound]
    assert sum(each.is_recovered for each in sound) >= 0.9 * len(sound) > 0


@pytest.mark.parametrize("method", Method)
@pytest.mark.parametrize("dialect", Dialect)
def test_an_honest_model_finishes_in_every_dialect(dialect: Dialect, method: Method) -> None:
    text = PLAIN_TEXTS[0]
    for second in Dialect:
        case = Case(dialect, dialect, second, method, Behaviour.HONOURS, text, SEED)
        case = Case(dialect, dialect, second, method, Behaviour.HONOURS, text, SEED, cuts(case)[len(cuts(case)) // 2])
        outcome = run(case)
        assert outcome.fault() is None
        assert outcome.seen.text == text
        assert [record.outcome.value for record in outcome.records] == ["stream_broken", "stream_continued"]
        comments = [comment for comment in outcome.seen.comments if comment.startswith("continued-on b/m after=")]
        assert len(comments) == (dialect is not Dialect.GEMINI)


@pytest.mark.parametrize("dialect", Dialect)
def test_off_sends_the_same_bytes_as_without_a_target_to_go_on_with(dialect: Dialect) -> None:
    case = Case(dialect, dialect, dialect, Method.ANCHOR, Behaviour.HONOURS, PLAIN_TEXTS[0], SEED, 20)
    off, impossible = Run(case, recover="off"), Run(case, recover="prefill")
    off.run()
    impossible.run()
    assert len(off.launched) == len(impossible.launched) == 1
    assert off.sent == impossible.sent
