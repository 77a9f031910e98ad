"""The routes of the admin API. `web.openapi` describes them in the same order."""

from collections.abc import Callable
from dataclasses import dataclass

from pointsman.config_watcher import ConfigWatcher
from pointsman.gateway import Gateway
from pointsman.overrides import Configuration
from pointsman.web.access import AccessControl, AccessLevel
from pointsman.web.analytics import analytics_page, traffic_page
from pointsman.web.api.account import AccountPages
from pointsman.web.api.exchanges import ExchangePages
from pointsman.web.api.fallback import FallbackPages
from pointsman.web.api.keys import KeyPages, KeyTester
from pointsman.web.api.overview import OverviewPages
from pointsman.web.api.settings import SettingsPages
from pointsman.web.api.state import StatePages
from pointsman.web.http import json_reply
from pointsman.web.logins import cookie_name
from pointsman.web.openapi import document
from pointsman.web.router import PageHandler, PageRoute


@dataclass(frozen=True, slots=True)
class AdminContext:
    """What the admin API can read and change."""

    gateway: Gateway
    configuration: Configuration
    watcher: Callable[[], ConfigWatcher | None]
    tester: KeyTester
    access: AccessControl
    state: StatePages
    is_demo: bool = False


def api_routes(context: AdminContext) -> tuple[PageRoute, ...]:
    gateway, state = context.gateway, context.state
    account, exchanges = AccountPages(context.access), ExchangePages(gateway.recent_exchanges)
    overview = OverviewPages(gateway, state, context.is_demo)
    fallback = FallbackPages(context.configuration, gateway.router, state.clock, state.wall)
    keys = KeyPages(context.configuration, gateway.router, context.tester)
    settings = SettingsPages(context.configuration, context.watcher)
    rows: tuple[tuple[str, str, PageHandler], ...] = (
        ("GET", "openapi.json", lambda request, _: json_reply(document(cookie_name(request)))),
        ("POST", "logout", account.logout),
        ("GET", "me", account.me),
        ("GET", "overview", overview.now),
        ("GET", "exchanges", exchanges.last),
        ("GET", "exchanges/*", exchanges.one),
        ("GET", "fallback", fallback.all),
        ("PUT", "fallback", fallback.change),
        ("DELETE", "fallback", fallback.forget),
        ("GET", "keys", keys.all),
        ("POST", "keys", keys.add),
        ("PATCH", "keys/*", keys.change),
        ("DELETE", "keys/*", keys.remove),
        ("POST", "keys/*/test", keys.test),
        ("GET", "settings", settings.all),
        ("PATCH", "settings", settings.change),
        ("GET", "cooldowns", state.cooldowns),
        ("DELETE", "cooldowns", state.clear_cooldowns),
        ("GET", "bans", state.bans),
        ("DELETE", "bans", state.lift_bans),
        ("GET", "sessions", state.sessions),
        ("DELETE", "sessions/*", state.forget_session),
        ("GET", "analytics", analytics_page(lambda: gateway.history)),
        ("GET", "analytics/traffic", traffic_page(lambda: gateway.history)),
        ("GET", "health", state.health),
        ("POST", "reload", settings.reload),
    )
    login = PageRoute("POST", "/api/login", AccessLevel.LOGIN, account.login)
    return (login, *(PageRoute(method, f"/api/{path}", AccessLevel.ADMIN, answer) for method, path, answer in rows))
