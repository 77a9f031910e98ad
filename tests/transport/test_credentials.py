"""A client's credentials: masked in its request at once, and put back only into a copy for its own provider."""

import pytest
from mitmproxy import http
from mitmproxy.test import tutils

from pointsman.masking import Masker
from pointsman.transport.credentials import Credentials

LONG = "sk-0123456789abcdef"
PATH = "/v1/chat/completions"

type Fields = list[tuple[str, str]]


def request(fields: Fields | None = None, path: str = PATH) -> http.Request:
    headers = http.Headers([(name.encode(), value.encode()) for name, value in fields or []])
    made: http.Request = tutils.treq(headers=headers, path=path.encode(), content=b"{}")
    return made


def fields(of: http.Request) -> Fields:
    return [(name.lower(), value) for name, value in of.headers.items(multi=True)]


class TestTaking:
    @pytest.mark.parametrize(
        ("name", "value", "shown"),
        [
            ("Authorization", f"Bearer {LONG}", "Bearer sk-…cdef"),
            ("AUTHORIZATION", f"bearer {LONG}", "bearer sk-…cdef"),
            ("Authorization", "Bearer short", "Bearer ***"),
            ("Authorization", LONG, "sk-…cdef"),
            ("Authorization", f"Bearer {LONG} {LONG}", "***"),
            ("Authorization", f'Digest username="me", response="{LONG}"', "***"),
            ("x-api-key", LONG, "sk-…cdef"),
            ("x-goog-api-key", LONG, "sk-…cdef"),
            ("api-key", LONG, "sk-…cdef"),
            ("OpenAI-Api-Key", LONG, "sk-…cdef"),
            ("Proxy-Authorization", f"Basic {LONG}", "Basic sk-…cdef"),
            ("Cookie", f"session={LONG}; theme=dark", "***"),
            ("X-Auth-Token", LONG, "sk-…cdef"),
            ("X-Client-Secret", "short", "***"),
        ],
    )
    def test_what_a_header_holds_is_masked(self, name: str, value: str, shown: str) -> None:
        own = request([(name, value)])
        Credentials.extract(own)
        assert fields(own) == [(name.lower(), shown)]

    @pytest.mark.parametrize("name", ["Content-Type", "X-Session-ID", "anthropic-version", "User-Agent", "Origin"])
    def test_other_headers_are_left_alone(self, name: str) -> None:
        own = request([(name, LONG)])
        Credentials.extract(own)
        assert fields(own) == [(name.lower(), LONG)]

    def test_every_one_of_several_is_masked(self) -> None:
        own = request([("Cookie", "a=1"), ("X-Api-Key", LONG), ("cookie", "b=2")])
        Credentials.extract(own)
        assert sorted(fields(own)) == [("cookie", "***"), ("cookie", "***"), ("x-api-key", "sk-…cdef")]

    @pytest.mark.parametrize(
        ("path", "shown"),
        [
            (f"{PATH}?key={LONG}", f"{PATH}?key=***"),
            (f"{PATH}?alt=sse&key={LONG}&x=1", f"{PATH}?alt=sse&key=***&x=1"),
            (f"{PATH}?key={LONG}&key=other", f"{PATH}?key=***&key=***"),
            (f"{PATH}?key={LONG}#part", f"{PATH}?key=***#part"),
            (f"{PATH}?api_key={LONG}", f"{PATH}?api_key=***"),
            (f"{PATH}?x=1&Access_Token={LONG}&%74oken=short", f"{PATH}?x=1&Access_Token=***&%74oken=***"),
            (f"{PATH}?monkey=business", f"{PATH}?monkey=business"),
            (PATH, PATH),
        ],
    )
    def test_a_key_in_the_query_is_masked(self, path: str, shown: str) -> None:
        own = request(path=path)
        Credentials.extract(own)
        assert own.path == shown

    @pytest.mark.parametrize("name", ["X-Request-ID", "X-Session-ID", "User-Agent", "X-Whatever"])
    def test_a_known_secret_is_masked_wherever_it_stands(self, name: str) -> None:
        own = request([(name, f"of {LONG}")], f"{PATH}?what={LONG}&other=%73k-0123456789abcdef")
        Credentials.extract(own, Masker([LONG]))
        assert fields(own) == [(name.lower(), "of ***")]
        assert own.path == f"{PATH}?what=***&other=***"

    def test_so_is_what_the_client_itself_uses_as_a_credential(self) -> None:
        own = request([("Authorization", f"Bearer {LONG}"), ("X-Session-ID", f"of {LONG}")], f"{PATH}?what={LONG}")
        Credentials.extract(own)
        assert fields(own) == [("authorization", "Bearer sk-…cdef"), ("x-session-id", "of ***")]
        assert own.path == f"{PATH}?what=***"

    @pytest.mark.parametrize("value", ["one\r\n two", "one\0two", "one\r two"])
    def test_a_header_has_one_line(self, value: str) -> None:
        own = request([("X-Session-ID", value)])
        Credentials.extract(own)
        assert fields(own) == [("x-session-id", "one two")]

    def test_nothing_of_it_can_be_printed(self) -> None:
        own = request([("Authorization", f"Bearer {LONG}")], f"{PATH}?key={LONG}")
        assert LONG not in repr((Credentials.extract(own), own, own.headers))


