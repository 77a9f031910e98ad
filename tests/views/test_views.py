"""The content views as mitmproxy uses them."""

import json
from typing import Any

import pytest
from mitmproxy import contentviews
from mitmproxy.contentviews import Metadata, prettify_message
from mitmproxy.http import HTTPFlow, Request, Response
from mitmproxy.test import taddons, tflow

from pointsman.recording.mitm_integration import MitmIntegration
from pointsman.views import VIEWS
from pointsman.views.llm_chat import LLMChat
from pointsman.views.llm_events import LLMEvents

EVENTS = [b'data: {"choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n' % word for word in (b"Hel", b"lo")]
STREAM = b"".join([*EVENTS, b"data: [DONE]\n\n"])
QUESTION = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Which track?"}]}).encode()
AUDIT = {
    "request_id": "the-id",
    "sticky": "repin",
    "attempts": [
        {"n": 1, "provider": "longcat", "model": "flash", "outcome": "retry_failed", "status": 503, "error": "503"},
        {"n": 2, "provider": "groq", "model": "llama", "outcome": "retry_success", "first_content_ms": 410.0},
    ],
    "excluded": [{"provider": "openrouter", "model": "owl", "key": "key-1", "reason": "cooldown"}],
    "excluded_count": 3,
}


@pytest.fixture(autouse=True)
def registered() -> Any:
    with taddons.context(MitmIntegration()):
        yield


def flow(body: bytes = STREAM, kind: str = "text/event-stream", request: bytes = QUESTION, **note: Any) -> HTTPFlow:
    made = tflow.tflow(
        req=Request.make("POST", "http://127.0.0.1:8080/v1/chat/completions", request),
        resp=Response.make(200, body, {"content-type": kind}),
    )
    if note:
        made.metadata["pointsman"] = note
    return made


def shown(own: HTTPFlow, of: str = "response", view: str = "auto") -> tuple[str | None, str]:
    message = own.response if of == "response" else own.request
    assert message
    result = prettify_message(message, own, view)
    return result.view_name, result.text


class TestLLMChat:
    def test_it_is_chosen_for_a_streamed_answer(self) -> None:
        name, text = shown(flow())
        assert name == "LLM chat"
        assert "Hello" in text

    def test_it_is_chosen_for_a_request(self) -> None:
        name, text = shown(flow(), "request")
        assert name == "LLM chat"
        assert "Which track?" in text

    def test_a_routed_flow_has_its_audit(self) -> None:
        _, text = shown(_routed(AUDIT))
        header, first, second = (line for line in text.splitlines() if line.startswith(("#", "1 ", "2 ")))
        assert header.split()[:4] == ["#", "target", "key", "outcome"]
        assert first.split() == ["1", "longcat/flash", "retry_failed", "503", "503"]
        assert second.split()[:3] == ["2", "groq/llama", "retry_success"]
        assert "0.41 s" in second
        assert "request_id the-id | sticky repin" in text
        assert "openrouter/owl key-1: cooldown" in text
        assert "and 2 more" in text

    def test_an_attempt_has_its_own_row(self) -> None:
        own = flow()
        own.metadata["pointsman"] = {"kind": "attempt", "request_id": "the-id", "attempt": AUDIT["attempts"][0]}  # type: ignore[index]
        _, text = shown(own)
        assert "attempt 1 of exchange the-id" in text
        assert "longcat/flash" in text

    def test_the_audit_is_always_the_present_one(self) -> None:
        """The bytes of a request are the same before and after its exchange has ended."""
        own = flow()
        assert "the-id" not in shown(own, "request")[1]
        own.metadata["pointsman"] = {"kind": "exchange", **AUDIT}
        assert "the-id" in shown(own, "request")[1]

    @pytest.mark.parametrize(
        "note",
        [None, "text", {"kind": "exchange"}, {"kind": "exchange", "attempts": [5, {"n": []}]}, {"kind": 5}],
    )
    def test_a_note_of_another_version_is_harmless(self, note: Any) -> None:
        own = flow()
        own.metadata["pointsman"] = note
        assert "Hello" in shown(own)[1]

    @pytest.mark.parametrize("body", [b"\xff\xfe\x00", b"<html></html>", b"", b"{", b"[[[["])
    def test_what_it_cannot_read_is_left_to_others_without_a_word(self, body: bytes) -> None:
        name, text = shown(flow(body, "text/plain"))
        assert name != "LLM chat"
        assert "failed" not in text
        assert "Error" not in shown(flow(body, "text/plain"), view="LLM chat")[1]

    def test_it_leaves_other_traffic_alone(self) -> None:
        own = flow()
        own.request.path = "/search"
        assert shown(own)[0] != "LLM chat"
        assert LLMChat().render_priority(STREAM, Metadata()) < 0

    def test_lone_surrogates_are_replaced(self) -> None:
        body = json.dumps({"choices": [{"message": {"content": "a\ud800b"}}]}).encode()
        assert "a?b" in shown(flow(body, "application/json"))[1]

    def test_the_bytes_of_the_last_body_are_let_go(self) -> None:
        view, own = LLMChat(), flow()
        assert own.response
        metadata = Metadata(flow=own, http_message=own.response)
        assert view.render_priority(STREAM, metadata) > 1
        view.prettify(STREAM, metadata)
        assert view._last is None


