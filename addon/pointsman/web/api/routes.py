"""The pages of the admin API, one row each. `web.openapi` describes them in the same order."""

from collections.abc import Callable
from dataclasses import dataclass

from pointsman.config_watcher import Reloader
from pointsman.gateway import Dispatcher
from pointsman.overrides import Configuration
from pointsman.web.access import Gate, Keeper
from pointsman.web.analytics import analytics_page, traffic_page
from pointsman.web.api.account import Account
from pointsman.web.api.exchanges import Exchanges
from pointsman.web.api.fallback import Fallback
from pointsman.web.api.keys import Keys, Tester
from pointsman.web.api.overview import Overview
from pointsman.web.api.settings import SettingsPages
from pointsman.web.api.state import State
from pointsman.web.http import reply_json
from pointsman.web.logins import cookie_name
from pointsman.web.openapi import document
from pointsman.web.router import Answer, Page


@dataclass(frozen=True, slots=True)
class House:
    """What the admin API can see and change."""

    dispatcher: Dispatcher
    configuration: Configuration
    reloader: Callable[[], Reloader | None]
    tester: Tester
    keeper: Keeper
    state: State
    is_demo: bool = False


def api_pages(house: House) -> tuple[Page, ...]:
    dispatcher, state = house.dispatcher, house.state
    account, exchanges = Account(house.keeper), Exchanges(dispatcher.ledger)
    overview = Overview(dispatcher, state, house.is_demo)
    fallback = Fallback(house.configuration, dispatcher.router, state.clock, state.wall)
    keys = Keys(house.configuration, dispatcher.router, house.tester)
    settings = SettingsPages(house.configuration, house.reloader)
    rows: tuple[tuple[str, str, Answer], ...] = (
        ("GET", "openapi.json", lambda request, _: reply_json(document(cookie_name(request)))),
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
        ("GET", "analytics", analytics_page(lambda: dispatcher.history)),
        ("GET", "analytics/traffic", traffic_page(lambda: dispatcher.history)),
        ("GET", "health", state.health),
        ("POST", "reload", settings.reload),
    )
    login = Page("POST", "/api/login", Gate.LOGIN, account.login)
    return (login, *(Page(method, f"/api/{path}", Gate.ADMIN, answer) for method, path, answer in rows))
