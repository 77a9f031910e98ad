"""Faults of the server over which routers share their state."""

import asyncio
import random

from support.valkey import Valkey

PAUSE = 2.0, 5.0
"""Seconds between two faults, at least and at most."""
FROZEN = 0.1, 1.5
AWAY = 0.0, 1.0
"""Seconds that it is down."""


async def fail_regularly(engine: Valkey, seed: int) -> None:
    """Until cancelled: it freezes, or is killed and starts again empty. It runs when this returns."""
    chance = random.Random(f"{seed}/engine")
    while True:
        await asyncio.sleep(chance.uniform(*PAUSE))
        if chance.random() < 0.5:
            await _freeze(engine, chance.uniform(*FROZEN))
        else:
            await asyncio.shield(_restart(engine, chance.uniform(*AWAY)))


async def _freeze(engine: Valkey, seconds: float) -> None:
    engine.freeze()
    try:
        await asyncio.sleep(seconds)
    finally:
        engine.thaw()


async def _restart(engine: Valkey, seconds: float) -> None:
    await engine.kill()
    await asyncio.sleep(seconds)
    await engine.start()
