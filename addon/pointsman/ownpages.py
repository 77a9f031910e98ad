"""The map of the router's own pages."""

from collections.abc import Callable
from time import time

from pointsman.dispatch import Dispatcher
from pointsman.web.internal import exchange_page, exchanges_page, healthz
from pointsman.web.models import models_page
from pointsman.web.pages import Gate, Page, Pages


def pages(dispatcher: Dispatcher, admin_key: Callable[[], str]) -> Pages:
    table = (
        Page("GET", "/healthz", Gate.OPEN, healthz),
        Page("GET", "/v1/models", Gate.CLIENT, models_page(dispatcher.router, time())),
        Page("GET", "/internal/exchanges", Gate.OPERATOR, exchanges_page(dispatcher.ledger)),
        Page("GET", "/internal/exchanges/*", Gate.OPERATOR, exchange_page(dispatcher.ledger)),
    )
    return Pages(table, lambda: dispatcher.settings.server, admin_key)
