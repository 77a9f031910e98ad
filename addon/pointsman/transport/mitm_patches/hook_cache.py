"""A cache of the addons that handle each of mitmproxy's hooks.

The stock manager checks some forty addons at each hook, and again for the update of the flow, for such a method: for a
streamed answer that is a quarter of all the work. Here the result is kept until an addon is added or removed. The
order, and what happens when an addon raises or halts, are the stock manager's.

Inner parts: `AddonManager.trigger` and `trigger_event`, replaced; `_iter_hooks`, `lookup` and `chain`.
Gain: see "Patches" in docs/measurements.md. Switch: `hook_cache`.
"""

import inspect
from collections.abc import Callable
from typing import Any

from mitmproxy import hooks
from mitmproxy.addonmanager import AddonManager, safecall
from mitmproxy.exceptions import AddonHalt, AddonManagerError

type HandlerGroup = tuple[Callable[..., Any], ...]
"""One addon's methods and those of the addons that it manages: an exception in one spares the client the rest."""


class HookCache:
    """Stands in for one manager's `trigger_event` and `trigger` while it is installed."""

    def __init__(self, manager: AddonManager) -> None:
        self._manager = manager
        self._known_addons: list[object] = []
        self._groups: dict[str, list[HandlerGroup]] = {}  # as many as mitmproxy has hooks

    def install(self) -> None:
        self._manager.trigger_event = self.trigger_event  # type: ignore[method-assign]
        self._manager.trigger = self.trigger  # type: ignore[method-assign]

    def remove(self) -> None:
        if vars(self._manager).get("trigger_event") == self.trigger_event:
            del self._manager.trigger_event, self._manager.trigger

    def trigger(self, event: hooks.Hook) -> None:
        """For hooks without a waiting caller, such as the one of each logged line."""
        arguments = event.args()
        for group in self._handlers(event):
            try:
                for function in group:
                    if inspect.iscoroutinefunction(function):
                        raise AddonManagerError(f"Async handler {event.name} ({function}) cannot be called here")
                    function(*arguments)
            except AddonHalt:
                return
            except Exception as error:
                _handle_error(error)

    async def trigger_event(self, event: hooks.Hook) -> None:
        groups = self._handlers(event)
        if not groups:
            return
        arguments = event.args()
        for group in groups:
            try:
                for function in group:
                    result = function(*arguments)
                    if result is not None and inspect.isawaitable(result):
                        await result
            except AddonHalt:
                return
            except Exception as error:
                _handle_error(error)

    def _handlers(self, event: hooks.Hook) -> list[HandlerGroup]:
        present = list(self._manager.lookup.values())  # of all addons, those that others manage included
        if present != self._known_addons:
            self._known_addons = present
            self._groups.clear()
        if (found := self._groups.get(event.name)) is None:
            each = (self._manager._iter_hooks(addon, event) for addon in self._manager.chain)
            functions = (tuple(function for _, function in hooked) for hooked in each)
            found = self._groups[event.name] = [group for group in functions if group]
        return found


def _handle_error(error: Exception) -> None:
    """What the stock manager does with an addon's exception: most are logged, some go on."""
    with safecall():
        raise error
