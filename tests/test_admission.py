"""Who is let in, and to what: the whole decision, from a request's head alone."""

import base64
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pointsman.admission import (
    ChatRequest,
    Decision,
    EntryMode,
    NotRouted,
    OwnPage,
    Refusal,
    RequestHead,
    admit,
    admit_replay,
    client_problem,
    forward_policy,
)
from pointsman.client_credentials import credentials
from pointsman.client_host import NO_HOST, ClientHost, named_host
from pointsman.clients.identity import NO_CLIENTS, ClientKeys
from pointsman.config import Server
from pointsman.config.clients import client_table
from pointsman.config.enums import Dialect, Kind
from pointsman.web_origins import cors_headers, is_cross_site
from pointsman.wire.errors import Code

CHAT = "/v1/chat/completions"
KEY = "the-client-key"
HOME = named_host("HTTP/1.1", "", ("127.0.0.1:8080",))
OPEN = Server()
KEYED = Server.model_validate({"client_key": KEY, "intercept": ["api.openai.com"], "max_body": 1000})
OURS = pytest.mark.parametrize("door", [EntryMode.OWN, EntryMode.REVERSE])


def keys_of(server: Server) -> ClientKeys:
    """With the key of `server.client_key`, if there is one."""
    key = server.client_key
    return ClientKeys(client_table({}, key.get_secret_value() if key else None))


def basic(password: str, user: str = "me") -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def decided(server: Server, **head: Any) -> Decision:
    """The decision about a chat request of a client on this machine, at the router's own door, but for what is said."""
    usual: dict[str, Any] = {
        "entry_mode": EntryMode.OWN,
        "method": "POST",
        "path": CHAT,
        "host": "",
        "headers": {},
        "local": True,
    }
    return admit(RequestHead(**usual | {"client_host": HOME} | head), server, keys_of(server))


def word(decision: Decision) -> str:
    """`pass`, `page`, `chat`, or the code of a refusal."""
    match decision:
        case NotRouted():
            return "pass"
        case OwnPage():
            return "page"
        case ChatRequest():
            return "chat"
        case Refusal(problem=problem):
            return problem.code.value


