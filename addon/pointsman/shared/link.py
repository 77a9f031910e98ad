"""Connections to the engine, with redis-py. The library's own retries are off, and the caller bounds every wait."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from redis.asyncio import Connection, ConnectionPool, Redis, RedisCluster, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    NoPermissionError,
    NoScriptError,
    RedisClusterException,
    RedisError,
    ResponseError,
)

from pointsman.domain.engine_address import FILES, EngineAddress
from pointsman.shared.part import Call, Refused

CONNECT_TIMEOUT = 1.0
"""Seconds. No request waits for that."""
CLOSE_TIMEOUT = 0.2
LAG = 0.002
"""Seconds by which a timer is late where the event loop is busy."""
TURNS_TO_READ = 8
"""Turns of the event loop within which a reply that has arrived is applied."""
CLUSTER_HOPS = 3
"""Times that a call is sent again because its keys have moved to another node."""
CLUSTER_CALLS = 8
"""Calls that run at the same time in a cluster."""


async def holds_after_reads(condition: Callable[[], bool]) -> bool:
    """Whether the condition holds, and still does once all that this process has already received has been read."""
    for _ in range(TURNS_TO_READ):
        if not condition():
            return False
        await asyncio.sleep(0)
    return condition()


async def is_done_within(future: asyncio.Future[Any], seconds: float) -> bool:
    """Where this process was too busy to read what it has received, the time is given once more, and no longer."""
    for _ in range(2):
        began = time.monotonic()
        await asyncio.wait((future,), timeout=seconds)
        was_busy = time.monotonic() - began > seconds + LAG
        if not await holds_after_reads(lambda: not future.done()):
            return True
        if not was_busy:
            break
    return False


class EngineLost(Exception):
    """The engine did not answer, or not as expected; the text says why. `needs_action`: it stays so until an
    operator corrects it.
    """

    def __init__(self, reason: str, needs_action: bool = False) -> None:
        super().__init__(reason)
        self.needs_action = needs_action


class Link:
    """One connection to a server, or to the nodes of a cluster. A call that was cut off leaves it unusable."""

    def __init__(self, address: EngineAddress) -> None:
        self.address = address
        self._client: Redis | RedisCluster | None = None

    async def run(self, calls: Sequence[Call], patience: float) -> list[Any]:
        """The replies of all calls, in order, within so many seconds; connects first if need be. Raises EngineLost;
        the next one connects again then.
        """
        replies: list[Any] = await self._ask(lambda client: _replies(client, calls), patience)
        return replies

    async def has_entry(self, stream: str, after: bytes, longest: float, patience: float) -> bool:
        """Whether an entry comes after that one, within so many seconds and `patience`. Raises EngineLost."""
        command = ("XREAD", "COUNT", 1, "BLOCK", round(longest * 1000), "STREAMS", stream, after)
        return bool(await self._ask(lambda client: client.execute_command(*command), longest + patience))

    async def _ask(self, question: Callable[[Redis | RedisCluster], Awaitable[Any]], patience: float) -> Any:
        try:
            if self._client is None:
                async with asyncio.timeout(CONNECT_TIMEOUT):
                    self._client = await _connected(self.address)
            reply = asyncio.ensure_future(question(self._client))
            try:
                if not await is_done_within(reply, patience):
                    raise TimeoutError
                return reply.result()
            finally:
                await ended(reply)
        except BaseException as error:
            await self.close()
            if isinstance(error, TimeoutError | OSError | RedisError):
                raise _lost(error, self.address) from error
            raise

    async def close(self) -> None:
        client, self._client = self._client, None
        if client:
            await asyncio.shield(_close(client))  # goes on where this is cut off


async def ended(task: asyncio.Task[Any]) -> None:
    """Cancels a task whose result is no longer needed. What it raises is ignored."""
    if not task.done():
        task.cancel()
        await asyncio.wait((task,), timeout=CLOSE_TIMEOUT)
    if task.done() and not task.cancelled():
        task.exception()


async def _connected(address: EngineAddress) -> Redis | RedisCluster:
    options: dict[str, Any] = {FILES[name]: path for name, path in address.files}
    options |= {"username": address.username, "password": address.password, "protocol": 2}
    options |= {"socket_timeout": None, "socket_connect_timeout": CONNECT_TIMEOUT}
    if address.is_cluster:
        cluster = RedisCluster(
            host=address.host,
            port=address.port,
            ssl=address.is_tls,
            retry=Retry(NoBackoff(), CLUSTER_HOPS),
            require_full_coverage=False,
            **options,
        )
        cluster.commands_parser = KeysOfCommands()  # type: ignore[assignment]
        return await _ready(cluster, cluster.initialize())
    pool = ConnectionPool(
        SSLConnection if address.is_tls else Connection,
        max_connections=1,
        host=address.host,
        port=address.port,
        db=address.database,
        retry=Retry(NoBackoff(), 0),
        **options,
    )
    client = Redis.from_pool(pool)
    return await _ready(client, client.ping())


class KeysOfCommands:
    """Takes the place of redis-py's table of all commands, which it asks for whenever it connects to a cluster. Reading
    that takes 25 ms, in which no stream goes on; while a node is down, that would be every second. It finds the keys of
    scripts without the table.
    """

    async def initialize(self, node: object = None) -> None:
        """There is nothing to ask for."""

    async def get_keys(self, *command: Any) -> tuple[Any, ...]:
        """Of XREAD for one stream, the only command here that is no script: `XREAD … STREAMS key id`."""
        assert command[0] == "XREAD", command[0]
        return (command[-2],)


async def _ready[Client: Redis | RedisCluster](client: Client, first: Awaitable[object]) -> Client:
    """Closes its connections if the first command fails."""
    try:
        await first
    except BaseException:
        await _close(client)
        raise
    return client


async def _close(client: Redis | RedisCluster) -> None:
    with suppress(TimeoutError, OSError, RedisError):
        async with asyncio.timeout(CLOSE_TIMEOUT):
            await client.aclose()
            if isinstance(client, RedisCluster):  # it has not closed them if a node was lost
                await client.nodes_manager.aclose()
                await client.nodes_manager.aclose("startup_nodes")


async def _replies(client: Redis | RedisCluster, calls: Sequence[Call]) -> list[Any]:
    """Raises RedisError if the first one failed, or one that says something of the connection."""
    replies = await _run(client, calls, with_text=False)
    unknown = [place for place, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
    if unknown:  # EVAL makes the engine know them from then on
        again = await _run(client, [calls[place] for place in unknown], with_text=True)
        for place, reply in zip(unknown, again, strict=True):
            replies[place] = reply
    for place, reply in enumerate(replies):
        if place > 0 and type(reply) is ResponseError:
            replies[place] = Refused(str(reply))
        elif isinstance(reply, Exception):
            raise reply
    return replies


async def _run(client: Redis | RedisCluster, calls: Sequence[Call], with_text: bool) -> list[Any]:
    if isinstance(client, RedisCluster):  # a pipeline of it takes no scripts
        slots = asyncio.Semaphore(CLUSTER_CALLS)
        tasks = (_run_in_cluster(client, _command(call, with_text), slots) for call in calls)
        return await asyncio.gather(*tasks, return_exceptions=True)
    pipeline = client.pipeline(transaction=False)
    for call in calls:
        pipeline.execute_command(*_command(call, with_text))
    return await pipeline.execute(raise_on_error=False)


async def _run_in_cluster(client: RedisCluster, command: Sequence[Any], slots: asyncio.Semaphore) -> Any:
    async with slots:
        return await client.execute_command(*command)


def _command(call: Call, with_text: bool) -> tuple[str | bytes | int | float, ...]:
    script = ("EVAL", call.script.text) if with_text else ("EVALSHA", call.script.digest)
    return (*script, len(call.keys), *call.keys, *call.args)


def _lost(error: Exception, address: EngineAddress) -> EngineLost:
    """In words, without anything secret."""
    said = str(error).rstrip(". ")
    match error:
        case TimeoutError():
            return EngineLost(f"{address} does not answer")
        case AuthenticationError() | AuthorizationError() | NoPermissionError():
            remedy = "correct it there, or correct shared.url and restart"
            return EngineLost(f"{address} refuses the user or password of shared.url ({said}); {remedy}", True)
        case RedisClusterException():
            return EngineLost(f"{address}: no cluster there that answers ({said})")
        case ResponseError():
            return EngineLost(f"{address} refuses a command: {said}")
        case _:
            return EngineLost(f"no connection to {address}: {said}")
