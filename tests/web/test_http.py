"""What an own page is given and what it answers."""

import pytest

from pointsman.web.http import error_reply, json_reply
from pointsman.wire.errors import Code, Problem
from web.page_requests import payload_of, request


class TestJson:
    def test_it_says_what_it_is_and_is_never_kept(self) -> None:
        reply = json_reply({"a": [1, None]}, 201, (("X-More", "1"),))
        assert (reply.status, reply.body) == (201, b'{"a":[1,null]}')
        assert reply.headers == (("Content-Type", "application/json"), ("Cache-Control", "no-store"), ("X-More", "1"))

    @pytest.mark.parametrize(
        "value",
        ["\ud800", "a\ud83d", 2**64, -(2**70), 10**30, "é€😀", "\x00\n"],
        ids=["lone surrogate", "half an emoji", "65 bits", "negative", "huge", "text", "controls"],
    )
    def test_whatever_clients_and_providers_send_can_be_shown(self, value: object) -> None:
        assert payload_of(json_reply({"message": value})) == {"message": value}


class TestProblem:
    @pytest.mark.parametrize(
        ("code", "status", "kind"),
        [
            (Code.INVALID_REQUEST, 400, "invalid_request_error"),
            (Code.INVALID_API_KEY, 401, "invalid_request_error"),
            (Code.NOT_FOUND, 404, "invalid_request_error"),
            (Code.NO_CANDIDATE, 503, "server_error"),
            (Code.INTERNAL_ERROR, 502, "server_error"),
        ],
    )
    def test_it_has_the_shape_that_clients_know(self, code: Code, status: int, kind: str) -> None:
        reply = error_reply(Problem(code, "no good", param="x"))
        assert reply.status == status
        assert payload_of(reply) == {"error": {"message": "no good", "type": kind, "code": code.value, "param": "x"}}

    def test_details_stand_beside_the_message_and_headers_in_the_head(self) -> None:
        reply = error_reply(Problem(Code.NOT_FOUND, "no", details=(("reasons", ["a"]),)), (("Allow", "GET"),))
        assert payload_of(reply)["error"]["reasons"] == ["a"]
        assert ("Allow", "GET") in reply.headers


def test_a_request_does_not_print_what_a_client_keeps_secret() -> None:
    own = request("/page", query="key=sk-one", authorization="Bearer sk-two")
    assert "sk-" not in repr(own)
    assert "/page" in repr(own)