class TestPathsAndMethods:
    @OURS
    @pytest.mark.parametrize(
        ("method", "expected"),
        [
            ("POST", "chat"),
            ("GET", "method_not_allowed"),
            ("HEAD", "method_not_allowed"),
            ("PUT", "method_not_allowed"),
            ("post", "method_not_allowed"),
            ("OPTIONS", "page"),
        ],
    )
    def test_a_chat_path_of_ours_takes_chat_requests(self, door: EntryMode, method: str, expected: str) -> None:
        assert word(decided(OPEN, entry_mode=door, method=method)) == expected

    @OURS
    @pytest.mark.parametrize("path", [f"{CHAT}?x=1", f"/olla/proxy{CHAT}", f"/api{CHAT}"])
    def test_whatever_stands_before_or_behind_a_chat_path(self, door: EntryMode, path: str) -> None:
        assert word(decided(OPEN, entry_mode=door, path=path)) == "chat"

    @pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
    @pytest.mark.parametrize("path", ["/", "/v1/models", "/healthz", "/nothing", f"{CHAT}/x", "", "*", f"/?{CHAT}"])
    def test_every_other_path_at_our_own_door_is_a_page(self, method: str, path: str) -> None:
        assert word(decided(OPEN, path=path, method=method)) == "page"

    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            ("/healthz", "page"),
            ("/healthz?x=1", "page"),
            ("/internal", "page"),
            ("/internal/exchanges?limit=2", "page"),
            ("/api/keys", "page"),
            ("/healthzz", "pass"),
            ("/internals/x", "pass"),
            ("/apis", "pass"),
            ("/x/api", "pass"),
            ("/?/api", "page"),
            ("/v1/models", "pass"),
            ("/", "page"),
            ("/static/app.js", "page"),
            ("/statics", "pass"),
            ("/other", "pass"),
        ],
    )
    def test_in_reverse_mode_only_the_operators_pages_are_ours(self, path: str, expected: str) -> None:
        assert word(decided(OPEN, entry_mode=EntryMode.REVERSE, path=path, method="GET")) == expected

    @pytest.mark.parametrize("path", ["/", "/healthz", "/internal/exchanges", "/api/keys", "/v1/models"])
    @pytest.mark.parametrize("host", ["api.openai.com", "other.test"])
    def test_as_a_proxy_there_are_no_pages(self, path: str, host: str) -> None:
        assert word(decided(OPEN, entry_mode=EntryMode.PROXY, host=host, path=path, method="GET")) == "pass"

    @pytest.mark.parametrize(
        ("host", "method", "expected"),
        [
            ("api.openai.com", "POST", "chat"),
            ("API.OpenAI.com", "POST", "chat"),
            ("api.openai.com", "GET", "pass"),
            ("api.openai.com", "OPTIONS", "pass"),
            ("other.test", "POST", "pass"),
            ("api.openai.com.evil.test", "POST", "pass"),
            ("", "POST", "pass"),
        ],
    )
    def test_as_a_proxy_only_chat_requests_to_intercepted_hosts_are_ours(
        self, host: str, method: str, expected: str
    ) -> None:
        assert word(decided(OPEN, entry_mode=EntryMode.PROXY, host=host, method=method)) == expected

    @pytest.mark.parametrize("door", EntryMode)
    @pytest.mark.parametrize("path", ["", CHAT])
    def test_a_tunnel_is_let_through_so_that_its_requests_can_be_received(self, door: EntryMode, path: str) -> None:
        assert word(decided(KEYED, entry_mode=door, method="CONNECT", path=path, host="api.openai.com")) == "pass"

    def test_a_chat_request_is_identified_by_its_dialect_and_entry(self) -> None:
        assert decided(OPEN) == ChatRequest(Dialect.OPENAI_CHAT, EntryMode.OWN)

    def test_a_wrong_method_gets_the_right_one(self) -> None:
        refusal = decided(OPEN, method="PATCH")
        assert isinstance(refusal, Refusal)
        assert refusal.dialect is Dialect.OPENAI_CHAT
        assert refusal.headers == (("Allow", "POST"),)
        assert "PATCH" in refusal.problem.message


TYPED = [
    ("/chat/completions", "chat", "pass"),
    ("/messages/", "chat", "pass"),
    ("/responses", "chat", "pass"),
    ("/messages/count_tokens", "chat", "pass"),
    ("/models/m:generateContent", "chat", "pass"),
    ("/openai/responses?api-version=preview", "chat", "pass"),
    ("/v4/chat/completions", "chat", "pass"),
    (f"{CHAT}/", "chat", "chat"),
    (f"/{CHAT}//", "chat", "chat"),
    ("/v1//chat//completions", "chat", "chat"),
    (f"/v1{CHAT}", "chat", "chat"),
    ("/v1beta/models/m%3AgenerateContent", "chat", "chat"),
    ("/v1beta/openai/chat/completions", "chat", "chat"),
    ("/openai/deployments/m/chat/completions?api-version=2024-10-21", "chat", "chat"),
    ("/v1/projects/P/locations/L/publishers/google/models/M:generateContent", "chat", "chat"),
    ("/v1/projects/P/locations/L/publishers/anthropic/models/M:rawPredict", "chat", "chat"),
    ("/api/messages", "page", "page"),
    ("/internal/responses", "page", "page"),
    ("/v1/threads/t/messages", "page", "pass"),
    ("/nothing", "page", "pass"),
]
"""Each with what it is at the router's own address, and in reverse mode."""


