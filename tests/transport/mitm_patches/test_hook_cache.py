"""The remembered hooks do what the stock manager does."""

from collections.abc import Awaitable, Callable

import pytest
from mitmproxy.addonmanager import AddonManager
from mitmproxy.exceptions import AddonHalt
from mitmproxy.proxy.layers.http import HttpRequestHook, HttpResponseHook
from mitmproxy.test import taddons, tflow

from pointsman.transport.mitm_patches.hook_cache import HookCache


class Witness:
    """Writes down who was asked; may raise, or wait."""

    def __init__(self, name: str, heard: list[str], error: BaseException | None = None) -> None:
        self.name, self.heard, self.error = name, heard, error

    def request(self, flow: object) -> None:
        self.heard.append(self.name)
        if self.error:
            raise self.error


class Waiting(Witness):
    async def request(self, flow: object) -> None:  # type: ignore[override]
        self.heard.append(self.name)


class Parent(Witness):
    def __init__(self, name: str, heard: list[str], *children: object, error: BaseException | None = None) -> None:
        super().__init__(name, heard, error)
        self.addons = list(children)


def casts(heard: list[str]) -> dict[str, list[object]]:
    return {
        "in order": [Witness("a", heard), Waiting("b", heard), Witness("c", heard)],
        "one raises": [Witness("a", heard, ValueError("no")), Witness("b", heard)],
        "one halts": [Witness("a", heard, AddonHalt()), Witness("b", heard)],
        "nested": [Parent("a", heard, Witness("a1", heard), Waiting("a2", heard)), Witness("b", heard)],
        "a parent raises": [Parent("a", heard, Witness("a1", heard), error=ValueError("no")), Witness("b", heard)],
        "nobody": [],
    }


async def waited_for(manager: AddonManager) -> None:
    for _ in range(2):
        await manager.trigger_event(HttpRequestHook(tflow.tflow()))
        await manager.trigger_event(HttpResponseHook(tflow.tflow(resp=True)))


async def told_only(manager: AddonManager) -> None:
    manager.trigger(HttpRequestHook(tflow.tflow()))


@pytest.mark.parametrize("trigger", [waited_for, told_only])
@pytest.mark.parametrize("cast", casts([]))
async def test_addons_are_called_as_by_the_stock_manager(
    cast: str, trigger: Callable[[AddonManager], Awaitable[None]]
) -> None:
    told: dict[bool, list[str]] = {}
    for remembered in (False, True):
        told[remembered] = []
        with taddons.context(*casts(told[remembered])[cast], loadcore=False) as context:
            manager = context.master.addons
            if remembered:
                HookCache(manager).install()
            await trigger(manager)
    assert told[True] == told[False]
    assert bool(told[True]) == (cast != "nobody")


async def test_addons_that_come_and_go_are_noticed() -> None:
    heard: list[str] = []
    first, later = Witness("first", heard), Witness("later", heard)
    parent = Parent("parent", heard)
    with taddons.context(first, parent, loadcore=False) as context:
        manager = context.master.addons
        HookCache(manager).install()
        await ask(manager)
        manager.add(later)
        await ask(manager)
        manager.remove(first)
        child = Witness("child", heard)
        parent.addons.append(child)
        manager.register(child)
        await ask(manager)
    assert heard == ["first", "parent", "first", "parent", "later", "parent", "child", "later"]


async def test_the_stock_manager_answers_again_once_removed() -> None:
    with taddons.context(loadcore=False) as context:
        manager = context.master.addons
        index, other = HookCache(manager), HookCache(manager)
        index.install()
        other.remove()
        assert manager.trigger_event == index.trigger_event
        index.remove()
        assert manager.trigger_event.__func__ is AddonManager.trigger_event


async def ask(manager: AddonManager) -> None:
    await manager.trigger_event(HttpRequestHook(tflow.tflow()))
