"""Asking addons a hook, without a way round the event loop where nobody lets the flow wait.

Four times a flow, the stock code starts a task, lets that queue for the connection's lock and comes back with the next
turn of the loop. Nearly every hook is answered by the time its task has run to its first pause, which it never has.
"""

import asyncio
import logging
from typing import TYPE_CHECKING

from mitmproxy.proxy.commands import StartHook
from mitmproxy.proxy.server import ConnectionHandler
from mitmproxy.utils import asyncio_utils

from pointsman.transport.stream_events import HookAnswered

if TYPE_CHECKING:
    from pointsman.transport.stream import RoutedStream

logger = logging.getLogger(__name__)


def is_answered(hook: StartHook, stream: "RoutedStream", handler: ConnectionHandler) -> bool:
    """Asks all addons. False: somebody lets the flow wait, and the stream will get `HookAnswered` when that is over."""
    asking = asyncio.Task(handler.handle_hook(hook), loop=asyncio.get_running_loop(), eager_start=True)
    if asking.done():
        _tell_of_failure(hook, asking)
        return True
    asyncio_utils.set_task_debug_info(asking, name=f"hook {hook.name}", client=handler.client.peername)

    async def tell() -> None:
        await asyncio.wait([asking])
        _tell_of_failure(hook, asking)
        await handler.server_event(HookAnswered(stream, hook))

    asyncio_utils.create_task(tell(), name=f"answer of hook {hook.name}", keep_ref=True)
    return False


def _tell_of_failure(hook: StartHook, asking: asyncio.Task[None]) -> None:
    """What an addon raises is logged where it is called, but for what mitmproxy means to reach its user."""
    if not asking.cancelled() and (error := asking.exception()):
        logger.error(f"Addon error at {hook.name}: {error}", exc_info=error)