class TestTypedPaths:
    @pytest.mark.parametrize(("path", "own", "reverse"), TYPED)
    def test_what_can_be_identified_is_routed(self, path: str, own: str, reverse: str) -> None:
        assert word(decided(OPEN, path=path)) == own
        assert word(decided(OPEN, path=path, entry_mode=EntryMode.REVERSE)) == reverse
        assert word(decided(OPEN, path=path, entry_mode=EntryMode.PROXY, host="other.test")) == "pass"

    @pytest.mark.parametrize("path", [path for path, own, _ in TYPED if own == "chat"])
    def test_the_rules_of_admission_hold(self, path: str) -> None:
        foreign = named_host("HTTP/1.1", "", ("rebound.test:8080",))
        nameless = named_host("HTTP/1.1", "", ())
        assert word(decided(OPEN, path=path, local=False)) == "invalid_api_key"
        assert word(decided(OPEN, path=path, client_host=foreign)) == "forbidden"
        assert word(decided(OPEN, path=path, client_host=nameless)) in ("forbidden", "invalid_request")
        assert word(decided(OPEN, path=path, headers={"origin": "https://evil.test"})) == "forbidden"
        assert word(decided(OPEN, path=path, headers={"sec-fetch-site": "cross-site"})) == "forbidden"
        assert word(decided(KEYED, path=path)) == "invalid_api_key"
        assert word(decided(KEYED, path=path, headers={"authorization": "Bearer wrong"})) == "invalid_api_key"
        assert word(decided(KEYED, path=path, headers={"api-key": KEY})) == "chat"
        assert (
            word(decided(KEYED, path=path, headers={"api-key": KEY, "content-length": "1001"})) == "request_too_large"
        )
        assert word(decided(OPEN, path=path, method="GET")) == "method_not_allowed"

    def test_a_request_keeps_its_dialect_when_its_path_is_edited(self) -> None:
        chat = decided(OPEN)
        assert isinstance(chat, ChatRequest)
        assert chat.with_path("/messages").dialect is Dialect.ANTHROPIC
        assert chat.with_path("/nothing") is chat


RIGHT = [
    ({"authorization": f"Bearer {KEY}"}, CHAT),
    ({"authorization": f"bearer  {KEY} "}, CHAT),
    ({"x-api-key": KEY}, CHAT),
    ({"x-goog-api-key": KEY}, CHAT),
    ({"api-key": KEY}, CHAT),
    ({}, f"{CHAT}?alt=sse&key={KEY}"),
    ({}, f"{CHAT}?key=wrong&key=the%2Dclient-key"),
    ({"x-api-key": "wrong", "authorization": f"Bearer {KEY}"}, CHAT),
]
WRONG = [
    ({}, CHAT),
    ({"authorization": "Bearer wrong"}, CHAT),
    ({"authorization": "Bearer "}, CHAT),
    ({"authorization": KEY}, CHAT),
    ({"authorization": f"Bearer {KEY}x"}, CHAT),
    ({"authorization": f"Bearer {KEY[:-1]}"}, CHAT),
    ({"authorization": f"Bearer {KEY.upper()}"}, CHAT),
    ({"authorization": basic(KEY)}, CHAT),
    ({"authorization": f"Token {KEY}"}, CHAT),
    ({"x-api-key": ""}, CHAT),
    ({"x-api-key": f"Bearer {KEY}"}, CHAT),
    ({"cookie": f"key={KEY}"}, CHAT),
    ({"proxy-authorization": f"Bearer {KEY}"}, CHAT),
    ({}, f"/key={KEY}{CHAT}"),
    ({}, f"{CHAT}?apikey={KEY}"),
    ({}, f"{CHAT}?key="),
    ({"authorization": "Bearer \udcff"}, CHAT),
]
CROSS_SITE = {"origin": "https://evil.test", "sec-fetch-site": "cross-site"}


