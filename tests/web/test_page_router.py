"""The table of own pages: which function answers, and who may see what it says."""

import logging
from collections.abc import Callable
from typing import Any

import pytest

from pointsman.clients.identity import ClientKeys
from pointsman.config import Server
from pointsman.config.clients import client_table
from pointsman.web.access import AccessControl, AccessLevel
from pointsman.web.http import PageReply, PageRequest, json_reply
from pointsman.web.page_router import MAX_LOGGED_PATHS, PageRoute, PageRouter
from pointsman.wire.errors import Code, Problem
from web.page_requests import ADMIN, CLIENT, FOREIGN_HOST, code_of, payload_of, request

type Answer = Callable[[PageRequest, str], PageReply]

OPEN = Server()
KEYED = Server.model_validate({"client_key": CLIENT})


def saying(word: str) -> Answer:
    return lambda _, rest: json_reply({"page": word, "rest": rest})


def failing(error: Exception) -> Answer:
    def answer(_: PageRequest, __: str) -> PageReply:
        raise error

    return answer


def pages(*table: PageRoute, server: Server = OPEN) -> PageRouter:
    keys = ClientKeys(client_table({}, CLIENT if server is KEYED else None))
    return PageRouter(table, AccessControl(lambda: server, lambda: ADMIN, lambda: keys))


class TestFinding:
    table = pages(
        PageRoute("GET", "/list", AccessLevel.OPEN, saying("list")),
        PageRoute("POST", "/list", AccessLevel.OPEN, saying("add")),
        PageRoute("GET", "/list/*", AccessLevel.OPEN, saying("one")),
        PageRoute("GET", "/list/all", AccessLevel.OPEN, saying("all")),
        PageRoute("DELETE", "/list/*", AccessLevel.OPEN, saying("remove")),
    )

    @pytest.mark.parametrize(
        ("method", "path", "page", "rest"),
        [
            ("GET", "/list", "list", ""),
            ("HEAD", "/list", "list", ""),
            ("POST", "/list", "add", ""),
            ("GET", "/list/x", "one", "x"),
            ("DELETE", "/list/x", "remove", "x"),
            ("GET", "/list/a%2Fb", "one", "a%2Fb"),
            ("GET", "/list/*", "one", "*"),
            ("GET", "/list/all", "all", ""),
            ("GET", "/list/", "list", ""),
            ("GET", "//list", "list", ""),
            ("GET", "/list//x/", "one", "x"),
        ],
    )
    def test_path_and_method_choose_the_page(self, method: str, path: str, page: str, rest: str) -> None:
        assert payload_of(self.table.handle(request(path, method))) == {"page": page, "rest": rest}

    @pytest.mark.parametrize("path", ["/", "", "/lis", "/list/x/y", "/LIST", "/x/list", "*"])
    def test_anything_else_is_not_found(self, path: str) -> None:
        reply = self.table.handle(request(path))
        assert (reply.status, code_of(reply)) == (404, "not_found")

    @pytest.mark.parametrize(
        ("method", "path", "allowed"),
        [("DELETE", "/list", "GET, POST"), ("POST", "/list/x", "DELETE, GET"), ("get", "/list/all", "GET")],
    )
    def test_a_wrong_method_gets_the_right_ones(self, method: str, path: str, allowed: str) -> None:
        reply = self.table.handle(request(path, method))
        assert (reply.status, code_of(reply)) == (405, "method_not_allowed")
        assert ("Allow", allowed) in reply.headers

    @pytest.mark.parametrize("path", ["/\udcff", "/" + "x" * 100_000])
    def test_a_strange_path_is_not_found_either_and_not_repeated_at_length(self, path: str) -> None:
        reply = self.table.handle(request(path))
        assert reply.status == 404
        assert len(reply.body) < 500


