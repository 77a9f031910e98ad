"""The OpenAPI document of the admin API: every route, what it takes, what it answers."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from pointsman import __version__
from pointsman.config.enums import Dialect
from pointsman.history.request_rows import OUTCOMES
from pointsman.web.schemas import SCHEMAS, SHORT_TEXT, TEXT, Schema, enum_of, ref

COOKIE = "pointsman"
"""The session's cookie; the port follows, as in `pointsman-8080`."""
CSRF_HEADER = "X-CSRF-Token"
MAX_EXCHANGES = 1000
MAX_SESSIONS = 1000
DEFAULT_REQUESTS, MAX_REQUESTS = 50, 1000
MAX_REQUESTS_IN_FILE = 10_000
"""Requests of one answer as lines or CSV; the header X-Next-Cursor says where the next ones begin."""


@dataclass(frozen=True, slots=True)
class ApiRoute:
    """One route. `path` has its placeholder in braces; `request` and `response` name schemas, None for no body."""

    method: str
    path: str
    summary: str
    response: str | None
    request: str | None = None
    status: int = 200
    errors: tuple[int, ...] = ()
    """Beside 401, 403 and 429, which all of them have."""
    query: dict[str, Schema] = field(default_factory=dict)
    media: str = "application/json"
    """Of the answer; one that is not JSON has no schema."""

    @property
    def is_polled(self) -> bool:
        return self.method == "GET"


def _integer(default: int, most: int) -> Schema:
    return {"type": "integer", "minimum": 1, "maximum": most, "default": default}


WINDOW = {**enum_of("1h", "24h", "7d", "30d"), "default": "24h"}
BY = {**enum_of("target", "provider", "model", "key", "client", "mode", "outcome", "day", "all"), "default": "target"}
REFERENCE = {**SHORT_TEXT, "description": "A configured target, or a provider and model of the built-in price table."}
INSTANCES = {
    **enum_of("this", "all"),
    "description": "Of this instance, or of all that share their state; then `instances` says whose they are.",
}
ANALYTICS_QUERY = {"window": WINDOW, "by": BY, "client": SHORT_TEXT, "reference": REFERENCE, "instances": INSTANCES}
MOMENT = {**TEXT, "description": "Unix seconds, or RFC 3339."}
FILTERS = {
    "status": {**TEXT, "description": "Such as 404, 5xx, or 429,503; none: the client left before it saw any."},
    "provider": SHORT_TEXT,
    "model": {**SHORT_TEXT, "description": "As the client asked for it, or the target's, or provider/model."},
    "client": SHORT_TEXT,
    "session": SHORT_TEXT,
    "outcome": enum_of(*OUTCOMES),
    "dialect": enum_of(*(each.value for each in Dialect)),
    "q": {**SHORT_TEXT, "description": "Text: begins a request id, a session or a model, or is in another name."},
    "since": MOMENT,
    "until": MOMENT,
    "cursor": {**TEXT, "description": "The `next` of an earlier page."},
}
FILE_FILTERS = {**FILTERS, "limit": _integer(MAX_REQUESTS_IN_FILE, MAX_REQUESTS_IN_FILE)}