class TestOurDoors:
    @OURS
    @pytest.mark.parametrize(("headers", "path"), RIGHT)
    @pytest.mark.parametrize(("local", "site"), [(True, {}), (False, {}), (False, CROSS_SITE)])
    def test_the_client_key_lets_in_from_anywhere(
        self, door: EntryMode, headers: dict[str, str], path: str, local: bool, site: dict[str, str]
    ) -> None:
        assert word(decided(KEYED, entry_mode=door, headers=headers | site, path=path, local=local)) == "chat"

    @OURS
    @pytest.mark.parametrize(("headers", "path"), WRONG)
    @pytest.mark.parametrize("local", [True, False])
    def test_while_one_is_set_nothing_else_does_not_even_being_here(
        self, door: EntryMode, headers: dict[str, str], path: str, local: bool
    ) -> None:
        assert word(decided(KEYED, entry_mode=door, headers=headers, path=path, local=local)) == "invalid_api_key"

    @OURS
    @pytest.mark.parametrize(
        ("local", "headers", "expected"),
        [
            (True, {}, "chat"),
            (True, {"authorization": "Bearer anything"}, "chat"),
            (False, {}, "invalid_api_key"),
            (False, {"authorization": "Bearer anything"}, "invalid_api_key"),
            (True, CROSS_SITE, "forbidden"),
            (False, CROSS_SITE, "invalid_api_key"),
        ],
    )
    def test_while_none_is_set_it_is_the_place_that_counts(
        self, door: EntryMode, local: bool, headers: dict[str, str], expected: str
    ) -> None:
        assert word(decided(OPEN, entry_mode=door, headers=headers, local=local)) == expected

    @OURS
    def test_being_vouched_for_as_a_proxy_is_worth_nothing_here(self, door: EntryMode) -> None:
        assert word(decided(KEYED, entry_mode=door, tunnel_client="default")) == "invalid_api_key"

    def test_the_model_list_is_for_the_same_clients(self) -> None:
        assert client_problem("default", {"x-api-key": KEY}, False, NO_HOST, KEYED, keys_of(KEYED)) is None
        problem = client_problem(None, {}, True, HOME, KEYED, keys_of(KEYED))
        assert problem
        assert problem.code is Code.INVALID_API_KEY
        assert KEY not in problem.message

    @pytest.mark.parametrize(
        ("headers", "path", "words"),
        [
            ({}, "", "A client key is required"),
            ({"authorization": "Bearer sk-other"}, "", "not one of this router's"),
            ({}, "?key=sk-other", "not one of this router's"),
        ],
    )
    def test_an_unknown_key_is_distinguished_from_none(self, headers: dict[str, str], path: str, words: str) -> None:
        problem = client_problem(None, headers, True, HOME, KEYED, keys_of(KEYED), path)
        assert problem is not None
        assert words in problem.message
        assert "sk-other" not in problem.message


class TestHostNames:
    """A name that was made to point here stands for a web page somewhere, unless a client key speaks for it."""

    @OURS
    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("127.0.0.1:8080", "chat"),
            ("[::1]:8080", "chat"),
            ("192.0.2.7", "chat"),
            ("LocalHost.:8080", "chat"),
            ("a.localhost", "chat"),
            ("pointsman.local", "chat"),
            ("Listed.example:8080", "chat"),
            ("evil.example:8080", "forbidden"),
            ("127.0.0.1.evil.example", "forbidden"),
            ("router", "forbidden"),
            ("", "forbidden"),
        ],
    )
    def test_without_a_client_key_only_names_of_ours_are_served(
        self, door: EntryMode, name: str, expected: str
    ) -> None:
        server = Server.model_validate({"hosts": ["listed.example"]})
        assert word(decided(server, entry_mode=door, client_host=named_host("HTTP/1.1", "", (name,)))) == expected

    @OURS
    def test_with_the_client_key_the_name_does_not_matter(self, door: EntryMode) -> None:
        foreign = named_host("HTTP/1.1", "", ("evil.example",))
        headers = {"authorization": f"Bearer {KEY}"}
        assert word(decided(KEYED, entry_mode=door, client_host=foreign, headers=headers)) == "chat"

    @pytest.mark.parametrize("server", [OPEN, KEYED])
    @pytest.mark.parametrize("method", ["POST", "GET", "OPTIONS"])
    @OURS
    def test_an_unreadable_host_is_a_bad_request(self, server: Server, method: str, door: EntryMode) -> None:
        headers = {"authorization": f"Bearer {KEY}"}
        unclear = ClientHost(fault="The request names no host.")
        decision = decided(server, entry_mode=door, client_host=unclear, method=method, headers=headers)
        assert word(decision) == "invalid_request"

    def test_the_refusal_names_the_remedies(self) -> None:
        refusal = decided(OPEN, client_host=named_host("HTTP/1.1", "", ("evil.example",)))
        assert isinstance(refusal, Refusal)
        assert all(word in refusal.problem.message for word in ("evil.example", "server.hosts", "server.client_key"))

    def test_as_a_proxy_the_name_is_the_providers(self) -> None:
        unclear = ClientHost(fault="The request names no host.")
        assert word(decided(OPEN, entry_mode=EntryMode.PROXY, host="api.openai.com", client_host=unclear)) == "chat"

    def test_the_target_of_reverse_mode_is_a_name_of_ours(self) -> None:
        target = named_host("HTTP/1.1", "", ("api.openai.com",), "api.openai.com")
        assert word(decided(OPEN, entry_mode=EntryMode.REVERSE, client_host=target)) == "chat"


