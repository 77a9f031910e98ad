"""mitmproxy's ports, opened after the addon is ready.

Why: mitmproxy opens its ports before it loads scripts, and without a listen host on every interface. The address that
a script sets is too late, a faulty configuration has an open port, and early requests wait for the imports.
Inner parts: the order in `Master.run`, the task of `Proxyserver.setup_servers`, `Servers._instances`. Gain: none in
speed. No switch: it keeps other machines out.

`hold` is for `mitmdump -s`: the addon is loaded while mitmproxy still looks up on which addresses to listen.
With a listen host there is no such look-up, and the port is already open. `load_scripts_first` is for processes of our
own, where no port is open before the scripts are loaded.
"""

import asyncio
from typing import Any

from mitmproxy import ctx
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.master import Master
from mitmproxy.proxy.mode_servers import AsyncioServerInstance


def load_scripts_first() -> None:
    """For masters of this process that run from now on."""
    stock = Master.run

    async def run(self: Master) -> None:
        for _ in range(2):  # scripts load in the second round of the loop
            await asyncio.sleep(0)
        await stock(self)

    Master.run = run  # type: ignore[method-assign]


def hold(server: Proxyserver | None) -> bool:
    """Stop the start of the servers, unless one of them may be listening already. `start` must follow then."""
    setup = _setup_task()
    if server is None or setup is None or not all(map(_is_looking_up, server.servers)):
        return False
    setup.cancel()
    return True


async def start(server: Proxyserver) -> None:
    """Open the ports of the servers that `hold` stopped. mitmproxy logs failures as errors, which ends it."""
    server.servers._instances.clear()  # none of them listens; `update` would try to stop them
    await server.setup_servers()  # type: ignore[no-untyped-call,unused-ignore]


def _setup_task() -> asyncio.Task[Any] | None:
    try:
        tasks = asyncio.all_tasks()
    except RuntimeError:  # no loop runs
        return None
    setup = Proxyserver.setup_servers.__qualname__
    return next((task for task in tasks if getattr(task.get_coro(), "__qualname__", "") == setup), None)


def _is_looking_up(instance: Any) -> bool:
    """Only a server without a host has to ask the system for addresses, in a thread, before it listens."""
    if not isinstance(instance, AsyncioServerInstance) or instance.is_running:
        return False
    return instance.mode.transport_protocol != "udp" and not instance.mode.listen_host(ctx.options.listen_host)
