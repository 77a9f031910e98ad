"""The providers of a run, in one process. Prints their base URLs, then a report for each line of stdin.

It ends with stdin.
"""

import asyncio
import json
import sys
from collections import defaultdict
from contextlib import AsyncExitStack
from typing import Any

from pointsman.demo import Behaviour, Provider, ReceivedRequest, behaviours
from robustness.faults import FAULTY, STEADY, assignment
from robustness.requests import ChatRequest, with_fixed_ids

RESETTING = "resetting"
"""The provider that resets every new connection."""
KEEP = 4000


class FaultyProviders:
    """All providers; for each request, those that received it with the fault and whether the connection was reused."""

    def __init__(self) -> None:
        self._seen: dict[str, list[tuple[str, str, bool]]] = defaultdict(list)
        self._connections: dict[str, set[int]] = defaultdict(set)
        self.providers = [Provider(self._script(name), name=name, keep=KEEP) for name in (*FAULTY, STEADY)]
        self.providers.append(Provider(behaviours.reset("connect"), name=RESETTING, keep=KEEP))

    def _script(self, name: str) -> Any:
        def choose(seen: ReceivedRequest) -> Behaviour:
            request = ChatRequest.of_received(seen)
            with_fixed_ids(seen, request)
            chosen = assignment(request, name)
            was_used = seen.connection in self._connections[name]
            self._connections[name].add(seen.connection)
            self._seen[request.id].append((name, chosen.name, was_used))
            return chosen.behaviour

        return choose

    def report(self) -> dict[str, Any]:
        """The requests since the last report, and the answers that are not finished."""
        seen, self._seen = self._seen, defaultdict(list)
        unfinished = [
            f"{each.name} {one.behaviour} {one.question[:40]}"
            for each in self.providers
            for one in each.seen
            if not one.is_over
        ]
        return {"seen": seen, "unfinished": unfinished}


async def main() -> None:
    providers = FaultyProviders()
    async with AsyncExitStack() as stack:
        for each in providers.providers:
            await stack.enter_async_context(each)
        print(json.dumps({each.name: each.base_url for each in providers.providers}), flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(providers.report()), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