class TestWebPages:
    @pytest.mark.parametrize(
        ("headers", "cross"),
        [
            ({}, False),
            ({"origin": "http://localhost:3000"}, False),
            ({"origin": "http://LOCALHOST"}, False),
            ({"origin": "https://dev.localhost"}, False),
            ({"origin": "http://127.0.0.1:3000"}, False),
            ({"origin": "http://127.8.9.10"}, False),
            ({"origin": "http://[::1]:3000"}, False),
            ({"sec-fetch-site": "same-origin"}, False),
            ({"sec-fetch-site": "same-site"}, False),
            ({"sec-fetch-site": "none"}, False),
            ({"sec-fetch-site": "cross-site"}, True),
            ({"sec-fetch-site": "Cross-Site"}, True),
            ({"sec-fetch-site": "cross-site", "origin": "http://localhost"}, True),
            ({"sec-fetch-site": "same-origin", "origin": "https://evil.test"}, True),
            ({"origin": "https://evil.test"}, True),
            ({"origin": "http://127.0.0.1.evil.test"}, True),
            ({"origin": "http://localhost.evil.test"}, True),
            ({"origin": "http://evil-localhost"}, True),
            ({"origin": "http://localhost@evil.test"}, True),
            ({"origin": "http://192.168.1.5"}, True),
            ({"origin": "http://0.0.0.0"}, True),
            ({"origin": "null"}, True),
            ({"origin": ""}, True),
            ({"origin": "file://"}, True),
            ({"origin": "http://[::1"}, True),
            ({"origin": "http://[localhost]"}, True),
            ({"origin": "http://\u2100"}, True),
        ],
    )
    def test_one_of_this_machine_is_distinguished_from_all_others(self, headers: dict[str, str], cross: bool) -> None:
        assert is_cross_site(headers) is cross
        assert word(decided(OPEN, headers=headers)) == ("forbidden" if cross else "chat")

    def test_one_of_this_machine_may_read_its_answer(self) -> None:
        origin = "http://localhost:3000"
        chat = decided(OPEN, headers={"origin": origin})
        assert isinstance(chat, ChatRequest)
        assert dict(chat.cors)["Access-Control-Allow-Origin"] == origin
        assert dict(chat.cors)["Access-Control-Expose-Headers"] == "*"
        assert dict(chat.cors)["Vary"] == "Origin"

    @pytest.mark.parametrize("headers", [{}, {"origin": "https://evil.test"}, {"origin": "null"}, CROSS_SITE])
    def test_no_other_is_invited_to(self, headers: dict[str, str]) -> None:
        assert cors_headers(headers) == ()
        keyed = decided(KEYED, headers=headers | {"x-api-key": KEY})
        assert isinstance(keyed, ChatRequest)
        assert keyed.cors == ()

    def test_as_a_proxy_that_is_for_the_provider_to_say(self) -> None:
        chat = decided(
            OPEN, entry_mode=EntryMode.PROXY, host="api.openai.com", headers={"origin": "http://localhost:3000"}
        )
        assert chat == ChatRequest(Dialect.OPENAI_CHAT, EntryMode.PROXY)