ROUTES = (
    ApiRoute("GET", "/api/openapi.json", "This document", "Document"),
    ApiRoute("POST", "/api/login", "Log in: begin a dashboard session with a cookie", "Me", "Login", errors=(400,)),
    ApiRoute("POST", "/api/logout", "Log out", None, status=204),
    ApiRoute("GET", "/api/me", "Who is logged in, and the CSRF token for changes", "Me"),
    ApiRoute("POST", "/api/sign-in-links", "Make a link that opens the dashboard once", "SignInLink", status=201),
    ApiRoute("GET", "/api/overview", "The current state of the router", "Overview"),
    ApiRoute(
        "GET",
        "/api/clients",
        "Named clients, and what they have used",
        "Clients",
        query={"instances": INSTANCES},
        errors=(400,),
    ),
    ApiRoute(
        "POST",
        "/api/clients",
        "Add a client; its key is in this answer alone",
        "ClientWithKey",
        request="NewClient",
        status=201,
        errors=(400, 409),
    ),
    ApiRoute("GET", "/api/clients/{id}", "One client, and what it has used", "Client", errors=(404,)),
    ApiRoute("PATCH", "/api/clients/{id}", "Change a client", "Client", request="ClientChange", errors=(400, 404, 409)),
    ApiRoute("DELETE", "/api/clients/{id}", "Delete an added client", None, status=204, errors=(400, 404, 409)),
    ApiRoute(
        "POST",
        "/api/clients/{id}/rotate",
        "Give an added client a new key, which is in this answer alone",
        "ClientWithKey",
        errors=(400, 404, 409),
    ),
    ApiRoute(
        "GET",
        "/api/exchanges",
        "Recent exchanges, newest first",
        "Exchanges",
        errors=(400,),
        query={"limit": _integer(50, MAX_EXCHANGES), "before": {"type": "integer", "minimum": 0}},
    ),
    ApiRoute("GET", "/api/exchanges/{id}", "One exchange, by its request id", "Exchange", errors=(404,)),
    ApiRoute(
        "GET",
        "/api/requests",
        "Requests on record, refused ones too, newest first",
        "Requests",
        errors=(400,),
        query={**FILTERS, "limit": _integer(DEFAULT_REQUESTS, MAX_REQUESTS), "instances": INSTANCES},
    ),
    ApiRoute(
        "GET",
        "/api/requests.jsonl",
        "The same as lines of JSON",
        None,
        errors=(400,),
        query=FILE_FILTERS,
        media="application/jsonl",
    ),
    ApiRoute("GET", "/api/requests.csv", "The same as CSV", None, errors=(400,), query=FILE_FILTERS, media="text/csv"),
    ApiRoute(
        "GET",
        "/api/requests/{id}",
        "One request on record, with its attempts",
        "RequestDetails",
        query={"instances": INSTANCES},
        errors=(400, 404),
    ),
    ApiRoute("GET", "/api/fallback", "All targets in order", "Fallback"),
    ApiRoute(
        "PUT", "/api/fallback", "Change order and state of targets", "Fallback", request="FallbackChange", errors=(400,)
    ),
    ApiRoute("DELETE", "/api/fallback", "Revert changes to targets", "Fallback"),
    ApiRoute("GET", "/api/keys", "All keys, masked", "Keys"),
    ApiRoute("POST", "/api/keys", "Add a key", "Key", request="NewKey", status=201, errors=(400,)),
    ApiRoute("PATCH", "/api/keys/{id}", "Enable or relabel a key", "Key", request="KeyChange", errors=(400, 404)),
    ApiRoute("DELETE", "/api/keys/{id}", "Delete an added key", None, status=204, errors=(404, 409)),
    ApiRoute("POST", "/api/keys/{id}/test", "Test a key by listing its provider's models", "KeyTest", errors=(404,)),
    ApiRoute("GET", "/api/onboarding", "Keys, model servers and clients that are found on this machine", "Onboarding"),
    ApiRoute("GET", "/api/providers", "All providers, and those that the catalog has", "Providers"),
    ApiRoute(
        "POST", "/api/providers", "Add a provider", "Provider", request="NewProvider", status=201, errors=(400, 409)
    ),
    ApiRoute("DELETE", "/api/providers/{id}", "Delete an added provider", None, status=204, errors=(404, 409)),
    ApiRoute(
        "POST",
        "/api/providers/{id}/test",
        "Test a provider by listing its models, or by asking one for a token",
        "ProviderReport",
        request="ModelTest",
        errors=(400, 404),
    ),
    ApiRoute(
        "POST",
        "/api/providers/{id}/model-tests",
        "Ask a model for one token; a good answer ends its cooldowns",
        "ModelReport",
        request="OneModelTest",
        errors=(400, 404),
    ),
    ApiRoute(
        "POST",
        "/api/providers/{id}/models",
        "Add a model to a provider",
        "Provider",
        request="NewModel",
        status=201,
        errors=(400, 404),
    ),
    ApiRoute(
        "DELETE",
        "/api/providers/{id}/models",
        "Delete an added model",
        None,
        status=204,
        query={"model": SHORT_TEXT},
        errors=(400, 404, 409),
    ),
    ApiRoute(
        "GET",
        "/api/providers/{id}/settings",
        "All settings of a provider, or of one of its models",
        "Entry",
        query={"model": SHORT_TEXT},
        errors=(400, 404),
    ),
    ApiRoute(
        "PATCH",
        "/api/providers/{id}/settings",
        "Change settings of a provider, or of one of its models",
        "Entry",
        request="SettingsChange",
        query={"model": SHORT_TEXT},
        errors=(400, 404),
    ),
    ApiRoute(
        "POST",
        "/api/provider-tests",
        "Test a provider as it would be added; nothing is saved",
        "ProviderReport",
        request="ProviderTest",
        errors=(400, 409),
    ),
    ApiRoute("GET", "/api/settings", "All settings, and where their values come from", "Settings"),
    ApiRoute("PATCH", "/api/settings", "Change settings", "Settings", request="SettingsChange", errors=(400,)),
    ApiRoute("GET", "/api/cooldowns", "Active cooldowns of targets and keys", "Cooldowns"),
    ApiRoute(
        "DELETE",
        "/api/cooldowns",
        "Clear cooldowns: all, or those of a provider, a target or a key",
        "Cleared",
        query={"provider": SHORT_TEXT, "model": SHORT_TEXT, "key": SHORT_TEXT},
        errors=(400,),
    ),
    ApiRoute("GET", "/api/bans", "Active bans of providers and targets", "Bans"),
    ApiRoute(
        "DELETE",
        "/api/bans",
        "Lift bans: all, or those of a session, a provider, a target",
        "Cleared",
        query={"session": SHORT_TEXT, "provider": SHORT_TEXT, "model": SHORT_TEXT},
        errors=(400,),
    ),
    ApiRoute(
        "GET",
        "/api/sessions",
        "Sessions, most recently used first",
        "Sessions",
        query={"limit": _integer(100, MAX_SESSIONS)},
        errors=(400,),
    ),
    ApiRoute("DELETE", "/api/sessions/{id}", "Delete a session", None, status=204, errors=(404,)),
    ApiRoute(
        "GET",
        "/api/analytics",
        "Statistics from the history, by group",
        "Analytics",
        query=ANALYTICS_QUERY,
        errors=(400,),
    ),
    ApiRoute(
        "GET", "/api/analytics.csv", "The same as CSV", None, query=ANALYTICS_QUERY, errors=(400,), media="text/csv"
    ),
    ApiRoute("GET", "/api/analytics/availability", "Each provider's success in the last 48 half hours", "Availability"),
    ApiRoute(
        "GET",
        "/api/analytics/traffic",
        "Statistics from the history, over time",
        "Traffic",
        query={"window": WINDOW},
        errors=(400,),
    ),
    ApiRoute("GET", "/api/health", "State of the router and its providers", "Health"),
    ApiRoute("GET", "/api/instances", "State of each instance that shares its state", "Instances"),
    ApiRoute("POST", "/api/reload", "Reload the configuration file", "Settings", errors=(400, 409)),
)

