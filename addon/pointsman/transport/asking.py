"""Asking addons a hook, without a way round the event loop where nobody lets the flow wait.

Four times a flow, the stock code starts a task, lets that queue for the connection's lock and comes back with the next
turn of the loop. Nearly every hook is answered by the time its task has run to its first pause, which it never has.
"""

import asyncio

from mitmproxy.proxy import commands, events
from mitmproxy.proxy.server import ConnectionHandler
from mitmproxy.utils import asyncio_utils


def is_answered(hook: commands.StartHook, handler: ConnectionHandler) -> bool:
    """Asks all addons. False: somebody lets the flow wait, and the connection will be told when that is over."""
    asking = asyncio.Task(handler.handle_hook(hook), loop=asyncio.get_running_loop(), eager_start=True)
    if asking.done():
        asking.result()
        return True
    asyncio_utils.set_task_debug_info(asking, name=f"hook {hook.name}", client=handler.client.peername)

    async def tell() -> None:
        await asking
        await handler.server_event(events.HookCompleted(hook))

    asyncio_utils.create_task(tell(), name=f"answer of hook {hook.name}", keep_ref=True)
    return False