class TestProxyDoor:
    def decided(self, server: Server, **head: Any) -> str:
        return word(decided(server, entry_mode=EntryMode.PROXY, host="api.openai.com", **head))

    @pytest.mark.parametrize(
        ("local", "vouched", "expected"),
        [
            (True, False, "chat"),
            (True, True, "chat"),
            (False, True, "chat"),
            (False, False, "invalid_api_key"),
        ],
    )
    def test_the_address_or_an_earlier_login_lets_in(self, local: bool, vouched: bool, expected: str) -> None:
        assert self.decided(KEYED, local=local, tunnel_client="default" if vouched else None) == expected

    def test_without_a_client_key_the_place_decides(self) -> None:
        assert self.decided(OPEN, local=True) == "chat"
        assert self.decided(OPEN, local=False, headers={"x-api-key": KEY}) == "invalid_api_key"

    @pytest.mark.parametrize(("headers", "path"), RIGHT)
    def test_a_clients_key_in_the_place_of_a_providers_lets_in_and_is_marked(
        self, headers: dict[str, str], path: str
    ) -> None:
        chat = decided(
            KEYED, entry_mode=EntryMode.PROXY, host="api.openai.com", headers=headers, path=path, local=False
        )
        assert isinstance(chat, ChatRequest)
        assert chat.client == "default"
        assert chat.key_places
        assert chat.key_places <= {*headers, "key"}

    def test_the_client_key_as_proxy_password_lets_in(self) -> None:
        assert self.decided(KEYED, headers={"proxy-authorization": basic(KEY)}, local=False) == "chat"


class TestForward:
    """What is not routed, and comes from another machine unless a test says otherwise."""

    def decided(self, forward: str | None, **head: Any) -> str:
        server = Server.model_validate({"client_key": KEY, **({"forward": forward} if forward else {})})
        usual = {"entry_mode": EntryMode.PROXY, "host": "other.test", "method": "GET", "path": "/x", "local": False}
        return word(decided(server, **usual | head))

    @pytest.mark.parametrize(
        ("forward", "without", "with_key"),
        [
            (None, "proxy_auth_required", "pass"),
            ("key", "proxy_auth_required", "pass"),
            ("local", "proxy_auth_required", "proxy_auth_required"),
            ("open", "pass", "pass"),
        ],
    )
    @pytest.mark.parametrize("method", ["GET", "CONNECT", "POST", "OPTIONS"])
    @pytest.mark.parametrize("host", ["other.test", "1.2.3.4"])
    def test_it_says_who_may_pass(
        self, forward: str | None, without: str, with_key: str, method: str, host: str
    ) -> None:
        assert self.decided(forward, method=method, host=host) == without
        key = {"proxy-authorization": basic(KEY)}
        assert self.decided(forward, method=method, host=host, headers=key) == with_key
        assert self.decided(forward, method=method, host=host, tunnel_client="default") == with_key
        assert self.decided(forward, method=method, host=host, headers={"authorization": f"Bearer {KEY}"}) == without

    @pytest.mark.parametrize("forward", [None, "local", "key", "open"])
    @pytest.mark.parametrize("method", ["GET", "CONNECT"])
    def test_this_machine_always_passes_and_so_does_whom_mitmproxy_judges(
        self, forward: str | None, method: str
    ) -> None:
        assert self.decided(forward, method=method, local=True) == "pass"
        assert self.decided(forward, method=method, is_exempt=True) == "pass"
        assert self.decided(forward, method=method, entry_mode=EntryMode.REVERSE) == "pass"

    def test_a_tunnel_to_ourselves_is_no_forwarding(self) -> None:
        assert self.decided("local", method="CONNECT", entry_mode=EntryMode.OWN) == "pass"

    def test_local_lets_the_key_reach_what_is_routed(self) -> None:
        key, host = {"proxy-authorization": basic(KEY)}, "api.openai.com"
        assert self.decided("local", method="CONNECT", host=host, headers=key) == "pass"
        assert self.decided("local", method="CONNECT", host=host) == "proxy_auth_required"
        assert self.decided("local", host=host, headers=key) == "proxy_auth_required"
        server = Server.model_validate({"client_key": KEY, "forward": "local"})
        chat = decided(server, entry_mode=EntryMode.PROXY, host=host, headers=key, local=False)
        assert isinstance(chat, ChatRequest)
        assert not chat.may_pass

    def test_the_refusal_asks_for_a_password(self) -> None:
        refusal = decided(KEYED, entry_mode=EntryMode.PROXY, host="other.test", path="/v1/messages", local=False)
        assert isinstance(refusal, Refusal)
        assert refusal.headers == (("Proxy-Authenticate", 'Basic realm="pointsman"'),)
        assert refusal.dialect is Dialect.ANTHROPIC
        assert refusal.problem.status == 407

    @pytest.mark.parametrize(("server", "policy"), [(OPEN, "local"), (KEYED, "key")])
    def test_the_default_goes_by_the_client_key(self, server: Server, policy: str) -> None:
        assert forward_policy(server, keys_of(server)) == policy


