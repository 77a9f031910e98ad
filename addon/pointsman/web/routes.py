"""The routes of the router's own pages."""

from time import monotonic, time

from pointsman import __version__
from pointsman.web.access import AccessLevel
from pointsman.web.api.routes import AdminContext, api_routes
from pointsman.web.explain import explain_page
from pointsman.web.internal import exchange_page, exchanges_page, healthz
from pointsman.web.models import models_page
from pointsman.web.router import PageRoute, PageRouter
from pointsman.web.static_files import StaticFiles
from pointsman.web.status import (
    cooldowns_page,
    endpoints_page,
    health_page,
    models_status_page,
    protection_page,
    sticky_page,
    tables_page,
)


def make_router(context: AdminContext) -> PageRouter:
    gateway, started, files = context.gateway, monotonic(), StaticFiles()
    models = models_page(gateway.router, time())
    health = health_page(__version__, lambda: monotonic() - started, lambda: len(gateway.running))
    table = (
        PageRoute("GET", "/healthz", AccessLevel.OPEN, healthz),
        PageRoute("GET", "/v1/models", AccessLevel.CLIENT, models),
        PageRoute("GET", "/v1beta/models", AccessLevel.CLIENT, models),
        PageRoute("GET", "/", AccessLevel.OPEN, files.index),
        PageRoute("GET", "/static/**", AccessLevel.OPEN, files.file),
        PageRoute("GET", "/internal/exchanges", AccessLevel.OPERATOR, exchanges_page(gateway.recent_exchanges)),
        PageRoute("GET", "/internal/health", AccessLevel.OPEN, health),
        PageRoute("GET", "/internal/stats/sticky", AccessLevel.OPERATOR, sticky_page(gateway.router, monotonic)),
        PageRoute(
            "GET", "/internal/status/cooldowns", AccessLevel.OPERATOR, cooldowns_page(gateway.router, monotonic, time)
        ),
        PageRoute("GET", "/internal/status/endpoints", AccessLevel.OPERATOR, endpoints_page(gateway.router, monotonic)),
        PageRoute(
            "GET", "/internal/status/protection", AccessLevel.OPERATOR, protection_page(gateway.router, monotonic, time)
        ),
        PageRoute("GET", "/internal/status/models", AccessLevel.OPERATOR, models_status_page(gateway.router)),
        PageRoute("POST", "/internal/explain", AccessLevel.OPERATOR, explain_page(gateway.router, monotonic, time)),
        PageRoute(
            "GET",
            "/internal/status/tables",
            AccessLevel.OPERATOR,
            tables_page(lambda: gateway.table_sizes(monotonic())),
        ),
        PageRoute("GET", "/internal/exchanges/*", AccessLevel.OPERATOR, exchange_page(gateway.recent_exchanges)),
        *api_routes(context),
    )
    return PageRouter(table, context.access)