def _routed(audit: Any) -> HTTPFlow:
    own = flow()
    own.metadata["pointsman"] = {"kind": "exchange", **audit}
    return own


class TestLLMEvents:
    def test_frames_are_shown_as_they_came_with_the_gaps_between_them(self) -> None:
        own = flow(marks=[[0, 0.41], [len(EVENTS[0]), 1.91]])
        _, text = shown(own, view="LLM events")
        assert text.split("\n\n") == [
            "... 0.41 s, at 0.41 s",
            EVENTS[0].decode().strip(),
            "... 1.50 s, at 1.91 s",
            EVENTS[1].decode().strip(),
            "data: [DONE]",
        ]

    def test_an_event_that_came_in_pieces_came_with_its_last(self) -> None:
        own = flow(marks=[[0, 0.1], [10, 0.5]])
        assert shown(own, view="LLM events")[1].startswith("... 0.50 s, at 0.50 s\n\ndata:")

    def test_without_times_there_are_only_frames(self) -> None:
        assert "... " not in shown(flow(), view="LLM events")[1]

    @pytest.mark.parametrize("body", [b"", b"{}", b"no events", b"\xff\x00"])
    def test_what_has_no_events_is_shown_as_it_is(self, body: bytes) -> None:
        own = flow(body, "text/event-stream")
        assert own.response
        metadata = Metadata(flow=own, http_message=own.response, content_type="text/event-stream")
        assert LLMEvents().render_priority(body, metadata) < 0
        assert LLMEvents().prettify(body, metadata) == body.decode("utf-8", "backslashreplace")

    @pytest.mark.parametrize("marks", [None, "x", [[1]], [["a", "b"]], 5])
    def test_missing_times_are_harmless(self, marks: Any) -> None:
        text = shown(flow(marks=marks), view="LLM events")[1]
        assert "[DONE]" in text
        assert "Error" not in text

    def test_the_elements_of_a_list_are_frames_too(self) -> None:
        assert shown(flow(b'[{"a": 1},\n{"b": 2}]', "application/json"), view="LLM events")[1].count('": ') == 2


def test_what_is_ascii_stays_so_since_anything_else_takes_mitmproxy_a_second_for_5_mb() -> None:
    own = flow(
        request=json.dumps({"model": "m", "seed": "s" * 999, "tools": [{"name": "t" * 999}], "messages": []}).encode(),
        kind="text/event-stream",
    )
    own.metadata["pointsman"] = {"kind": "exchange", **AUDIT, "marks": [[0, 0.4], [len(EVENTS[0]), 1.9]]}
    texts = [shown(own, "request")[1], shown(own)[1], shown(own, view="LLM events")[1]]
    assert all(text.isascii() for text in texts)
    own.metadata["pointsman"] = {"kind": "attempt", "request_id": "the-id", "attempt": AUDIT["attempts"][0]}  # type: ignore[index]
    assert shown(own)[1].isascii()


def test_both_are_known_by_name() -> None:
    for view in VIEWS:
        assert contentviews.registry[view.name.lower()] is view
