"""A cluster of three nodes: calls reach the node of their keys, before and after these move."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.crc import key_slot

from pointsman.domain.engine_address import parse_address
from pointsman.shared.link import Link
from pointsman.shared.part import Call, Script, SharedTime
from shared.test_link import Instance, Words, instance, until
from support.ports import free_port
from support.time_limit import LONGEST
from support.valkey import Valkey, valkey

SLOTS = 16_384
KEYS = ("instances", "deltas", "engine")


@pytest.fixture
async def nodes(tmp_path: Path) -> AsyncIterator[list[Valkey]]:
    """Three primaries, each with a third of the slots."""
    async with AsyncExitStack() as stack:
        options = ("--cluster-enabled", "yes", "--cluster-require-full-coverage", "no")
        buses = [str(free_port()) for _ in range(3)]
        nodes = [
            await stack.enter_async_context(valkey(tmp_path / bus, *options, "--cluster-port", bus)) for bus in buses
        ]
        for number, node in enumerate(nodes):
            async with node.client() as client:
                first, last = number * SLOTS // 3, (number + 1) * SLOTS // 3 - 1
                await client.execute_command("CLUSTER ADDSLOTSRANGE", first, last)
                for other, bus in zip(nodes, buses, strict=True):
                    await client.execute_command("CLUSTER MEET", "127.0.0.1", other.port, bus)
        async with asyncio.timeout(LONGEST):
            for node in nodes:
                async with node.client() as client:
                    while b"cluster_known_nodes:3" not in (info := await raw(client, "CLUSTER INFO")) or (
                        b"cluster_state:ok" not in info or b"cluster_slots_assigned:16384" not in info
                    ):
                        await asyncio.sleep(0.05)
        yield nodes


async def raw(client: Redis, command: str) -> bytes:
    found = await client.execute_command(command)
    return found if isinstance(found, bytes) else "\n".join(f"{k}:{v}" for k, v in found.items()).encode()


def cluster_url(node: Valkey) -> str:
    return f"valkey+cluster://127.0.0.1:{node.port}"


class Counting(Words):
    """Its script counts up keys of four places, which are on several nodes."""

    name = "counting"
    SCRIPT = Script("count", "return redis.call('INCR', KEYS[1])")

    def __init__(self) -> None:
        super().__init__()
        self.counts: dict[str, int] = {}

    def calls(self, now: SharedTime) -> list[Call]:
        def call(place: str) -> Call:
            def note(reply: int, _: SharedTime) -> None:
                self.counts[place] = reply

            return Call(self.SCRIPT, (f"{{test:limits:{place}}}",), (), note)

        return [call(place) for place in "abcd"]


async def test_instances_act_as_one_on_a_cluster_also_while_slots_move(nodes: list[Valkey]) -> None:
    counting = Counting()
    async with instance(cluster_url(nodes[0])) as one, instance(cluster_url(nodes[1])) as two:
        one.hub.register(counting)
        await until(lambda: one.hub.instances == two.hub.instances == 2)
        one.words.say("before")
        await until(lambda: two.words.all == {"before"})
        await until(lambda: set(counting.counts) == set("abcd"))
        slots = {key_slot(f"{{test:limits:{place}}}".encode()) * 3 // SLOTS for place in "abcd"}
        assert len(slots) > 1, "their keys are on several nodes"
        await move(key_slot(b"{test}:deltas"), nodes)
        one.words.say("after")
        await until(lambda: two.words.all == {"before", "after"})
        await agree(one, two)


async def test_to_connect_does_not_read_the_table_of_all_commands(nodes: list[Valkey]) -> None:
    """In which nothing else runs, again and again while a node is down."""
    link = Link(parse_address(cluster_url(nodes[0])))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(link.close)
        clients = [await stack.enter_async_context(node.client()) for node in nodes]
        script = Script("tell", "return redis.call('XADD', KEYS[1], '1-1', 'word', 'one')")
        assert await link.run([Call(script, ("{test}:words",))], 10) == [b"1-1"]
        assert await link.has_entry("{test}:words", b"0-0", 1, 10)
        assert not await link.has_entry("{test}:words", b"1-1", 0.01, 10)
        asked = {name for client in clients for name in await client.info("commandstats")}
        assert "cmdstat_evalsha" in asked
        assert not [name for name in asked if name == "cmdstat_command" or name.startswith("cmdstat_command|")]


async def agree(one: Instance, two: Instance) -> None:
    two.words.say("and back")
    await until(lambda: "and back" in one.words.all)
    assert one.hub.is_connected
    assert one.hub.instances == 2


async def move(slot: int, nodes: list[Valkey]) -> None:
    """As `--cluster reshard` does it: keys move one after the other while both nodes answer for the slot."""
    source = slot * 3 // SLOTS
    target = (source + 1) % 3
    clients = [node.client() for node in nodes]
    try:
        ids = [(await client.execute_command("CLUSTER MYID")).decode() for client in clients]
        await clients[target].execute_command("CLUSTER SETSLOT", slot, "IMPORTING", ids[source])
        await clients[source].execute_command("CLUSTER SETSLOT", slot, "MIGRATING", ids[target])
        while keys := await clients[source].execute_command("CLUSTER GETKEYSINSLOT", slot, 10):
            await clients[source].execute_command(
                "MIGRATE", "127.0.0.1", nodes[target].port, "", 0, 5000, "KEYS", *keys
            )
            await asyncio.sleep(0.05)
        for place in (target, source, 3 - source - target):
            await clients[place].execute_command("CLUSTER SETSLOT", slot, "NODE", ids[target])
    finally:
        for client in clients:
            await client.aclose()


async def test_a_node_that_is_gone_is_named(nodes: list[Valkey]) -> None:
    async with instance(cluster_url(nodes[2])) as one:
        await until(lambda: one.hub.is_connected)
        await nodes[key_slot(b"{test}:deltas") * 3 // SLOTS].kill()
        await until(lambda: not one.hub.is_connected)
        assert one.hub.reason
