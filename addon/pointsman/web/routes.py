"""The route table of the router's own pages: every method and path, its access level and its handler.

`web.openapi` describes the routes below `/api/`, in the same order.
"""

from pointsman import __version__
from pointsman.web.access import AccessLevel
from pointsman.web.analytics import analytics_csv, analytics_page, availability_page, traffic_page
from pointsman.web.api.account import AccountPages
from pointsman.web.api.clients import ClientPages
from pointsman.web.api.entries import EntryPages
from pointsman.web.api.exchanges import ExchangePages
from pointsman.web.api.fallback import FallbackPages
from pointsman.web.api.keys import KeyPages
from pointsman.web.api.onboarding import OnboardingPages
from pointsman.web.api.overview import OverviewPages
from pointsman.web.api.providers import ProviderPages
from pointsman.web.api.settings import SettingsPages
from pointsman.web.api.state import StatePages
from pointsman.web.context import PageContext
from pointsman.web.explain import explain_page
from pointsman.web.http import json_reply
from pointsman.web.instances import instances_page
from pointsman.web.logins import cookie_name
from pointsman.web.models import model_page, models_page
from pointsman.web.openapi import document
from pointsman.web.page_router import PageRoute, PageRouter
from pointsman.web.requests import request_page, requests_csv, requests_lines, requests_page
from pointsman.web.static_files import StaticFiles
from pointsman.web.status import (
    cooldowns_page,
    endpoints_page,
    health_page,
    healthz,
    metrics_page,
    models_status_page,
    protection_page,
    ready_page,
    sticky_page,
    tables_page,
)

OPEN, CLIENT, OPERATOR, ADMIN = AccessLevel.OPEN, AccessLevel.CLIENT, AccessLevel.OPERATOR, AccessLevel.ADMIN


def make_router(context: PageContext) -> PageRouter:
    return PageRouter(page_routes(context), context.access)


