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

from pointsman.transport.stream_events import HookFinished

if TYPE_CHECKING:
    from pointsman.transport.stream import RoutedStream

logger = logging.getLogger(__name__)


def run_hook_eagerly(hook: StartHook, stream: "RoutedStream", handler: ConnectionHandler) -> bool:
    """Asks all addons. False: somebody lets the flow wait, and the stream will get `HookFinished` when that is over."""
    task = asyncio.Task(handler.handle_hook(hook), loop=asyncio.get_running_loop(), eager_start=True)
    if task.done():
        _log_failure(hook, task)
        return True
    asyncio_utils.set_task_debug_info(task, name=f"hook {hook.name}", client=handler.client.peername)

    async def report() -> None:
        await asyncio.wait([task])
        _log_failure(hook, task)
        await handler.server_event(HookFinished(stream, hook))

    asyncio_utils.create_task(report(), name=f"answer of hook {hook.name}", keep_ref=True)
    return False


def _log_failure(hook: StartHook, task: asyncio.Task[None]) -> None:
    """What an addon raises is logged where it is called, but for what mitmproxy means to reach its user."""
    if not task.cancelled() and (error := task.exception()):
        logger.error(f"Addon error at {hook.name}: {error}", exc_info=error)
