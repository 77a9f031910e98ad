"""Which headers cross between a client and a provider."""

import pytest

from pointsman.wire.headers import completed, safe_type, to_client, to_provider


class TestToProvider:
    @pytest.mark.parametrize(
        "name",
        [
            "Content-Type",
            "accept",
            "User-Agent",
            "X-Stainless-Lang",
            "anthropic-version",
            "Anthropic-Beta",
            "OpenAI-Organization",
        ],
    )
    def test_what_concerns_it_crosses_as_it_was_written(self, name: str) -> None:
        assert to_provider([(name, "Some Value")]) == ((name, "Some Value"),)

    @pytest.mark.parametrize(
        "name",
        [
            "Authorization",
            "Proxy-Authorization",
            "x-api-key",
            "X-Goog-Api-Key",
            "api-key",
            "OpenAI-Api-Key",
            "anthropic-api-key",
            "X-Stainless-Authorization",
            "Cookie",
            "Origin",
            "Referer",
            "Forwarded",
            "X-Forwarded-For",
            "X-Real-IP",
            "Via",
            "X-Session-ID",
            "X-Claude-Code-Session-Id",
            "session_id",
            "X-Request-ID",
            "Host",
            "Connection",
            "Content-Length",
            "Transfer-Encoding",
            "Accept-Encoding",
            "Accept-Language",
            "openai",
            "my-openai-thing",
            "openai-odd name",
            "openai-\r\nx",
            "",
        ],
    )
    def test_anything_else_stays_behind(self, name: str) -> None:
        assert to_provider([(name, "value")]) == ()

    @pytest.mark.parametrize(
        ("value", "crossing"),
        [
            ("one\r\n two", "one two"),
            ("one\x00two\x7f", "one two"),
            ("one\ttwo", "one\ttwo"),
            ("caf\udce9", "caf\udce9"),
        ],
    )
    def test_no_value_holds_more_than_one_line(self, value: str, crossing: str) -> None:
        assert to_provider([("User-Agent", value)]) == (("User-Agent", crossing),)
        assert to_client({"openai-version": value}) == (("openai-version", crossing),)
        assert to_client({"x-request-id": value}) == (("X-Provider-Request-ID", crossing),)

    def test_order_and_repeats_are_kept(self) -> None:
        given = (("anthropic-beta", "one"), ("Cookie", "x"), ("Accept", "*/*"), ("anthropic-beta", "two"))
        assert to_provider(given) == (("anthropic-beta", "one"), ("Accept", "*/*"), ("anthropic-beta", "two"))


class TestCompleted:
    NEEDED = (("anthropic-version", "2023-06-01"),)

    def test_what_is_needed_and_not_there_is_added(self) -> None:
        assert completed((("accept", "a"),), self.NEEDED) == (("accept", "a"), *self.NEEDED)

    def test_what_the_client_said_stays(self) -> None:
        assert completed((("Anthropic-Version", "1"),), self.NEEDED) == (("Anthropic-Version", "1"),)


class TestToClient:
    @pytest.mark.parametrize("name", ["retry-after", "openai-version", "openai-processing-ms", "anthropic-ratelimit-x"])
    def test_what_concerns_it_crosses(self, name: str) -> None:
        assert to_client({name: "value"}) == ((name, "value"),)

    @pytest.mark.parametrize(
        "name",
        [
            "content-type",
            "content-length",
            "content-encoding",
            "transfer-encoding",
            "connection",
            "set-cookie",
            "alt-svc",
            "server",
            "x-ratelimit-remaining-requests",
            "x-routed-via",
            "location",
            "openai-api-key",
        ],
    )
    def test_anything_else_stays_behind(self, name: str) -> None:
        assert to_client({name: "value"}) == ()

    @pytest.mark.parametrize(
        ("headers", "shown"),
        [
            ({"x-request-id": "a"}, "a"),
            ({"request-id": "b"}, "b"),
            ({"x-goog-request-id": "c"}, "c"),
            ({"cf-ray": "d"}, "d"),
            ({"cf-ray": "d", "request-id": "b", "x-request-id": "a"}, "a"),
            ({"cf-ray": "d", "request-id": "b"}, "b"),
        ],
    )
    def test_the_providers_request_id_crosses_under_another_name(self, headers: dict[str, str], shown: str) -> None:
        assert to_client(headers) == (("X-Provider-Request-ID", shown),)

    def test_an_empty_request_id_is_none(self) -> None:
        assert to_client({"x-request-id": ""}) == ()


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "Application/Problem+JSON",
        "text/plain",
        "text/event-stream",
    ],
)
def test_a_type_that_no_browser_runs_is_kept(content_type: str) -> None:
    assert safe_type(content_type, is_json=False) == content_type


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/html",
        "TEXT/HTML; charset=utf-8",
        "image/svg+xml",
        "application/xhtml+xml",
        "text/xml",
        "text/javascript",
        "multipart/mixed",
        "application/octet-stream",
        "application/json, text/html",
        "application/json; charset=utf-8; text/html",
        "application/json\r\nX-Odd: 1",
    ],
)
def test_any_other_type_gives_way_to_what_the_body_is(content_type: str) -> None:
    assert safe_type(content_type, is_json=True) == "application/json"
    assert safe_type(content_type, is_json=False) == "text/plain; charset=utf-8"