FITTING = ["", "0", "1000", "x", "-1", "1001.5", "+5000"]
TOO_LARGE = ["1001", "9" * 30, "0001001"]


class TestBodies:
    @pytest.mark.parametrize(
        ("door", "length", "expected"),
        [
            *((door, length, "chat") for door, length in product(EntryMode, FITTING)),
            *((door, length, "request_too_large") for door, length in product(EntryMode, TOO_LARGE)),
        ],
    )
    def test_one_that_announces_too_much_is_refused_before_it_is_in(
        self, door: EntryMode, length: str, expected: str
    ) -> None:
        headers = {"content-length": length, "x-api-key": KEY}
        assert word(decided(KEYED, entry_mode=door, host="api.openai.com", headers=headers)) == expected

    def test_the_refusal_names_the_limit(self) -> None:
        refusal = decided(KEYED, headers={"content-length": "1001", "x-api-key": KEY})
        assert isinstance(refusal, Refusal)
        assert "1001" in refusal.problem.message
        assert "1000" in refusal.problem.message

    def test_a_client_that_is_refused_sees_no_limit(self) -> None:
        assert word(decided(KEYED, headers={"content-length": "1001"})) == "invalid_api_key"

    def test_a_wrong_method_comes_before_everything_else(self) -> None:
        headers = {"content-length": "1001", **CROSS_SITE}
        assert word(decided(KEYED, method="GET", headers=headers, local=False)) == "method_not_allowed"

    def test_what_is_not_ours_may_be_of_any_size(self) -> None:
        assert (
            word(decided(KEYED, entry_mode=EntryMode.PROXY, host="other.test", headers={"content-length": "9999"}))
            == "pass"
        )


TEXT = st.one_of(
    st.text(max_size=30),
    st.binary(max_size=30).map(lambda data: data.decode("utf-8", "surrogateescape")),  # as mitmproxy reads headers
)
VALUES = st.one_of(
    TEXT,
    st.sampled_from([KEY, f"Bearer {KEY}", basic(KEY), "http://localhost"]),
    TEXT.map("Basic ".__add__),
    TEXT.map("Bearer ".__add__),
    TEXT.map("http://".__add__),
    TEXT.map("http://[".__add__),
)
NAMES = ("authorization", "x-api-key", "proxy-authorization", "origin", "sec-fetch-site", "content-length", "host")


@given(
    door=st.sampled_from(EntryMode),
    method=st.sampled_from(["GET", "POST", "OPTIONS"]),
    path=st.one_of(TEXT, TEXT.map(f"{CHAT}?key=".__add__)),
    headers=st.dictionaries(st.sampled_from(NAMES), VALUES),
    local=st.booleans(),
    server=st.sampled_from([OPEN, KEYED]),
)
@hypothesis_settings(deadline=None)
def test_whatever_a_client_sends_there_is_a_decision(
    door: EntryMode, method: str, path: str, headers: dict[str, str], local: bool, server: Server
) -> None:
    head = {
        "entry_mode": door,
        "method": method,
        "path": path,
        "headers": headers,
        "local": local,
        "host": "api.openai.com",
    }
    decision = decided(server, **head)
    assert word(decision)
    if isinstance(decision, ChatRequest) and server is KEYED and door is not EntryMode.PROXY:
        assert KEY in credentials(headers, path)


def test_nothing_that_can_be_printed_holds_a_credential() -> None:
    headers = {"authorization": "Bearer sk-one"}
    arrival = RequestHead(EntryMode.OWN, "POST", f"{CHAT}?key=sk-two", "", headers, local=True)
    assert "sk-" not in repr((arrival, admit(arrival, KEYED, keys_of(KEYED)), admit(arrival, OPEN, NO_CLIENTS)))


