"""The providers of a trial, all in one process. Prints their base URLs, then a report for every line on stdin, and ends
with it.
"""

import asyncio
import json
import sys
from collections import defaultdict
from contextlib import AsyncExitStack
from typing import Any

from pointsman.demo import Behaviour, Provider
from pointsman.demo import ReceivedRequest as Seen
from pointsman.demo import behaviours as menu
from trials.faults import SICK, STEADY, part
from trials.questions import Question, settled

SLAMMED = "slammed"
"""Resets every connection as it is made."""
KEEP = 4000


class Players:
    """What has been asked of whom: for each request the providers that saw it, with the connection and the fault."""

    def __init__(self) -> None:
        self._seen: dict[str, list[tuple[str, str, bool]]] = defaultdict(list)
        self._connections: dict[str, set[int]] = defaultdict(set)
        self.providers = [Provider(self._script(name), name=name, keep=KEEP) for name in (*SICK, STEADY)]
        self.providers.append(Provider(menu.reset("connect"), name=SLAMMED, keep=KEEP))

    def _script(self, name: str) -> Any:
        def choose(seen: Seen) -> Behaviour:
            question = Question.asked(seen)
            settled(seen, question)
            chosen = part(question, name)
            was_used = seen.connection in self._connections[name]
            self._connections[name].add(seen.connection)
            self._seen[question.id].append((name, chosen.name, was_used))
            return chosen.behaviour

        return choose

    def report(self) -> dict[str, Any]:
        """What was seen since the last report, and what is still going on."""
        seen, self._seen = self._seen, defaultdict(list)
        playing = [
            f"{each.name} {one.behaviour} {one.question[:40]}"
            for each in self.providers
            for one in each.seen
            if not one.is_over
        ]
        return {"seen": seen, "playing": playing}


async def main() -> None:
    players = Players()
    async with AsyncExitStack() as stack:
        for each in players.providers:
            await stack.enter_async_context(each)
        print(json.dumps({each.name: each.base_url for each in players.providers}), flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(players.report()), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
