"""Which headers cross between a client and a provider, and when a provider wants to be asked again."""

import time
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pointsman.wire.headers import completed, retry_after, safe_type, to_client, to_provider

WALL = 1_445_412_470.0
"""Wed, 21 Oct 2015 07:27:50 GMT."""


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


class TestRetryAfter:
    @pytest.mark.parametrize(
        ("value", "seconds"),
        [
            ("30", 30.0),
            (" 2.5 ", 2.5),
            ("0", 0.0),
            ("-5", 0.0),
            ("Wed, 21 Oct 2015 07:28:00 GMT", 10.0),
            ("Wed, 21 Oct 2015 09:28:00 +0200", 10.0),
            ("Wednesday, 21-Oct-15 07:28:00 GMT", 10.0),
            ("Wed Oct 21 07:28:00 2015", 10.0),
            ("Wed, 21 Oct 2015 07:28:00", 10.0),
            ("Wed, 21 Oct 2015 07:00:00 GMT", 0.0),
        ],
    )
    def test_it_is_in_seconds_or_a_date(self, value: str, seconds: float) -> None:
        assert retry_after({"retry-after": value}, WALL) == seconds

    @pytest.mark.parametrize(
        "value",
        [
            "",
            "soon",
            "30s",
            "nan",
            "inf",
            "-inf",
            "1e400",
            "Wed, 99 Oct 2015 07:28:00 GMT",
            "1 Jan 99999999999999999999 00:00:00 GMT",
            "Wed, 21 Oct 2015 07:28:00 +99999999999999999999",
        ],
    )
    def test_what_means_nothing_is_passed_over(self, value: str) -> None:
        assert retry_after({"retry-after": value}, WALL) is None

    def test_it_may_be_absent(self) -> None:
        assert retry_after({}, WALL) is None

    @pytest.fixture
    def far_east(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        with monkeypatch.context() as here:
            here.setenv("TZ", "JST-9")
            time.tzset()
            yield
        time.tzset()

    @pytest.mark.usefixtures("far_east")
    @pytest.mark.parametrize("value", ["Wed, 21 Oct 2015 07:28:00", "Wed, 21 Oct 2015 07:28:00 -0000"])
    def test_a_date_without_a_zone_is_in_gmt_wherever_the_router_runs(self, value: str) -> None:
        assert retry_after({"retry-after": value}, WALL) == 10.0

    @given(
        st.text()
        | st.from_regex(r"(Wed, )?\d{1,3} (Jan|Feb|x) \d{1,30} \d{1,3}:\d{1,3}(:\d{1,3})? ?([+-]\d{1,30}|GMT|)")
        | st.floats().map(str)
    )
    @example("\n")
    def test_whatever_a_provider_sends_it_is_a_finite_wait_or_none(self, value: str) -> None:
        seconds = retry_after({"retry-after": value}, WALL)
        assert seconds is None or 0 <= seconds < float("inf")


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
