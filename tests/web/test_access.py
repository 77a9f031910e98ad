"""Who may see the admin API: keys, sessions, host names, other sites, and clients that guess."""

from typing import Any

import pytest

from pointsman.auth_throttle import MAX_WRONG_KEYS
from pointsman.client_host import named_host
from pointsman.clients.identity import ClientKeys
from pointsman.config import Server
from pointsman.config.clients import client_table
from pointsman.web import access
from pointsman.web.access import AccessControl, AccessLevel
from pointsman.web.http import PageRequest
from pointsman.web.logins import LIFETIME, LoginSessions, cookie_name, set_cookie, token_of
from pointsman.wire.errors import Problem
from web.page_requests import ADMIN, CLIENT

HOME = "127.0.0.1:8080"
COOKIE = "pointsman-8080"
BEARER = {"authorization": f"Bearer {ADMIN}"}


class Clock:
    now = 1000.0


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(access, "monotonic", lambda: clock.now)
    monkeypatch.setattr(access, "time", lambda: clock.now)
    return clock


def keeper(**server: Any) -> AccessControl:
    settings = Server.model_validate({"client_key": CLIENT, **server})
    keys = ClientKeys(client_table({}, CLIENT))
    return AccessControl(lambda: settings, lambda: ADMIN, lambda: keys)


def asked(method: str = "GET", address: str = "127.0.0.1", listener_port: int = 8080, **headers: str) -> PageRequest:
    named = {"host": HOME} | {name.replace("_", "-"): value for name, value in headers.items()}
    host = named_host("HTTP/1.1", "", (named["host"],))
    return PageRequest(method, "/api/keys", "", named, b"", True, address, host, listener_port)


def status(problem: Problem | None) -> int:
    return problem.status if problem else 200


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ({"host": "localhost:8080"}, 200),
        ({"host": "[::1]:8080"}, 200),
        ({"host": "router.localhost"}, 200),
        ({"host": "192.168.1.7:8080"}, 200),
        ({"host": "pointsman.local"}, 200),
        ({"host": "Listed.example:8080"}, 200),
        ({"host": "evil.example:8080"}, 403),
        ({"host": "127.0.0.1.evil.example"}, 403),
        ({"host": ""}, 403),
        ({"host": "]["}, 403),
        ({"origin": f"http://{HOME}"}, 200),
        ({"origin": "http://localhost:3000"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://pointsman.local"}, 403),
        ({"host": "pointsman.local", "origin": "http://pointsman.local"}, 200),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "same-origin"}, 200),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_foreign_names_and_sites_are_refused_even_with_the_key(
    method: str, head: dict[str, str], expected: int
) -> None:
    found = keeper(hosts=["listed.example"]).access_problem(AccessLevel.ADMIN, asked(method, **(BEARER | head)))
    assert status(found) == expected


class TestGuessing:
    def test_after_ten_wrong_keys_the_right_one_waits_too(self, clock: Clock) -> None:
        one = keeper()
        wrong = asked(authorization="Bearer nonsense")
        assert [status(one.access_problem(AccessLevel.ADMIN, wrong)) for _ in range(MAX_WRONG_KEYS + 1)] == [
            401
        ] * MAX_WRONG_KEYS + [429]
        waiting = one.access_problem(AccessLevel.ADMIN, asked(**BEARER))
        assert waiting
        assert (waiting.status, waiting.retry_after) == (429, 60.0)
        assert one.access_problem(AccessLevel.ADMIN, asked(address="10.0.0.9", **BEARER)) is None
        clock.now += 60
        assert one.access_problem(AccessLevel.ADMIN, asked(**BEARER)) is None

    def test_no_key_is_no_guess(self) -> None:
        one = keeper()
        assert {status(one.access_problem(AccessLevel.ADMIN, asked())) for _ in range(MAX_WRONG_KEYS * 3)} == {401}

    def test_logging_in_counts(self) -> None:
        one = keeper()
        assert not any(one.is_admin_key("nonsense", asked("POST")) for _ in range(MAX_WRONG_KEYS))
        assert status(one.access_problem(AccessLevel.LOGIN, asked("POST"))) == 429

    def test_a_session_goes_on(self) -> None:
        one = keeper()
        token, _ = one.logins.begin(asked(), ADMIN, 1000.0)
        for _ in range(MAX_WRONG_KEYS):
            one.access_problem(AccessLevel.ADMIN, asked(authorization="Bearer nonsense"))
        assert one.access_problem(AccessLevel.ADMIN, asked(cookie=f"{COOKIE}={token}")) is None