class TestUnknownPaths:
    table = (
        PageRoute("GET", "/healthz", AccessLevel.OPEN, saying("ok")),
        PageRoute("GET", "/api/keys", AccessLevel.ADMIN, saying("keys")),
        PageRoute("GET", "/v1/models/**", AccessLevel.CLIENT, saying("model")),
        PageRoute("GET", "/v1/models", AccessLevel.CLIENT, saying("models")),
    )

    @pytest.mark.parametrize(
        ("path", "rest"),
        [
            ("/v1/models/a", "a"),
            ("/v1/models/a/b:free", "a/b:free"),
            ("/v1/models/a%2Fb/", "a%2Fb"),
            ("/models/a/b/c/d", "a/b/c/d"),
            ("/x/y/v1/models/a", "a"),
        ],
    )
    def test_a_model_is_named_by_all_that_follows(self, path: str, rest: str) -> None:
        assert payload_of(pages(*self.table).handle(request(path))) == {"page": "model", "rest": rest}

    @pytest.mark.parametrize(
        ("path", "hint"),
        [
            ("/v1/chat/completion", "Did you mean POST /v1/chat/completions?"),
            ("/v1/modles", "Did you mean GET /v1/models?"),
            ("/health", "Did you mean GET /healthz?"),
            ("/api/key", "Clients use POST /v1/chat/completions, /v1/responses"),
            ("/favicon.ico", "Clients use POST /v1/chat/completions, /v1/responses"),
        ],
    )
    def test_the_nearest_right_path_is_named_and_logged(
        self, path: str, hint: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        router = pages(*self.table)
        with caplog.at_level(logging.INFO):
            replies = [router.handle(request(path)) for _ in range(3)]
        assert {reply.status for reply in replies} == {404}
        assert f"There is no page at {path}. {hint}" in payload_of(replies[0])["error"]["message"]
        [line] = caplog.messages
        assert f"404 for GET '{path}'" in line
        assert hint in line

    def test_a_flood_of_them_is_not_logged_whole(self, caplog: pytest.LogCaptureFixture) -> None:
        router = pages(*self.table)
        with caplog.at_level(logging.INFO):
            for number in range(MAX_LOGGED_PATHS * 2):
                assert router.handle(request(f"/wrong/{number}")).status == 404
        assert len(caplog.messages) == MAX_LOGGED_PATHS

    @pytest.mark.parametrize(
        ("path", "headers", "member"),
        [
            ("/v1/mesages", {"anthropic_version": "2023-06-01"}, {"type": "error"}),
            ("/v1beta/mdels", {}, {}),
            ("/internal/x", {"anthropic_version": "2023-06-01"}, {}),
        ],
    )
    def test_it_is_in_the_askers_form(self, path: str, headers: dict[str, str], member: dict[str, str]) -> None:
        reply = pages(*self.table).handle(request(path, **headers))
        told = payload_of(reply)
        assert (reply.status, {name: told[name] for name in told if name != "error"}) == (404, member)
        assert (told["error"].get("status") == "NOT_FOUND") is path.startswith("/v1beta")


LOCAL_PAGE = "http://localhost:3000"
BEARER: dict[str, Any] = {"authorization": f"Bearer {ADMIN}"}
HERE: dict[str, Any] = {"local": True}
AWAY: dict[str, Any] = {"local": False}


class TestGates:
    @pytest.mark.parametrize(
        ("gate", "server", "head", "status"),
        [
            (AccessLevel.OPEN, KEYED, AWAY, 200),
            (AccessLevel.OPEN, KEYED, AWAY | {"origin": "https://evil.test"}, 200),
            (AccessLevel.CLIENT, OPEN, HERE, 200),
            (AccessLevel.CLIENT, OPEN, AWAY, 401),
            (AccessLevel.CLIENT, OPEN, HERE | {"origin": "https://evil.test"}, 403),
            (AccessLevel.CLIENT, KEYED, HERE, 401),
            (AccessLevel.CLIENT, KEYED, AWAY | {"x_api_key": CLIENT}, 200),
            (AccessLevel.CLIENT, KEYED, AWAY | {"query": f"key={CLIENT}"}, 200),
            (AccessLevel.CLIENT, KEYED, HERE | BEARER, 401),
            (AccessLevel.OPERATOR, KEYED, HERE, 200),
            (AccessLevel.OPERATOR, OPEN, AWAY, 401),
            (AccessLevel.OPERATOR, OPEN, AWAY | BEARER, 200),
            (AccessLevel.OPERATOR, KEYED, AWAY | {"x_api_key": CLIENT}, 401),
            (AccessLevel.OPERATOR, OPEN, HERE | {"origin": LOCAL_PAGE}, 200),
            (AccessLevel.OPERATOR, OPEN, HERE | {"origin": "https://evil.test"}, 401),
            (AccessLevel.OPERATOR, OPEN, HERE | {"sec_fetch_site": "cross-site"}, 401),
            (AccessLevel.OPERATOR, OPEN, HERE | FOREIGN_HOST, 401),
            (AccessLevel.OPERATOR, OPEN, HERE | FOREIGN_HOST | BEARER, 200),
            (AccessLevel.OPERATOR, OPEN, HERE | {"host": "localhost"}, 200),
            (AccessLevel.OPERATOR, OPEN, HERE | {"host": "[::1]:8080"}, 200),
            (AccessLevel.OPERATOR, OPEN, HERE | {"host": "192.168.1.5:8080"}, 200),
            (AccessLevel.OPERATOR, OPEN, HERE | {"host": ""}, 401),
            (AccessLevel.OPERATOR, OPEN, HERE | {"host": "["}, 400),
            (AccessLevel.ADMIN, OPEN, HERE, 401),
            (AccessLevel.ADMIN, OPEN, HERE | BEARER, 200),
            (AccessLevel.ADMIN, OPEN, AWAY | BEARER, 200),
            (AccessLevel.ADMIN, OPEN, HERE | {"x_api_key": ADMIN}, 200),
            (AccessLevel.ADMIN, OPEN, HERE | {"query": f"key={ADMIN}"}, 401),
            (AccessLevel.ADMIN, OPEN, HERE | {"authorization": f"Bearer {ADMIN}x"}, 401),
            (AccessLevel.ADMIN, KEYED, HERE | {"authorization": f"Bearer {CLIENT}"}, 401),
        ],
    )
    def test_who_may_see_a_page(self, gate: AccessLevel, server: Server, head: dict[str, Any], status: int) -> None:
        table = pages(PageRoute("GET", "/page", gate, saying("secret")), server=server)
        reply = table.handle(request("/page", **head))
        assert reply.status == status
        assert (b"secret" in reply.body) is (status == 200)
        assert ADMIN.encode() not in reply.body

    def test_keys_are_asked_for_at_each_request_so_that_a_reload_counts(self) -> None:
        keys = ["old-admin-key"]
        table = PageRouter(
            [PageRoute("GET", "/page", AccessLevel.ADMIN, saying("x"))], AccessControl(lambda: OPEN, lambda: keys[-1])
        )
        keys.append("new-admin-key")
        assert table.handle(request("/page", authorization="Bearer old-admin-key")).status == 401
        assert table.handle(request("/page", authorization="Bearer new-admin-key")).status == 200

    def test_a_wrong_method_is_reported_without_a_key(self) -> None:
        table = pages(PageRoute("GET", "/page", AccessLevel.ADMIN, saying("x")))
        assert table.handle(request("/page", "POST", local=False)).status == 405


class TestBrowsers:
    table = pages(
        PageRoute("GET", "/page", AccessLevel.OPEN, saying("x")),
        PageRoute("GET", "/bad", AccessLevel.OPEN, failing(KeyError())),
    )

    @pytest.mark.parametrize("path", ["/page", "/nothing", "/bad"])
    def test_a_page_of_this_machine_may_read_every_answer(self, path: str) -> None:
        headers = dict(self.table.handle(request(path, origin=LOCAL_PAGE)).headers)
        assert headers["Access-Control-Allow-Origin"] == LOCAL_PAGE

    @pytest.mark.parametrize("head", [{}, {"origin": "https://evil.test"}, {"origin": "null"}])
    @pytest.mark.parametrize("method", ["GET", "OPTIONS"])
    def test_no_other_one_may(self, head: dict[str, Any], method: str) -> None:
        headers = dict(self.table.handle(request("/page", method, **head)).headers)
        assert not any(name.startswith("Access-Control-") for name in headers)

    @pytest.mark.parametrize("path", ["/page", "/v1/chat/completions"])
    def test_a_preflight_of_a_page_of_this_machine_is_granted(self, path: str) -> None:
        head: dict[str, Any] = {"origin": LOCAL_PAGE, "access-control-request-headers": "authorization, content-type"}
        reply = self.table.handle(request(path, "OPTIONS", **head))
        headers = dict(reply.headers)
        assert (reply.status, reply.body) == (204, b"")
        assert headers["Access-Control-Allow-Origin"] == LOCAL_PAGE
        assert headers["Access-Control-Allow-Headers"] == "authorization, content-type"
        assert "POST" in headers["Access-Control-Allow-Methods"]

    @pytest.mark.parametrize("head", [{}, {"origin": "https://evil.test"}])
    def test_any_other_preflight_is_refused(self, head: dict[str, Any]) -> None:
        assert self.table.handle(request("/page", "OPTIONS", **head)).status == 403


class TestFailing:
    def test_a_problem_is_its_answer(self) -> None:
        table = pages(
            PageRoute("GET", "/page", AccessLevel.OPEN, failing(Problem(Code.INVALID_REQUEST, "no such x", param="x")))
        )
        reply = table.handle(request("/page"))
        assert (reply.status, code_of(reply)) == (400, "invalid_request")

    def test_anything_else_is_our_own_failure_logged_without_details_for_the_client(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        table = pages(PageRoute("GET", "/page", AccessLevel.OPEN, failing(KeyError("some-inner-detail"))))
        with caplog.at_level(logging.ERROR):
            reply = table.handle(request("/page", query="key=sk-very-secret"))
        assert (reply.status, code_of(reply)) == (502, "internal_error")
        assert b"some-inner-detail" not in reply.body
        assert "some-inner-detail" in caplog.text
        assert "/page" in caplog.text
        assert "sk-very-secret" not in caplog.text