class TestReplays:
    @pytest.mark.parametrize(
        ("head", "is_routed"),
        [
            ({}, True),
            ({"entry_mode": EntryMode.REVERSE}, True),
            ({"entry_mode": EntryMode.PROXY, "host": "API.OpenAI.com"}, True),
            ({"entry_mode": EntryMode.PROXY, "host": "elsewhere.test"}, False),
            ({"method": "GET"}, False),
            ({"path": "/internal/health"}, False),
            ({"local": False}, True),
        ],
    )
    def test_chats_that_were_routed_are_routed_without_asking_for_a_key(
        self, head: dict[str, Any], is_routed: bool
    ) -> None:
        usual = {"entry_mode": EntryMode.OWN, "method": "POST", "path": CHAT, "host": "", "headers": {}, "local": True}
        decision = admit_replay(RequestHead(**usual | head), KEYED)
        assert isinstance(decision, ChatRequest) is is_routed
        assert decision is NotRouted.FORWARD or decision.is_replay  # type: ignore[union-attr]


class TestEditedPaths:
    @pytest.mark.parametrize(
        ("path", "dialect"),
        [
            ("/v1/messages", Dialect.ANTHROPIC),
            ("/v1beta/models/g:generateContent", Dialect.GEMINI),
            (CHAT, Dialect.OPENAI_CHAT),
            ("/no/chat", Dialect.OPENAI_CHAT),
        ],
    )
    def test_the_dialect_is_the_paths_where_it_is_a_chat_path(self, path: str, dialect: Dialect) -> None:
        assert ChatRequest(Dialect.OPENAI_CHAT, EntryMode.OWN).with_path(path).dialect is dialect


class TestOtherEndpoints:
    """Embeddings, files and so on: `door` is how the client comes in, `kinds` those of the configured models."""

    @pytest.mark.parametrize(
        ("door", "kinds", "expected"),
        [
            (EntryMode.OWN, {Kind.EMBEDDING}, "chat"),
            (EntryMode.OWN, {Kind.CHAT}, "chat"),
            (EntryMode.REVERSE, {Kind.EMBEDDING}, "chat"),
            (EntryMode.REVERSE, {Kind.CHAT}, "pass"),
            (EntryMode.PROXY, {Kind.EMBEDDING}, "chat"),
            (EntryMode.PROXY, {Kind.CHAT}, "pass"),
        ],
    )
    def test_on_their_way_elsewhere_only_configured_kinds_are_ours(
        self, door: EntryMode, kinds: set[Kind], expected: str
    ) -> None:
        head = {"entry_mode": door, "host": "api.openai.com", "path": "/v1/embeddings", "kinds": frozenset(kinds)}
        assert word(decided(OPEN, **head)) == expected

    @pytest.mark.parametrize(
        ("door", "method", "expected"),
        [
            (EntryMode.OWN, "GET", "chat"),
            (EntryMode.OWN, "POST", "chat"),
            (EntryMode.OWN, "DELETE", "chat"),
            (EntryMode.OWN, "PUT", "method_not_allowed"),
            (EntryMode.OWN, "OPTIONS", "page"),
            (EntryMode.REVERSE, "GET", "pass"),
            (EntryMode.PROXY, "GET", "pass"),
        ],
    )
    def test_files_are_ours_at_our_own_address(self, door: EntryMode, method: str, expected: str) -> None:
        head = {"entry_mode": door, "host": "api.openai.com", "path": "/v1/files/file-a", "method": method}
        assert word(decided(OPEN, **head)) == expected

    @pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/files"])
    def test_they_need_the_client_key(self, path: str) -> None:
        assert word(decided(KEYED, path=path)) == "invalid_api_key"

    def test_a_file_that_was_asked_for_is_asked_for_again_in_a_replay(self) -> None:
        usual = {"entry_mode": EntryMode.OWN, "host": "", "headers": {}, "local": True}
        head = RequestHead(**usual, method="GET", path="/v1/files/file-a")  # type: ignore[arg-type]
        assert isinstance(admit_replay(head, OPEN), ChatRequest)

    def test_an_edited_path_may_lead_to_one(self) -> None:
        edited = ChatRequest(Dialect.OPENAI_CHAT, EntryMode.OWN).with_path("/v1/embeddings")
        assert edited.endpoint
        assert edited.endpoint.kind is Kind.EMBEDDING
        assert edited.with_path(CHAT) == ChatRequest(Dialect.OPENAI_CHAT, EntryMode.OWN)
