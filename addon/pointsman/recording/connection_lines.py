"""mitmproxy's log lines `client connect` and `client disconnect`, without those of clients that read own pages alone.

mitmproxy logs the first of them before anything is known of the connection, so it is held until a client asks for
something else. Clients that look at the router's state every few seconds would fill the log otherwise.
"""

import logging
from collections import OrderedDict
from typing import Any

CONNECTION_LOGGER = "mitmproxy.proxy.server"
CONNECT, DISCONNECT = "client connect", "client disconnect"
MAX_HELD = 10_000
"""Lines; the oldest is written when there are more."""


class ConnectionLines(logging.Filter):
    """A filter of mitmproxy's logger. A connection is known by its client's address and port."""

    def __init__(self) -> None:
        super().__init__()
        self._held: OrderedDict[Any, logging.LogRecord] = OrderedDict()
        """Each until its connection ends, or asks for something that is no own page."""
        self._asked_page: set[Any] = set()
        """Of those that are held."""

    def install(self) -> None:
        logging.getLogger(CONNECTION_LOGGER).addFilter(self)

    def remove(self) -> None:
        logging.getLogger(CONNECTION_LOGGER).removeFilter(self)
        for address in list(self._held):
            self._write(address)

    def on_page(self, address: Any) -> None:
        """The client asks for an own page."""
        if address in self._held:
            self._asked_page.add(address)

    def on_request(self, address: Any) -> None:
        """The client asks for something else."""
        if address in self._held:
            self._write(address)

    def filter(self, record: logging.LogRecord) -> bool:
        address = getattr(record, "client", None)
        if address is None:
            return True
        if record.msg == CONNECT:
            self._hold(address, record)
            return False
        if address in self._asked_page and record.levelno <= logging.INFO:
            if record.msg == DISCONNECT:
                del self._held[address]
                self._asked_page.remove(address)
            return False
        self.on_request(address)
        return True

    def _hold(self, address: Any, record: logging.LogRecord) -> None:
        if len(self._held) >= MAX_HELD:
            self._write(next(iter(self._held)))
        self._held[address] = record

    def _write(self, address: Any) -> None:
        self._asked_page.discard(address)
        logging.getLogger(CONNECTION_LOGGER).callHandlers(self._held.pop(address))
