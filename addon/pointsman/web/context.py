"""What the router's own pages read and change. Pages know nothing else of the router's parts."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from time import monotonic, time
from typing import Any

from pointsman.config_watcher import ConfigWatcher
from pointsman.exchange.engine import Exchange
from pointsman.history import History
from pointsman.overrides import Configuration
from pointsman.recent_exchanges import RecentExchanges
from pointsman.routing.router import Router
from pointsman.web.access import AccessControl
from pointsman.web.api.clients import FormerSpending, Spending
from pointsman.web.api.keys import KeyTester
from pointsman.web.api.providers import ModelAsker, ModelLister
from pointsman.web.explain import ClientPreview
from pointsman.web.peers import Peers


@dataclass(frozen=True, slots=True)
class PageContext:
    """`running` is a live view: it changes as exchanges begin and end, in the order in which they began."""

    router: Router
    recent_exchanges: RecentExchanges
    history: History
    running: Collection[Exchange]
    table_sizes: Callable[[float], Mapping[str, int]]
    """The number of entries in every table that grows and shrinks, at a time of `clock`."""
    metrics: Callable[[], bytes]
    """In Prometheus' text form."""
    configuration: Configuration
    watcher: Callable[[], ConfigWatcher | None]
    """None while there is no configuration file."""
    shared: Callable[[], Mapping[str, Any]]
    """Whether state is shared with other instances, in plain JSON types."""
    peers: Peers
    """The other instances, for pages of all of them."""
    client_spending: Spending
    former_spending: FormerSpending
    client_preview: ClientPreview
    tester: KeyTester
    lister: ModelLister
    asker: ModelAsker
    access: AccessControl
    is_ready: Callable[[], bool]
    """New requests are served: the start is complete, and the end has not begun."""
    is_demo: Callable[[], bool]
    """The built-in demo providers serve."""
    started: float
    """Seconds on the wall clock."""
    clock: Callable[[], float] = monotonic
    """The clock of cooldowns and sessions, in seconds."""
    wall: Callable[[], float] = time
    """The clock that people read, in seconds since 1970."""
