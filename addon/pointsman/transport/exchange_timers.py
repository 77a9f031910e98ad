"""The timers of one exchange: the next of its deadlines, and a regular look at its client."""

import asyncio

from mitmproxy.proxy.server import ConnectionHandler
from mitmproxy.utils import asyncio_utils

from pointsman.exchange.effects import Effect
from pointsman.exchange.engine import Exchange
from pointsman.transport.flow_control import FlowControl

SLOW_CLIENT_CHECK_INTERVAL = 1.0
"""Seconds between two looks at a client that does not read."""


class ExchangeTimers:
    """Run until the exchange has ended."""

    def __init__(self, exchange: Exchange, handler: ConnectionHandler, flow_control: FlowControl) -> None:
        self._exchange, self._flow_control = exchange, flow_control
        self._watchdog = handler.timeout_watchdog
        self._loop = asyncio.get_running_loop()
        self._deadline: asyncio.TimerHandle | None = None
        self._client_check: asyncio.TimerHandle | None = None
        self._check_client()

    @property
    def has_deadline(self) -> bool:
        return self._deadline is not None

    def update(self) -> None:
        """After an input. A timer that is set too early costs one idle tick; moving it at every byte would cost
        more.
        """
        due = self._exchange.next_tick_at
        if due is not None and self._exchange.is_paused:
            self._check_client_soon()
        if self._deadline is not None:
            if due is not None and self._deadline.when() <= due:
                return
            self._deadline.cancel()
            self._deadline = None
        if due is not None:
            self._deadline = self._loop.call_at(due, self._on_deadline)
        elif self._client_check is not None and self._exchange.ended:
            self._client_check.cancel()

    def tick_soon(self) -> None:
        """The exchange wants a tick, though no time has passed. Not at once: another exchange is at work."""
        self._loop.call_soon(self._post_tick)

    def close(self) -> None:
        for timer in (self._deadline, self._client_check):
            if timer is not None:
                timer.cancel()

    def _on_deadline(self) -> None:
        self._deadline = None
        self._post_tick()

    def _post_tick(self) -> None:
        asyncio_utils.create_task(self._flow_control.post(self._tick), name="exchange timer", keep_ref=True)

    def _tick(self, now: float) -> list[Effect]:
        # A client that has taken anything in the meantime is not stuck.
        effects = self._exchange.on_client_backlog(self._flow_control.backlog(), now)
        due = self._exchange.next_tick_at
        return effects + self._exchange.on_tick(now) if due is not None and due <= now else effects

    def _check_client(self) -> None:
        """Keep mitmproxy from closing a waiting client as idle, and let timers continue that were paused while another
        stream of the connection was written.
        """
        if self._exchange.ended:
            return
        self._watchdog.register_activity()
        if self._exchange.is_paused and not self._flow_control.is_above_high_water:
            self._post_tick()
        self._client_check = self._loop.call_later(self._watchdog.timeout / 2, self._check_client)
        if self._exchange.is_paused:
            self._check_client_soon()

    def _check_client_soon(self) -> None:
        """Otherwise the pulse is as slow as it may be: thousands of streams that wait should cost next to nothing."""
        if self._client_check is not None and self._client_check.when() > (
            soon := self._loop.time() + SLOW_CLIENT_CHECK_INTERVAL
        ):
            self._client_check.cancel()
            self._client_check = self._loop.call_at(soon, self._check_client)