FAILURES = {
    304: "Not modified since the answer with this ETag.",
    400: "The request is invalid; all issues are listed.",
    401: "The admin key or a session is required.",
    403: "Refused: another site's page, a foreign host name, or a missing CSRF token.",
    404: "Not found.",
    409: "Not possible in the current state; the message says what is.",
    429: "Too many wrong keys from this address.",
}
ALWAYS = (401, 403, 429)


@lru_cache(maxsize=16)
def document(cookie: str = f"{COOKIE}-8080") -> dict[str, Any]:
    """The whole document, OpenAPI 3.1. `cookie` is the name of the session's cookie."""
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Pointsman",
            "version": __version__,
            "description": "The admin API. Changes override the configuration file and survive restarts.",
        },
        "servers": [{"url": "/"}],
        "security": [{"key": []}, {"session": []}],
        "paths": paths,
        "components": {
            "schemas": {**SCHEMAS, "Document": {"type": "object"}},
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": cookie},
            },
        },
    }


def _operation(route: ApiRoute) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": "_".join((route.method.lower(), *re.findall(r"\w+", route.path.removeprefix("/api")))),
        "summary": route.summary,
        "parameters": list(_parameters(route)),
        "responses": _responses(route),
    }
    if route.request:
        made["requestBody"] = {"required": True, "content": _json(route.request)}
    if route.path == "/api/login":
        made["security"] = []
    return made


def _parameters(route: ApiRoute) -> Iterator[dict[str, Any]]:
    if "{id}" in route.path:
        yield {"name": "id", "in": "path", "required": True, "schema": TEXT}
    for name, schema in route.query.items():
        yield {"name": name, "in": "query", "required": False, "schema": schema}


def _responses(route: ApiRoute) -> dict[str, Any]:
    good: dict[str, Any] = {"description": route.summary}
    if route.response:
        good["content"] = _json(route.response)
    elif route.media != "application/json":
        good["content"] = {route.media: {"schema": TEXT}}
    answers = {str(route.status): good}
    if route.is_polled:
        answers["304"] = {"description": FAILURES[304]}
    for status in sorted({*ALWAYS, *route.errors}):
        answers[str(status)] = {"description": FAILURES[status], "content": _json("Error")}
    return answers


def _json(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": ref(name)}}
