"""Which providers cannot be reached, shared by all instances. Times are the engine's."""

from collections.abc import Callable, Iterable, Iterator
from math import inf, nextafter

import orjson

from pointsman.routing.health import Health
from pointsman.shared.part import Call, Delta, SharedTime


class SharedHealth:
    """Bounded by the configured providers, which `is_known` knows. `on_lost` is called with a provider that has become
    unhealthy by what a peer says.
    """

    name = "health"

    def __init__(
        self, health: Health, is_known: Callable[[str], bool], on_lost: Callable[[str], None] = lambda _: None
    ) -> None:
        self._health, self._is_known, self._on_lost = health, is_known, on_lost
        health.take_changes()
        self._lost: dict[str, tuple[float, str]] = {}
        """When each became unhealthy last, and why."""
        self._recovered: dict[str, float] = {}
        """Up to when outages are over."""
        self._changed: set[str] = set()

    def deltas(self, now: SharedTime) -> Iterator[Delta]:
        self._take_changes(now)
        changed, self._changed = self._changed, set()
        for name in sorted(changed):
            since, reason = self._lost.get(name, (0.0, ""))
            yield Delta(self.name, orjson.dumps([name, since, reason, self._recovered.get(name, 0.0)]))

    def calls(self, now: SharedTime) -> Iterable[Call]:
        return ()

    def publish_all(self, now: SharedTime) -> None:
        self._changed |= {*self._lost, *self._recovered}

    def on_connected(self, now: SharedTime, is_new_engine: bool) -> None:
        pass

    def on_disconnected(self, now: SharedTime) -> None:
        pass

    def _take_changes(self, now: SharedTime) -> None:
        for name in self._health.take_changes():
            since, _ = self._lost.get(name, (0.0, ""))
            if outage := self._health.outage(name):
                assert outage.since is not None
                moment = max(now.to_server(outage.since), nextafter(max(since, self._recovered.get(name, 0.0)), inf))
                self._lost[name] = moment, outage.reason
            else:
                self._recovered[name] = max(since, self._recovered.get(name, 0.0))
            self._changed.add(name)

    def on_delta(self, delta: Delta, now: SharedTime) -> None:
        self._take_changes(now)
        name, since, reason, recovered = orjson.loads(delta.body)
        since, recovered = now.validated(since), now.validated(recovered)
        if not self._is_known(name):
            return
        self._lost[name] = max(self._lost.get(name, (0.0, "")), (since, str(reason)))
        self._recovered[name] = max(self._recovered.get(name, 0.0), recovered)
        lost, why = self._lost[name]
        if lost <= self._recovered[name]:
            self._health.discard(name)
        elif self._health.put(name, why, now.to_local(lost)):
            self._on_lost(name)
