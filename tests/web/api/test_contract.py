"""The contract of the admin API: the document describes every route, every route keeps its gate, and no request that
the document allows makes one fail.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.schemas import BaseSchema

from pointsman.auth_throttle import AuthThrottle
from pointsman.demo import Provider, behaviours
from pointsman.web.openapi import ROUTES, ApiRoute, document
from support import router
from support.admin import ADMIN, CLIENT, SERVER, bearer, call
from support.http_requests import ask
from support.settings import provider

GATED = [route for route in ROUTES if route.path != "/api/login"]


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[router.Router]:
    """With one exchange told of, one key, and a history."""
    async with Provider(behaviours.answer("hello")) as one:
        entry = provider(one.base_url, keys=["sk-of-the-file-0001"])
        sections = {"server": SERVER, "history": {"path": str(folder / "history.db")}}
        async with router.running(folder, {"one": entry}, **sections) as running:
            assert (await ask(running.base_url, headers=bearer(CLIENT))).status == 200
            yield running


def path_of(route: ApiRoute) -> str:
    return route.path.removeprefix("/api/").replace("{id}", "some-id")


async def test_the_document_and_the_table_name_the_same_routes(tmp_path: Path) -> None:
    async with running(tmp_path) as one:
        assert one.gateway.pages
        table = [(page.method, page.path) for page in one.gateway.pages.table if page.path.startswith("/api/")]
    assert table == [(route.method, route.path.replace("{id}", "*")) for route in ROUTES]


@pytest.mark.parametrize("key", [None, CLIENT, ADMIN + "x", ADMIN[:-1]], ids=["none", "client's", "longer", "shorter"])
async def test_every_route_requires_the_admin_key(tmp_path: Path, key: str | None) -> None:
    async with running(tmp_path) as one:
        assert one.gateway.pages
        for route in GATED:
            answer = await call(one.url, route.method, path_of(route), key, json={})
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key"), route
            one.gateway.pages.access.admin_throttle = AuthThrottle()  # or the tenth would be told to wait


async def test_the_client_key_does_not_log_in(doorstep: str) -> None:
    assert (await call(doorstep, "POST", "login", None, json={"admin_key": CLIENT})).status_code == 401


async def test_the_admin_key_is_no_client_key(doorstep: str) -> None:
    for key, status in ((ADMIN, 401), (CLIENT, 200)):
        assert (await ask(f"{doorstep}/v1", headers=bearer(key))).status == status


@pytest.fixture
async def doorstep(tmp_path: Path) -> AsyncIterator[str]:
    async with running(tmp_path) as one:
        yield one.url


EXAMPLES = 15
"""Requests that are made up for each route."""
CHECKS = [
    schemathesis.checks.not_a_server_error,
    schemathesis.checks.status_code_conformance,
    schemathesis.checks.content_type_conformance,
    schemathesis.checks.response_schema_conformance,
]
IN_ITS_PLACE = {"/api/login", "/api/logout"}
"""Their own tests tell more of them, and ten wrong keys would close the door for all others."""


async def test_what_the_document_allows_is_answered_as_it_says(doorstep: str) -> None:
    """Made-up requests, valid ones and others, over a socket."""
    schema = schemathesis.openapi.from_dict(document())
    for route in ROUTES:
        await asyncio.to_thread(drive, doorstep, schema, route)


def drive(url: str, schema: BaseSchema, route: ApiRoute) -> None:
    operation = schema[route.path][route.method]
    key = {} if route.path in IN_ITS_PLACE else bearer(ADMIN)

    @given(case=operation.as_strategy())
    @settings(
        max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    def asked(case: schemathesis.Case) -> None:
        response = case.call(base_url=url, headers=key)
        case.validate_response(response, checks=CHECKS)

    asked()
