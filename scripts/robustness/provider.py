"""The providers of a run, in one process. Prints their base URLs, then one line of JSON for each line of stdin.

`report` asks for a report, `outage SECONDS` refuses every connection for that long. It ends with stdin.
"""

import asyncio
import json
import re
import sys
from collections import defaultdict
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

from pointsman.demo import Behaviour, Provider, ReceivedRequest, Responder, behaviours
from robustness.continuation import Asked, asked_in
from robustness.faults import FAULTY, STEADY, assignment
from robustness.other_requests import NARROW, OTHERS, OtherRequest
from robustness.other_requests import with_fixed_ids as with_ids_of_other
from robustness.requests import ChatRequest, with_fixed_ids

RESETTING = "resetting"
"""The provider that resets every new connection."""
KEEP = 4000
HAS_ENDED = 5
"""The place in a row."""


class FaultyProviders:
    """All providers. For each request: who received it, with what fault, whether the connection was reused, with which
    key, when (Unix time), and whether the answer was written to its end; where it was asked to go on with an answer,
    also how many bytes of text the request had.
    """

    def __init__(self) -> None:
        self._seen: dict[str, list[list[Any]]] = defaultdict(list)
        self._connections: dict[str, set[int]] = defaultdict(set)
        self.providers = [Provider(self._script(name), name=name, keep=KEEP) for name in (*FAULTY, STEADY)]
        self.providers.append(Provider(behaviours.reset("connect"), name=RESETTING, keep=KEEP))
        self._met: set[tuple[str, str]] = set()
        """Which of the other requests each provider has received. Bounded by the requests of a run."""
        self._running_in_line = self._most_in_line = 0
        self.providers += [Provider(self._script_for_others(name), name=name, keep=KEEP) for name in (*OTHERS, NARROW)]

    def _script(self, name: str) -> Any:
        def choose(seen: ReceivedRequest) -> Behaviour:
            request, at = ChatRequest.of_received(seen), seen.received
            with_fixed_ids(seen, request)
            chosen, key = assignment(request, name), _key(seen, name)
            asked = asked_in(seen.fields)
            if asked:
                chosen = replace(chosen, text=_rest(asked, request))
            was_used = seen.connection in self._connections[name]
            self._connections[name].add(seen.connection)
            row = [name, chosen.name if chosen.meets_fault(key) else "plain", was_used, key, at, False]
            row += [asked.size] if asked else []
            self._seen[request.id].append(row)
            return _noting_end(chosen.behaviour_for(key), row)

        return choose

    def _script_for_others(self, name: str) -> Any:
        """A fault meets a request once."""

        def choose(seen: ReceivedRequest) -> Behaviour:
            request = OtherRequest.of_received(seen.body)
            with_ids_of_other(seen, request)
            is_new = (name, request.id) not in self._met
            self._met.add((name, request.id))
            behaviour = request.behaviour(name) if is_new else request.good(name)
            return self._counting(behaviour) if name == NARROW else behaviour

        return choose

    def _counting(self, behaviour: Behaviour) -> Behaviour:
        """The same behaviour, and how many of them run at once."""

        async def play(responder: Responder) -> None:
            self._running_in_line += 1
            self._most_in_line = max(self._most_in_line, self._running_in_line)
            try:
                await behaviour.play(responder)
            finally:
                self._running_in_line -= 1

        return replace(behaviour, play=play)

    async def outage(self, seconds: float) -> None:
        """No provider accepts connections for that long."""
        for each in self.providers:
            await each.stop_listening()
        await asyncio.sleep(seconds)
        for each in self.providers:
            await each.start()

    def report(self) -> dict[str, Any]:
        """The requests since the last report, the answers that are not finished, and how many requests ran at once at
        the provider that takes few.
        """
        seen, self._seen = self._seen, defaultdict(list)
        unfinished = [
            f"{each.name} {one.behaviour} {one.question[:40]}"
            for each in self.providers
            for one in each.seen
            if not one.is_over
        ]
        return {"seen": seen, "unfinished": unfinished, "most_in_line": self._most_in_line}


def _noting_end(behaviour: Behaviour, row: list[Any]) -> Behaviour:
    """The same behaviour, which notes in the row whether its answer was written to its end."""

    async def play(responder: Responder) -> None:
        try:
            await behaviour.play(responder)
        finally:
            row[HAS_ENDED] = responder.request.finished

    return replace(behaviour, play=play)


def _rest(asked: Asked, request: ChatRequest) -> str:
    """What is left of an answer that another provider began. Raises ValueError if no provider began it like that."""
    begun = next(each for each in (*FAULTY, STEADY) if asked.prefix.startswith(f"{each}-{request.id}-0:"))
    answer = assignment(request, begun).text
    if not answer.startswith(asked.prefix):
        raise ValueError(f"{begun} did not write {asked.prefix!r}")
    return asked.written(answer)


def _key(seen: ReceivedRequest, provider: str) -> int | None:
    """The number of the key that it was sent with."""
    sent = (re.search(rf"{provider}-secret-key-(\d)", value) for _, value in seen.headers)
    return next((int(found[1]) for found in sent if found), None)


async def main() -> None:
    providers = FaultyProviders()
    async with AsyncExitStack() as stack:
        for each in providers.providers:
            await stack.enter_async_context(each)
        print(json.dumps({each.name: each.base_url for each in providers.providers}), flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            command, *arguments = line.split()
            if command == "outage":
                await providers.outage(float(arguments[0]))
            print(json.dumps(providers.report() if command == "report" else {}), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
