"""The map of the router's own pages."""

from time import monotonic, time

from pointsman import __version__
from pointsman.web.access import Gate
from pointsman.web.api.routes import House, api_pages
from pointsman.web.explain import explain_page
from pointsman.web.internal import exchange_page, exchanges_page, healthz
from pointsman.web.models import models_page
from pointsman.web.router import Page, Pages
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


def pages(house: House) -> Pages:
    dispatcher, started, files = house.dispatcher, monotonic(), StaticFiles()
    models = models_page(dispatcher.router, time())
    health = health_page(__version__, lambda: monotonic() - started, lambda: len(dispatcher.running))
    table = (
        Page("GET", "/healthz", Gate.OPEN, healthz),
        Page("GET", "/v1/models", Gate.CLIENT, models),
        Page("GET", "/v1beta/models", Gate.CLIENT, models),
        Page("GET", "/", Gate.OPEN, files.front),
        Page("GET", "/static/**", Gate.OPEN, files.file),
        Page("GET", "/internal/exchanges", Gate.OPERATOR, exchanges_page(dispatcher.ledger)),
        Page("GET", "/internal/health", Gate.OPEN, health),
        Page("GET", "/internal/stats/sticky", Gate.OPERATOR, sticky_page(dispatcher.router, monotonic)),
        Page("GET", "/internal/status/cooldowns", Gate.OPERATOR, cooldowns_page(dispatcher.router, monotonic, time)),
        Page("GET", "/internal/status/endpoints", Gate.OPERATOR, endpoints_page(dispatcher.router, monotonic)),
        Page("GET", "/internal/status/protection", Gate.OPERATOR, protection_page(dispatcher.router, monotonic, time)),
        Page("GET", "/internal/status/models", Gate.OPERATOR, models_status_page(dispatcher.router)),
        Page("POST", "/internal/explain", Gate.OPERATOR, explain_page(dispatcher.router, monotonic, time)),
        Page("GET", "/internal/status/tables", Gate.OPERATOR, tables_page(lambda: dispatcher.tables(monotonic()))),
        Page("GET", "/internal/exchanges/*", Gate.OPERATOR, exchange_page(dispatcher.ledger)),
        *api_pages(house),
    )
    return Pages(table, house.keeper)
