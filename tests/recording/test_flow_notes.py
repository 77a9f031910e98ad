"""What is written on flows."""

from dataclasses import replace

import pytest
from mitmproxy import flowfilter
from mitmproxy.test import tflow
from mitmproxy.utils import emoji

from pointsman.admission import EntryMode
from pointsman.domain.records import AttemptRecord, ExchangeRecord, Outcome
from pointsman.recording.flow_notes import (
    ATTEMPT_MARKS,
    MAX_EXCLUDED,
    Mark,
    entry_mode_of,
    is_attempt,
    is_marked_by_hand,
    mark_of,
    note,
    note_attempt,
    note_entry_mode,
    note_exchange,
    note_refusal,
)
from pointsman.wire.errors import Code, Problem
from support.audit_records import attempt_record as attempt
from support.audit_records import exchange_record as exchange


def ended(*outcomes: Outcome, status: int | None = 200, error: str | None = None) -> ExchangeRecord:
    attempts = tuple(attempt(n=n, outcome=outcome) for n, outcome in enumerate(outcomes, 1))
    return exchange(attempts=attempts, status=status, error=error)


class TestMarks:
    @pytest.mark.parametrize(
        ("record", "mark"),
        [
            (ended(Outcome.REQUEST_SUCCESS), Mark.NONE),
            (ended(Outcome.RETRY_FAILED, Outcome.RETRY_SUCCESS), Mark.FAILOVER),
            (ended(Outcome.HEDGE_LOSER_CANCELLED, Outcome.HEDGE_WINNER), Mark.HEDGE),
            (ended(Outcome.RETRY_FAILED, Outcome.HEDGE_LOSER_CANCELLED, Outcome.HEDGE_WINNER), Mark.HEDGE),
            (ended(Outcome.RETRY_FAILED, Outcome.RETRY_FAILED, status=502, error="upstream_error"), Mark.FAILURE),
            (ended(Outcome.STREAM_BROKEN, error="stream_broken"), Mark.FAILURE),
            (ended(status=503, error="no_candidate"), Mark.FAILURE),
            (ended(Outcome.CLIENT_ABORT), Mark.ABORT),
            (ended(Outcome.CLIENT_ABORT, status=None), Mark.ABORT),
        ],
    )
    def test_show_what_is_unusual(self, record: ExchangeRecord, mark: Mark) -> None:
        assert mark_of(record) is mark

    def test_every_outcome_of_an_attempt_has_one(self) -> None:
        assert set(ATTEMPT_MARKS) == set(Outcome)

    @pytest.mark.parametrize("mark", [mark for mark in Mark if mark])
    def test_mitmproxy_knows_them(self, mark: Mark) -> None:
        assert mark.value in emoji.emoji

    def test_one_that_was_set_by_hand_stays(self) -> None:
        flow = tflow.tflow()
        flow.marked = ":red_circle:"
        note_exchange(flow, ended(Outcome.STREAM_BROKEN, error="stream_broken"))
        assert flow.marked == ":red_circle:"
        assert is_marked_by_hand(flow)

    def test_ours_gives_way_to_our_next_one(self) -> None:
        flow = tflow.tflow()
        note_exchange(flow, ended(Outcome.STREAM_BROKEN, error="stream_broken"))
        note_entry_mode(flow, EntryMode.OWN)
        assert not is_marked_by_hand(flow)
        note_exchange(flow, ended(Outcome.REQUEST_SUCCESS))
        assert flow.marked == ""


class TestComment:
    """It begins with the result."""

    @pytest.mark.parametrize(
        ("record", "line"),
        [
            (
                exchange(attempts=(attempt(),), sticky="hit", session="1f0c", ended_ms=412.0),
                "200 groq/llama 0.4 s · hit",
            ),
            (
                exchange(attempts=(), status=503, error="no_candidate", ended_ms=3.0),
                "503 not answered 0.00 s · error no_",
            ),
            (exchange(attempts=(), status=None, ended_ms=61_300.0), "client left not answered 61 s"),
        ],
    )
    def test_of_an_exchange(self, record: ExchangeRecord, line: str) -> None:
        flow = tflow.tflow()
        note_exchange(flow, record)
        assert flow.comment.startswith(line), flow.comment

    def test_of_a_refusal(self) -> None:
        flow = tflow.tflow()
        note_refusal(flow, Problem(Code.INVALID_API_KEY, "Wrong key."))
        assert flow.comment == "401 refused: invalid_api_key"
        assert flow.marked == Mark.FAILURE

    def test_filters_find_them(self) -> None:
        answered, failed, refused, tried = (tflow.tflow() for _ in range(4))
        note_exchange(answered, exchange(attempts=(attempt(),), sticky="repin", session="1f0c"))
        note_exchange(failed, exchange(attempts=(), status=503, error="no_candidate"))
        note_refusal(refused, Problem(Code.INVALID_API_KEY, "Wrong key."))
        note_attempt(tried, attempt(), "the-id", answered.id)
        flows = (answered, failed, refused, tried)
        for expression, found in {
            '~comment "^attempt"': [tried],
            '!~comment "^attempt"': [answered, failed, refused],
            '~comment "^[45]"': [failed, refused],
            '~comment "refused:"': [refused],
            '~comment " repin"': [answered],
            "~comment the-id": [tried],
            "~marked": [failed, refused, tried],
        }.items():
            matches = flowfilter.parse(expression)
            assert [flow for flow in flows if matches(flow)] == found, expression


class TestMetadata:
    def test_only_so_many_of_those_left_out_are_reported(self) -> None:
        flow = tflow.tflow()
        note_exchange(flow, replace(ended(Outcome.REQUEST_SUCCESS), excluded=({"provider": "p"},) * 500))
        assert len(note(flow)["excluded"]) == MAX_EXCLUDED
        assert note(flow)["excluded_count"] == 500

    def test_an_attempt_is_known_from_a_clients_flow(self) -> None:
        client, tried, other = tflow.tflow(), tflow.tflow(), tflow.tflow()
        note_exchange(client, ended(Outcome.REQUEST_SUCCESS))
        note_attempt(tried, attempt(), "the-id", client.id)
        assert [is_attempt(flow) for flow in (client, tried, other)] == [False, True, False]

    @pytest.mark.parametrize(
        ("metadata", "door"),
        [
            ({"pointsman": {"door": "PROXY"}}, EntryMode.PROXY),
            ({}, None),
            ({"pointsman": 5}, None),
            ({"pointsman": {"door": "back"}}, None),
        ],
    )
    def test_a_door_is_remembered(self, metadata: dict[str, object], door: EntryMode | None) -> None:
        flow = tflow.tflow()
        flow.metadata.update(metadata)
        assert entry_mode_of(flow) is door


@pytest.mark.parametrize(
    ("record", "line"),
    [
        (
            attempt(n=2, outcome=Outcome.RETRY_FAILED, error="503", settled_ms=120.0),
            "attempt 2 · groq/llama · retry_failed · 503",
        ),
        (
            attempt(n=1, outcome=Outcome.REQUEST_SUCCESS, settled_ms=120.0),
            "attempt 1 · groq/llama · request_success · 0.12 s",
        ),
    ],
)
def test_an_attempts_line_names_its_outcome_and_its_exchange(record: AttemptRecord, line: str) -> None:
    flow = tflow.tflow()
    note_attempt(flow, record, "the-id", "client")
    assert flow.comment.startswith(line)
    assert flow.comment.endswith(" · exchange the-id")
