"""Listeners of kills."""

import asyncio
import gc
import weakref

import pytest
from mitmproxy.exceptions import ControlException
from mitmproxy.http import HTTPFlow
from mitmproxy.test import tflow

from pointsman.transport.mitm_patches.flow_kill import notify_on_kill, stop_notifying
from support.patches import needs_patch

AT_ONCE = needs_patch("flow_kill", "a kill is only noted on its flow")


class Listener:
    def __init__(self) -> None:
        self.told = 0

    def killed(self) -> None:
        self.told += 1


@AT_ONCE
def test_listeners_are_called_after_the_kill() -> None:
    flow, listener = tflow.tflow(), Listener()
    notify_on_kill(flow, listener.killed)
    flow.kill()
    assert (listener.told, flow.killable) == (1, False)


def test_a_refused_kill_calls_no_listener() -> None:
    flow, listener = tflow.tflow(), Listener()
    flow.live = False
    notify_on_kill(flow, listener.killed)
    with pytest.raises(ControlException):
        flow.kill()
    assert listener.told == 0


def test_afterwards_the_flow_is_as_it_was() -> None:
    flow, listener = tflow.tflow(), Listener()
    notify_on_kill(flow, listener.killed)
    stop_notifying(flow)
    flow.kill()
    assert listener.told == 0
    assert "kill" not in vars(flow)


@AT_ONCE
async def test_who_waits_for_an_intercepted_flow_is_let_go() -> None:
    flow, listener = tflow.tflow(), Listener()
    notify_on_kill(flow, listener.killed)
    flow.intercept()
    waiting = asyncio.create_task(flow.wait_for_resume())
    await asyncio.sleep(0)
    flow.kill()
    await waiting
    assert flow.error


def test_a_flow_is_let_go_without_collecting_garbage() -> None:
    flow, listener = HTTPFlow(tflow.tclient_conn(), tflow.tserver_conn()), Listener()
    notify_on_kill(flow, listener.killed)
    gone = weakref.ref(flow)
    del flow
    assert gone() is None


def test_a_flow_keeps_no_other_object_alive() -> None:
    flow, listener = tflow.tflow(), Listener()
    notify_on_kill(flow, listener.killed)
    gone = weakref.ref(listener)
    del listener
    gc.collect()
    assert gone() is None
    flow.kill()


def test_a_copy_has_none_of_it() -> None:
    flow, listener = tflow.tflow(), Listener()
    notify_on_kill(flow, listener.killed)
    assert "kill" not in vars(flow.copy())
