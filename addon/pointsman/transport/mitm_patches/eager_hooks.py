"""Running hooks without a detour through the event loop when no addon delays the flow.

Four times per flow, the stock code starts a task, queues it for the connection's lock and continues with the next
iteration of the loop. Nearly every hook completes before its task pauses for the first time.

Inner parts: `ConnectionHandler.handle_hook`, called outside the connection's lock, and `server_event`.
Gain: see "Patches" in docs/measurements.md. Switch: `eager_hooks`; every hook then is a task, as in the stock code.
Either way a flow continues when an addon raises what mitmproxy lets pass; in the stock code, it would wait for ever.
"""

import asyncio
import logging

from mitmproxy.proxy.commands import StartHook
from mitmproxy.proxy.server import ConnectionHandler
from mitmproxy.utils import asyncio_utils

from pointsman.transport.client_stream import ClientStream
from pointsman.transport.stream_events import HookFinished

logger = logging.getLogger(__name__)


def run_hook_eagerly(hook: StartHook, stream: ClientStream, handler: ConnectionHandler) -> bool:
    """Asks all addons. False: an addon lets the flow wait, and the stream will get `HookFinished` when that is over."""
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


def run_hook_in_task(hook: StartHook, stream: ClientStream, handler: ConnectionHandler) -> None:
    """Asks all addons in a later turn of the loop; then the stream gets `HookFinished`."""

    async def ask() -> None:
        try:
            await handler.handle_hook(hook)
        except Exception as error:
            _log_error(hook, error)
        await handler.server_event(HookFinished(stream, hook))

    asyncio_utils.create_task(ask(), name=f"hook {hook.name}", keep_ref=True, client=handler.client.peername)


def _log_failure(hook: StartHook, task: asyncio.Task[None]) -> None:
    """What an addon raises is logged where it is called, but for what mitmproxy means to reach its user."""
    if not task.cancelled() and (error := task.exception()):
        _log_error(hook, error)


def _log_error(hook: StartHook, error: BaseException) -> None:
    logger.error(f"Addon error at {hook.name}: {error}", exc_info=error)