def page_routes(context: PageContext) -> tuple[PageRoute, ...]:
    """Long, as it is the one list of all routes."""
    client_of = context.access.client_of
    router, clock, wall, began = context.router, context.clock, context.wall, context.clock()
    files = StaticFiles()
    models = models_page(router, context.started, client_of)
    model = model_page(router, context.started, client_of)
    health = health_page(
        __version__,
        lambda: clock() - began,
        context.running,
        router,
        clock,
        wall,
        context.access.is_same_site,
        context.shared,
    )
    account, exchanges = AccountPages(context.access), ExchangePages(context.recent_exchanges)
    state = StatePages(context)
    overview = OverviewPages(context, state)
    clients = ClientPages(context.configuration, context.client_spending, context.former_spending, wall, context.peers)
    fallback = FallbackPages(context.configuration, router, clock, wall)
    keys = KeyPages(context.configuration, router, context.tester)
    onboarding = OnboardingPages(context.configuration, context.is_demo)
    providers = ProviderPages(context.configuration, router, context.lister, context.asker, clock, wall)
    entries = EntryPages(context.configuration)
    settings = SettingsPages(context.configuration, context.watcher)
    explain = explain_page(router, context.client_preview, context.recent_exchanges, clock, wall)
    rows = (
        ("GET", "/healthz", OPEN, healthz),
        ("GET", "/readyz", OPEN, ready_page(context.is_ready)),
        ("GET", "/v1/models", CLIENT, models),
        ("GET", "/v1/models/**", CLIENT, model),
        ("GET", "/v1beta/models", CLIENT, models),
        ("GET", "/v1beta/models/**", CLIENT, model),
        ("GET", "/", OPEN, files.index),
        ("GET", "/static/**", OPEN, files.file),
        ("GET", "/sign-in/*", AccessLevel.LOGIN, account.follow_link),
        ("GET", "/metrics", OPERATOR, metrics_page(context.metrics)),
        ("GET", "/internal/metrics", OPERATOR, metrics_page(context.metrics)),
        ("GET", "/internal/exchanges", OPERATOR, exchanges.newest),
        ("GET", "/internal/exchanges/*", OPERATOR, exchanges.one),
        ("GET", "/internal/health", OPEN, health),
        ("GET", "/internal/stats/sticky", OPERATOR, sticky_page(router, clock)),
        ("GET", "/internal/status/cooldowns", OPERATOR, cooldowns_page(router, clock, wall)),
        ("GET", "/internal/status/endpoints", OPERATOR, endpoints_page(router, clock, wall)),
        ("GET", "/internal/status/protection", OPERATOR, protection_page(router, clock, wall)),
        ("GET", "/internal/status/models", OPERATOR, models_status_page(router)),
        ("GET", "/internal/status/tables", OPERATOR, tables_page(context.table_sizes, clock)),
        ("POST", "/internal/explain", OPERATOR, explain),
        ("GET", "/api/openapi.json", ADMIN, lambda request, _: json_reply(document(cookie_name(request)))),
        ("POST", "/api/login", AccessLevel.LOGIN, account.login),
        ("POST", "/api/logout", ADMIN, account.logout),
        ("GET", "/api/me", ADMIN, account.me),
        ("POST", "/api/sign-in-links", ADMIN, account.make_link),
        ("GET", "/api/overview", ADMIN, overview.now),
        ("GET", "/api/clients", ADMIN, clients.all),
        ("POST", "/api/clients", ADMIN, clients.add),
        ("GET", "/api/clients/*", ADMIN, clients.one),
        ("PATCH", "/api/clients/*", ADMIN, clients.change),
        ("DELETE", "/api/clients/*", ADMIN, clients.remove),
        ("POST", "/api/clients/*/rotate", ADMIN, clients.rotate),
        ("GET", "/api/exchanges", ADMIN, exchanges.page),
        ("GET", "/api/exchanges/*", ADMIN, exchanges.one),
        ("GET", "/api/requests", ADMIN, requests_page(context.history, context.peers)),
        ("GET", "/api/requests.jsonl", ADMIN, requests_lines(context.history)),
        ("GET", "/api/requests.csv", ADMIN, requests_csv(context.history)),
        ("GET", "/api/requests/*", ADMIN, request_page(context.history, context.peers)),
        ("GET", "/api/fallback", ADMIN, fallback.all),
        ("PUT", "/api/fallback", ADMIN, fallback.change),
        ("DELETE", "/api/fallback", ADMIN, fallback.forget),
        ("GET", "/api/keys", ADMIN, keys.all),
        ("POST", "/api/keys", ADMIN, keys.add),
        ("PATCH", "/api/keys/*", ADMIN, keys.change),
        ("DELETE", "/api/keys/*", ADMIN, keys.remove),
        ("POST", "/api/keys/*/test", ADMIN, keys.test),
        ("GET", "/api/onboarding", ADMIN, onboarding.found),
        ("GET", "/api/providers", ADMIN, providers.all),
        ("POST", "/api/providers", ADMIN, providers.add),
        ("DELETE", "/api/providers/*", ADMIN, providers.remove),
        ("POST", "/api/providers/*/test", ADMIN, providers.try_saved),
        ("POST", "/api/providers/*/model-tests", ADMIN, providers.try_model),
        ("POST", "/api/providers/*/models", ADMIN, providers.add_model),
        ("DELETE", "/api/providers/*/models", ADMIN, providers.remove_model),
        ("GET", "/api/providers/*/settings", ADMIN, entries.all),
        ("PATCH", "/api/providers/*/settings", ADMIN, entries.change),
        ("POST", "/api/provider-tests", ADMIN, providers.try_new),
        ("GET", "/api/settings", ADMIN, settings.all),
        ("PATCH", "/api/settings", ADMIN, settings.change),
        ("GET", "/api/cooldowns", ADMIN, state.cooldowns),
        ("DELETE", "/api/cooldowns", ADMIN, state.clear_cooldowns),
        ("GET", "/api/bans", ADMIN, state.bans),
        ("DELETE", "/api/bans", ADMIN, state.lift_bans),
        ("GET", "/api/sessions", ADMIN, state.sessions),
        ("DELETE", "/api/sessions/*", ADMIN, state.forget_session),
        ("GET", "/api/analytics", ADMIN, analytics_page(context.history, router, context.peers)),
        ("GET", "/api/analytics.csv", ADMIN, analytics_csv(context.history, router, context.peers)),
        ("GET", "/api/analytics/availability", ADMIN, availability_page(context.history)),
        ("GET", "/api/analytics/traffic", ADMIN, traffic_page(context.history)),
        ("GET", "/api/health", ADMIN, state.health),
        ("GET", "/api/instances", ADMIN, instances_page(context)),
        ("POST", "/api/reload", ADMIN, settings.reload),
    )
    return tuple(PageRoute(*row) for row in rows)
