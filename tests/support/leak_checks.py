"""What a router holds of its clients and exchanges: nothing, once they are over."""

import asyncio
from collections.abc import Callable

from pointsman.transport.exchange_driver import ExchangeDriver
from support.router import Router
from support.time_limit import LONGEST

OUR_TASKS = ("attempt ", "exchange timer")
"""How the names of an exchange's tasks begin."""


def leaks(router: Router) -> list[str]:
    """What is left of exchanges, a word for each thing."""
    return [*_exchanges(router), *_attempts(router), *_routing(router), *_money(router), *_tasks(), *_timers()]


async def no_leaks(router: Router, connections: int = 0) -> None:
    """Waits until all exchanges are gone, and all but so many connections of clients. Raises AssertionError that
    names what stays.
    """
    await soon(lambda: not leaks(router), lambda: ", ".join(leaks(router)))
    await soon(lambda: len(router.server.connections) == connections, lambda: str(router.server.connections))


async def soon(holds: Callable[[], bool], told: Callable[[], str] = str) -> None:
    """Waits for what no event tells. Raises AssertionError, with what is `told`, if it does not come."""
    try:
        async with asyncio.timeout(LONGEST):
            while not holds():
                await asyncio.sleep(0.001)
    except TimeoutError:
        raise AssertionError(f"still not so: {told()}") from None


def _exchanges(router: Router) -> list[str]:
    return [f"exchange {exchange.client_request.request_id}" for exchange in router.gateway.running]


def _attempts(router: Router) -> list[str]:
    return [f"running {candidate}" for driver in router.drivers for candidate in driver.exchange.running_candidates]


def _routing(router: Router) -> list[str]:
    """What counts as running at targets, and as waiting for them."""
    state = router.gateway.router.state
    running = [f"load of {label}: {total}" for label, total in state.load._totals.items()]
    limited = [f"{count} running at {pair}" for pair, count in state.concurrency._of_pairs.items()]
    return [*running, *limited, *([f"{len(state.waiting)} waiting"] if len(state.waiting) else [])]


def _money(router: Router) -> list[str]:
    clients = router.gateway.clients
    names = router.gateway.settings.clients
    reserved = [f"reserved by client {name}" for name in names if clients.ledger[name].reserved]
    return [*reserved, *(f"request of client {name}" for name in names if clients.limits.running(name))]


def _tasks() -> list[str]:
    return [f"task {task.get_name()}" for task in asyncio.all_tasks() if task.get_name().startswith(OUR_TASKS)]


def _timers() -> list[str]:
    """asyncio has no public list of its timers."""
    scheduled = asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]
    live = (handle._callback for handle in scheduled if not handle.cancelled())
    return [f"timer {callback}" for callback in live if isinstance(getattr(callback, "__self__", None), ExchangeDriver)]