class TestSessions:
    @pytest.mark.parametrize(
        ("method", "head", "expected"),
        [
            ("GET", {}, 200),
            ("HEAD", {}, 200),
            ("POST", {}, 403),
            ("DELETE", {"x_csrf_token": "wrong"}, 403),
            ("POST", {"x_csrf_token": "right"}, 200),
            ("POST", {"x_csrf_token": "right", "origin": f"http://{HOME}"}, 200),
            ("POST", {"x_csrf_token": "right", "origin": "http://localhost:3000"}, 403),
            ("POST", {"x_csrf_token": "right", "authorization": "Bearer nonsense"}, 401),
            ("POST", {"x_csrf_token": "ri\udcffght"}, 403),
        ],
    )
    def test_a_change_needs_the_token_and_the_dashboards_own_page(
        self, method: str, head: dict[str, str], expected: int
    ) -> None:
        one = keeper()
        token, login = one.logins.begin(asked(), ADMIN, 1000.0)
        if head.get("x_csrf_token") == "right":
            head = head | {"x_csrf_token": login.csrf}
        assert (
            status(one.access_problem(AccessLevel.ADMIN, asked(method, cookie=f"a=b; {COOKIE}={token}", **head)))
            == expected
        )

    def test_it_ends_in_time_with_the_key_or_by_its_owner(self) -> None:
        logins = LoginSessions()
        token, _ = logins.begin(asked(), ADMIN, 0.0)
        again = asked(cookie=f"{COOKIE}={token}")
        assert logins.find(again, ADMIN, LIFETIME - 1)
        assert logins.find(again, ADMIN, LIFETIME) is None
        assert logins.find(again, "another-admin-key", 1.0) is None
        assert logins.find(asked(cookie=f"{COOKIE}={token}x"), ADMIN, 1.0) is None
        logins.end(again, ADMIN, 1.0)
        assert logins.find(again, ADMIN, 1.0) is None

    def test_another_router_with_the_same_key_accepts_it(self) -> None:
        one, other = LoginSessions(), LoginSessions()
        one.tokens.on_ended = lambda nonce: other.tokens.forget(nonce, 1.0)
        token, login = one.begin(asked(), ADMIN, 0.0)
        again = asked(cookie=f"{COOKIE}={token}")
        assert other.find(again, ADMIN, 1.0) == login
        one.end(again, ADMIN, 1.0)
        assert other.find(again, ADMIN, 1.0) is None

    @pytest.mark.parametrize(
        ("host", "listener", "name"),
        [
            ("127.0.0.1:8080", 8080, "pointsman-8080"),
            ("[::1]:9090", 8080, "pointsman-9090"),
            ("router.example", 8081, "pointsman-8081"),
        ],
    )
    def test_its_cookie_is_named_after_the_port_in_the_browser(self, host: str, listener: int, name: str) -> None:
        request = asked(host=host, listener_port=listener)
        assert cookie_name(request) == name
        assert set_cookie(request, "t").startswith(f"{name}=t; ")

    @pytest.mark.parametrize("host", ["127.0.0.1:8081", "localhost:8080", "127.0.0.1"])
    def test_it_holds_only_at_the_host_and_port_that_it_began_at(self, host: str) -> None:
        logins = LoginSessions()
        token, _ = logins.begin(asked(), ADMIN, 0.0)
        elsewhere = asked(host=host)
        moved = asked(host=host, cookie=f"{COOKIE}={token}; {cookie_name(elsewhere)}={token}")
        assert logins.find(moved, ADMIN, 1.0) is None
        assert logins.find(asked(cookie=f"pointsman-9090=theirs; {COOKIE}={token}"), ADMIN, 1.0)

    def test_no_part_of_a_token_can_be_changed(self) -> None:
        logins = LoginSessions()
        token, _ = logins.begin(asked(), ADMIN, 0.0)
        for place in range(0, len(token), 5):
            other = "A" if token[place] != "A" else "B"
            changed = f"{token[:place]}{other}{token[place + 1 :]}"
            assert logins.find(asked(cookie=f"{COOKIE}={changed}"), ADMIN, 1.0) is None

    def test_scripts_and_other_sites_never_get_the_cookie(self) -> None:
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(set_cookie(asked(), "t").split("; "))
        assert "Max-Age=0" in set_cookie(asked(), "")

    @pytest.mark.parametrize("cookies", ["", "a=b", f"{COOKIE}", f"{COOKIE}=", f'x; {COOKIE}="', "\udcff=\x00;;="])
    def test_a_strange_cookie_is_none(self, cookies: str) -> None:
        assert not token_of(cookies, COOKIE).strip('"')