@pytest.mark.parametrize(
    ("given", "path", "caller"),
    [
        ([("Authorization", f"Bearer {LONG}")], PATH, LONG),
        ([("Authorization", LONG)], PATH, LONG),
        ([("x-api-key", "mine"), ("Authorization", f"Bearer {LONG}")], PATH, LONG),
        ([("x-goog-api-key", "mine"), ("cookie", "a=1")], f"{PATH}?key=other", "mine"),
        ([("api-key", "mine")], PATH, "mine"),
        ([], f"{PATH}?key=first&key=second", "first"),
        ([("Proxy-Authorization", f"Basic {LONG}"), ("cookie", "a=1")], PATH, None),
        ([("Authorization", "Bearer ")], PATH, None),
        ([], PATH, None),
    ],
)
def test_a_client_is_distinguished_from_others_by_its_own_credential(
    given: Fields, path: str, caller: str | None
) -> None:
    assert Credentials.extract(request(given, path)).client_credential == caller


class TestPuttingBack:
    @pytest.mark.parametrize(
        ("given", "path"),
        [
            ([("authorization", f"Bearer {LONG}")], PATH),
            ([("cookie", "a=1"), ("cookie", "b=2"), ("x-api-key", LONG), ("accept", "*/*")], PATH),
            ([], f"{PATH}?key={LONG}"),
            ([], rf"{PATH}?key=with\1backslash&x=1"),
            ([], f"{PATH}?key=first&alt=sse&key=second"),
            ([], f"{PATH}?key="),
            ([], f"{PATH}?key=***"),
            ([("accept", "*/*")], PATH),
            ([("authorization", f"Bearer {LONG}"), ("x-session-id", LONG)], f"{PATH}?what={LONG}"),
        ],
        ids=[
            "header",
            "several",
            "query",
            "odd characters",
            "two in the query",
            "empty",
            "mask itself",
            "nothing",
            "odd",
        ],
    )
    def test_the_copy_is_as_the_client_sent_it_and_the_flow_stays_masked(self, given: Fields, path: str) -> None:
        own = request(given, path)
        credentials = Credentials.extract(own)
        shown = own.copy()
        restored = credentials.with_credentials(own)
        assert (sorted(fields(restored)), restored.path) == (sorted(given), path)
        assert (own.headers, own.path) == (shown.headers, shown.path)

    def test_what_was_meant_for_this_proxy_stays_here(self) -> None:
        own = request([("Proxy-Authorization", f"Basic {LONG}"), ("x-api-key", LONG)])
        assert fields(Credentials.extract(own).with_credentials(own)) == [("x-api-key", LONG)]

    @pytest.mark.parametrize("edited", [["Bearer mine"], [], ["Bearer sk-…cdef", "Bearer more"]])
    def test_an_edited_header_stays_edited(self, edited: list[str]) -> None:
        own = request([("Authorization", f"Bearer {LONG}"), ("x-api-key", LONG)])
        credentials = Credentials.extract(own)
        own.headers.set_all("authorization", edited)
        restored = credentials.with_credentials(own)
        assert restored.headers.get_all("authorization") == edited
        assert restored.headers["x-api-key"] == LONG

    def test_so_does_a_key_in_the_query(self) -> None:
        own = request(path=f"{PATH}?key={LONG}")
        credentials = Credentials.extract(own)
        own.path = f"{PATH}?key=mine"
        assert credentials.with_credentials(own).path == f"{PATH}?key=mine"
