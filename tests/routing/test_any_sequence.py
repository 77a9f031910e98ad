"""Whatever fails, succeeds, passes or is reloaded, in whatever order: no target is used that may not be."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest
from hypothesis import settings as weather
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pointsman.config import Settings
from pointsman.config.enums import Dialect, ProtectionLevel
from pointsman.domain.failures import Failure, Scope, classify
from pointsman.domain.records import Outcome
from pointsman.domain.targets import Candidate, Target
from pointsman.domain.usage_window import STEPS_PER_WINDOW
from pointsman.routing.exclusion_reasons import ExclusionReason
from pointsman.routing.limits import MINUTE
from pointsman.routing.outages import MAX_OUTAGES
from pointsman.routing.plan import Plan
from pointsman.routing.retry_storms import MAX_ENTRIES
from pointsman.routing.router import Router
from pointsman.sessions.penalties import Ban
from pointsman.sessions.store import Session
from pointsman.wire.errors import Fault, FaultKind
from pointsman.wire.frames import Usage
from routing.routing_builders import request, status
from support.audit_records import attempt_record
from support.clients_in_core import SECRET, caller
from support.settings import provider, settings

WALL = 1_700_000_000.0
RPM, TPM = 3, 1000
TWO = ["first-secret", "second-secret"]
LIMITED = {"models": [{"id": "m", "limits": {"rpm": RPM, "tpm": TPM}}, {"id": "n", "context": 50}]}
ONE_OFF = ["first-secret", {"value": "second-secret", "enabled": False}]
A, B = provider("https://a.test/v1", keys=TWO) | LIMITED, provider("https://b.test/v1", "m", "n", keys=TWO)
C = provider("http://127.0.0.1:9/v1", keys=["third-secret"])
HOUSES: dict[str, dict[str, Any]] = {
    "all": {"a": A, "b": B, "c": C},
    "without a": {"b": B, "c": C},
    "b and c off": {"a": A, "b": B | {"enabled": False}, "c": C | {"enabled": False}},
    "one key off": {"a": A | {"keys": ONE_OFF}, "b": B, "c": C},
    "a key replaced": {"a": A | {"keys": ["another-secret", "second-secret"]}, "b": B, "c": C},
    "keys in another order": {"a": A | {"keys": TWO[::-1]}, "b": B | {"keys": ["new-secret", *TWO]}, "c": C},
}
REMOTE = {"a", "b"}
"""c is on this machine."""
MODELS = ["m", "m", "n", "auto", "a/m", "b/m", "b/m", "b/m", "c/m"]
LEVELS = {"a": "provider-ban", "b/n": "provider-ban", "c": "off"}
"""b itself is left to the default."""
GUARDED, SKIPPING = ProtectionLevel.PROVIDER_BAN, ProtectionLevel.MODEL_SKIP
BAN = 600.0
SHARED, REMEMBERED = 30.0, 300.0
"""Seconds within which failures of several clients are an outage, and for which what others suffered counts."""
GIVING_WAY = (
    ExclusionReason.COOLING,
    ExclusionReason.HALF_OPEN,
    ExclusionReason.RATE_LIMITED,
    ExclusionReason.UNHEALTHY,
    ExclusionReason.BANNED,
    ExclusionReason.GONE,
)
"""The last resort, what is used first."""


class Cost(NamedTuple):
    """What a failure costs: `scope` is closed for at least `seconds`, if the provider states no wait."""

    scope: Scope = Scope.REQUEST
    seconds: float = 0.0
    skips_target: bool = True
    after_all_keys: bool = False
    counts: bool = False
    """Against its target in the session."""
    is_stated: bool = False
    """A wait that is stated comes first."""


COSTS = {
    Failure.CONNECT: Cost(Scope.TARGET, 15.0, counts=True, is_stated=True),
    Failure.TIMEOUT: Cost(Scope.TARGET, 15.0, counts=True, is_stated=True),
    Failure.NO_ANSWER: Cost(Scope.TARGET, 15.0, is_stated=True),
    Failure.SERVER_ERROR: Cost(Scope.TARGET, 15.0, False, after_all_keys=True, counts=True, is_stated=True),
    Failure.ODD_SERVER_ERROR: Cost(Scope.TARGET, 15.0, False, after_all_keys=True, is_stated=True),
    Failure.MODEL_GONE: Cost(Scope.TARGET, 300.0),
    Failure.RATE_LIMIT: Cost(Scope.MODEL_OF_KEY, 90.0, False, is_stated=True),
    Failure.QUOTA: Cost(Scope.MODEL_OF_KEY, 1.0, False, is_stated=True),
    Failure.NO_ACCESS: Cost(Scope.MODEL_OF_KEY, 3600.0, False),
    Failure.KEY_RATE_LIMIT: Cost(Scope.KEY, 90.0, False, is_stated=True),
    Failure.ACCOUNT: Cost(Scope.KEY, 3600.0, False, is_stated=True),
    Failure.KEY_INVALID: Cost(Scope.KEY, 300.0, False),
    Failure.FORBIDDEN: Cost(),
    Failure.NOT_FOUND: Cost(),
    Failure.REQUEST_TOO_LARGE: Cost(),
}
NEARBY = 5.0
"""Seconds at most that c cools after a transient failure."""
TELLING = [
    status(429, message="Rate limit reached for model `m` on tokens per day (TPD): Limit 100000"),
    status(429, message="Organization-level rate limit exceeded"),
    status(403, message="You do not have access to this model"),
    status(404, code="model_decommissioned"),
]
FAULTS = st.one_of(
    st.builds(Fault, st.sampled_from([FaultKind.REFUSED, FaultKind.EMPTY, FaultKind.FIRST_BYTE_TIMEOUT])),
    st.builds(
        lambda number, wait: status(number, retry_after=wait),
        st.sampled_from([401, 402, 403, 404, 413, 429, 500, 503, 529]),
        st.none() | st.floats(0, 100),
    ),
    st.sampled_from(TELLING),
)
SESSIONS = st.sampled_from([None, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6])
"""The first ones have a long history; more than the table keeps."""
type Name = tuple[Scope, object]
"""A target, a key, or one model of a key."""


def house(name: str) -> Settings:
    levels = {scope: level for scope, level in LEVELS.items() if scope.partition("/")[0] in HOUSES[name]}
    return settings(HOUSES[name], sticky={"max_sessions": 5}, protection=levels)


def names_of(candidate: Candidate) -> tuple[Name, ...]:
    """All that may be closed for it."""
    return (
        (Scope.TARGET, candidate.target.label),
        (Scope.KEY, candidate.key_id),
        (Scope.MODEL_OF_KEY, candidate.pair_id),
    )


class Closed(NamedTuple):
    """What failed last at `failed`, and has not worked since. It is not used before `until`."""

    until: float
    failed: float
    is_connection: bool = False


class Suffered(NamedTuple):
    """A failure that counts, of this client at this target."""

    at: float
    client: bytes
    label: str


@dataclass(eq=False, repr=False)  # plans are long
class Running:
    """An exchange, with its attempt in flight if there is one."""

    plan: Plan
    tokens: int
    failed: set[Candidate] = field(default_factory=set)
    candidate: Candidate | None = None
    launched: float = 0.0
    counted: set[str] = field(default_factory=set)
    """Targets whose failure has counted here."""
    tries: set[Name] = field(default_factory=set)
    """What had failed before, and is tried by the attempt in flight."""
    moved: set[str] = field(default_factory=set)
    """Targets that failed here."""
    refused: set[str] = field(default_factory=set)
    """Targets that did not take the request."""

    @property
    def holder(self) -> object:
        """Its session, as long as there is one, else the exchange."""
        return self.plan.binding.session or self


@dataclass
class Past:
    """What a session has suffered and shown, worked out from the rules and not from the router."""

    bans: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Bans that hold, by scope: since and until when."""
    strikes: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """When failures of a target counted since its last success."""
    soft_bans: dict[str, Ban] = field(default_factory=dict)
    """Bans that give way, as the router had them last."""
    successes: dict[str, float] = field(default_factory=dict)
    keys: dict[str, object] = field(default_factory=dict)


class AnyWeather(RuleBasedStateMachine):
    """`closed` is what must be closed until then at least, worked out from the table and not from the router."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.running: list[Running] = []
        self.closed: dict[Name, Closed] = {}
        self.unreached: dict[str, float] = {}
        """When the last connection to a remote provider failed, as long as none has been reached since."""
        self.offline: list[tuple[float, float]] = []
        """From when to when the network was down."""
        self.suffered: list[Suffered] = []
        self.used: list[tuple[float, str, str | None]] = []
        """Requests that reached a limited target, and when they were launched."""
        self.stated: dict[tuple[str, str | None], int] = {}
        self.pasts: defaultdict[object, Past] = defaultdict(Past)
        """By session, or by exchange where there is none."""

    @initialize()
    def open(self) -> None:
        self.router = Router(house("all"), SECRET)

    # What happens.

    @rule(model=st.sampled_from(MODELS), faults=st.lists(FAULTS, max_size=4), session=SESSIONS)
    def ask(self, model: str, faults: list[Fault], session: int | None) -> None:
        """A whole exchange: these faults, then a good answer."""
        own = self.begun(model, 10, session)
        known = own.plan.binding.session
        pin = known.pin if known else None
        for fault in [*faults, None]:
            self.launch_for(own)
            if own.candidate is None:
                own.plan.on_ended(True, self.now)
                return
            self.settle_for(own, fault, True, None if fault else 20)
        own.plan.on_ended(False, self.now)
        if known and pin and own.plan.binding.preferred_pin and pin.label in own.refused - own.moved:
            assert known.pin in (pin, None), "its target has only refused this one request"

    @rule(model=st.sampled_from(MODELS), fault=FAULTS, session=SESSIONS, times=st.integers(1, 3))
    def fail_everywhere(self, model: str, fault: Fault, session: int | None, times: int) -> None:
        """Whole exchanges, in each of which every attempt fails."""
        for _ in range(times):
            own = self.begun(model, 10, session)
            self.launch_for(own)
            while own.candidate:
                self.settle_for(own, fault, True, None)
                self.launch_for(own)
            own.plan.on_ended(True, self.now)

    @rule(model=st.sampled_from(MODELS), tokens=st.integers(1, 600), session=SESSIONS)
    def begin(self, model: str, tokens: int, session: int | None) -> None:
        for gone in self.running[:-5]:
            gone.plan.discard()
        self.running = [*self.running[-5:], self.begun(model, tokens, session)]

    def begun(self, model: str, tokens: int, session: int | None) -> Running:
        if "/" in model and model not in self.router.inventory.by_label:
            model = "m"
        client = caller(headers={} if session is None else {"x-session-id": str(session)})
        return Running(self.router.plan(request(model, tokens), Dialect.OPENAI_CHAT, client, self.now), tokens)

    @precondition(lambda self: any(each.candidate is None for each in self.running))
    @rule(data=st.data())
    def launch(self, data: st.DataObject) -> None:
        self.launch_for(data.draw(st.sampled_from([each for each in self.running if each.candidate is None])))

    def launch_for(self, own: Running) -> None:
        candidate = own.plan.next_candidate(self.now)
        if candidate is None:
            problem = own.plan.final_error(self.now, WALL + self.now)
            assert problem.retry_after is None or 0 <= problem.retry_after <= 86_400 + 24 * 60
            assert own.plan.retry_wait is not None or not self.usable_targets(own), "something was left that may work"
            return
        why = own.plan.selection_reason(candidate, self.now, WALL)
        self.check(own, candidate, why)
        self.check_session(own, candidate, why)
        own.plan.on_launched(1, candidate, self.now)
        own.candidate, own.launched = candidate, self.now
        if not self.router.inventory.contains(candidate):
            return
        own.tries = set() if why.startswith("last_resort") else self.closed.keys() & set(names_of(candidate))
        if candidate.target.label == "a/m":
            self.used.append((self.now, *candidate.pair_id))

    def usable_targets(self, own: Running) -> list[Target]:
        """Targets without any limit or guard that have not failed here, and with a key that excludes no request."""
        return [
            target
            for target in own.plan.candidates.targets
            if target.label in ("b/m", "c/m") and target.enabled and any(
                each not in own.failed and self.is_key_open(each) for each in own.plan.inventory.keys[target]
            )
        ]  # fmt: skip

    def is_key_open(self, candidate: Candidate) -> bool:
        _, *keys = names_of(candidate)
        return not any(name in self.closed for name in keys)

    def check(self, own: Running, candidate: Candidate, why: str) -> None:
        label, key = candidate.pair_id
        target, *keys = names_of(candidate)
        is_last_resort = why.startswith("last_resort")
        assert candidate.target.enabled
        assert candidate not in own.failed, "it has failed in this exchange"
        assert not any(self.closed[name].until > self.now for name in keys if name in self.closed), "its key is closed"
        if not is_last_resort:
            assert target not in self.closed or self.closed[target].until <= self.now, "its target is closed"
            tried = {name for each in self.running if each.candidate and each is not own for name in each.tries}
            assert not tried & self.closed.keys() & set(names_of(candidate)), "another one is trying it"
        else:
            self.check_last_resort(own, candidate, ExclusionReason(why.split()[1]))
        if label == "a/m" and self.router.inventory.contains(candidate):
            recent = [at for at, target, used in self.used if (target, used) == (label, key) and at > self.now - MINUTE]
            assert len(recent) < min(RPM, self.stated.get((label, key), RPM)), "its limit is used up"

    def check_last_resort(self, own: Running, candidate: Candidate, reason: ExclusionReason) -> None:
        assert not list(own.plan.ranked_candidates(self.now)), "there was another one"
        usable = self.usable_targets(own)
        for each in own.plan.exclusions(self.now):
            if each.key is None and each.target in usable and each.target is not candidate.target:
                assert each.reason in GIVING_WAY
                assert not each.holds
                assert GIVING_WAY.index(reason) <= GIVING_WAY.index(each.reason), "another one is likelier to work"

    def check_session(self, own: Running, candidate: Candidate, why: str) -> None:
        past, target = self.pasts[own.holder], candidate.target
        held = self.held_bans(past)
        assert not held.keys() & {target.provider.name, target.label}, "it is banned"
        soft = self.soft_bans_of(own.plan.binding.session).get(target.label)
        if soft and not why.startswith("last_resort"):
            assert self.others(own.plan.binding.client_id, target.label, soft.since - SHARED, soft.since + SHARED)
        if target.protection_level is not GUARDED:
            return
        assert past.keys.setdefault(target.scope, candidate.key_id) == candidate.key_id, "a second key is shown"
        if self.serves_another(own, target):
            free = [each for each in own.plan.ranked_candidates(self.now) if not self.serves_another(own, each.target)]
            assert not free, "another one was free"

    def held_bans(self, past: Past) -> dict[str, float]:
        """Until when. What happened while the network was down bans no remote provider."""
        return {
            scope: until
            for scope, (since, until) in past.bans.items()
            if until > self.now and not self.was_offline(scope.partition("/")[0], since)
        }

    def was_offline(self, provider: str, moment: float) -> bool:
        return provider in REMOTE and any(start <= moment <= end for start, end in self.offline[-MAX_OUTAGES:])

    def soft_bans_of(self, session: Session | None) -> dict[str, Ban]:
        """As the router has them."""
        bans = session.penalties.bans if session and session.penalties else {}
        return {scope: ban for scope, ban in bans.items() if ban.gives_way and ban.until > self.now}

    def others(self, client: bytes, of: str, since: float, until: float) -> list[Suffered]:
        """What others suffered at a target, or at all targets of a provider."""
        return [
            each
            for each in self.suffered
            if each.client != client and since <= each.at <= until and of in (each.label, each.label.partition("/")[0])
        ]

    def serves_another(self, own: Running, target: Target) -> bool:
        return target.protection_level is GUARDED and any(
            each.candidate
            and (each.candidate.target.protection_level, each.candidate.target.scope) == (GUARDED, target.scope)
            and each.holder is not own.holder
            and each.launched + 600 > self.now
            for each in self.running
        )

    @precondition(lambda self: any(each.candidate for each in self.running))
    @rule(
        data=st.data(), fault=FAULTS | st.none(), reached=st.booleans(), tokens=st.none() | st.integers(0, 900),
        limit=st.none() | st.integers(1, 5),
    )  # fmt: skip
    def settle(
        self, data: st.DataObject, fault: Fault | None, reached: bool, tokens: int | None, limit: int | None
    ) -> None:
        own = data.draw(st.sampled_from([each for each in self.running if each.candidate]))
        assert own.candidate
        if limit and reached:
            self.hear(own, own.candidate, limit)
        self.settle_for(own, fault, reached, tokens)

    def settle_for(self, own: Running, fault: Fault | None, reached: bool, tokens: int | None) -> None:
        candidate = own.candidate
        assert candidate
        committed = fault is None and tokens is not None
        failure = classify(fault) if fault else None
        is_answered = committed or (reached and fault is not None and fault.status is not None)
        record = attempt_record(
            outcome=Outcome.RETRY_FAILED if fault else Outcome.REQUEST_SUCCESS if committed else Outcome.CLIENT_ABORT,
            failure=failure,
            connected_ms=1.0 if reached or committed else None,
            first_byte_ms=1.5 if is_answered else None,
            first_content_ms=2.0 if committed else None,
            started=WALL,
            settled_ms=self.now * 1000,
            usage=None if tokens is None else Usage(tokens, 0, 0),
        )
        if not reached and not committed:
            self.forget(own, candidate)
        own.candidate, own.tries = None, set()
        if committed:
            own.plan.on_committed(candidate, self.now)
        own.plan.on_settled(candidate, record, fault, self.now)
        if is_answered and candidate.target.provider.name in REMOTE:
            self.unreached.clear()
        if fault and failure:
            self.teach(own, candidate, failure, fault)
        elif committed:
            self.reopen(own, candidate)

    def hear(self, own: Running, candidate: Candidate, limit: int) -> None:
        headers = {"x-ratelimit-limit-requests": str(limit), "x-ratelimit-reset-requests": "1s"}
        own.plan.on_head(candidate, headers, self.now, WALL)
        place = candidate.pair_id
        if self.router.inventory.contains(candidate):
            self.stated[place] = min(limit, self.stated.get(place, limit))

    def forget(self, own: Running, candidate: Candidate) -> None:
        """It never arrived, so it does not count."""
        use = (own.launched, *candidate.pair_id)
        if use in self.used:
            self.used.remove(use)

    def teach(self, own: Running, candidate: Candidate, failure: Failure, fault: Fault) -> None:
        cost, target = COSTS[failure], candidate.target
        keys = own.plan.inventory.keys[target]
        own.failed.update(keys if cost.skips_target else [candidate])
        (own.refused if cost.scope is Scope.REQUEST else own.moved).add(target.label)
        is_down = failure is Failure.CONNECT and self.is_network_down(candidate)
        is_local = is_down and target.provider.name in REMOTE
        if not is_local:
            self.teach_session(own, target, failure)
        if not self.router.inventory.contains(candidate) or is_local:
            return
        if cost.scope is Scope.REQUEST or (cost.after_all_keys and not own.failed >= set(keys)):
            return
        seconds = cost.seconds
        if fault.retry_after is not None and cost.is_stated:
            seconds = min(max(fault.retry_after, 1.0), 86_400.0)
        elif cost.seconds == COSTS[Failure.CONNECT].seconds and target.provider.name not in REMOTE:
            seconds = NEARBY
        [name] = (name for name in names_of(candidate) if name[0] is cost.scope)
        self.close(name, seconds, failure is Failure.CONNECT)

    def is_network_down(self, candidate: Candidate) -> bool:
        """A connection failed: do connections to several providers? Then it is not their fault."""
        name = candidate.target.provider.name
        was_down = len(self.failing()) > 1
        if name in REMOTE and self.router.inventory.contains(candidate):
            self.unreached[name] = self.now
        failing = self.failing()
        if len(failing) < 2:
            return False
        if name in failing:
            first = self.offline.pop()[0] if was_down else min(self.unreached[each] for each in failing)
            self.offline.append((first, self.now))
            excused = {n for n, closed in self.closed.items() if n[0] is Scope.TARGET and closed.is_connection}
            for each in excused:
                if str(each[1]).partition("/")[0] in failing:
                    del self.closed[each]
        return True

    def failing(self) -> set[str]:
        """The remote providers to which connections fail."""
        return {each for each, at in self.unreached.items() if at > self.now - SHARED}

    def teach_session(self, own: Running, target: Target, failure: Failure) -> None:
        past, cost, label = self.pasts[own.holder], COSTS[failure], target.label
        binding = own.plan.binding
        if cost.counts and label not in own.counted:
            own.counted.add(label)
            self.suffered.append(Suffered(self.now, binding.client_id, label))
            if binding.session and (not past.strikes[label] or own.launched >= past.strikes[label][-1]):
                past.strikes[label].append(self.now)
                self.check_lonely(binding.session, binding.client_id, target)
        bans = target.protection_level is GUARDED and (cost.scope is not Scope.REQUEST or failure is Failure.FORBIDDEN)
        if bans and target.scope not in self.held_bans(past):
            past.bans[target.scope] = self.now, self.now + BAN if binding.session else float("inf")

    def check_lonely(self, session: Session, client: bytes, target: Target) -> None:
        """Two failures in a row that no other conversation shares ban."""
        name = target.provider.name
        strikes = [at for at in self.pasts[session].strikes[target.label] if not self.was_offline(name, at)]
        is_banned = target.label in self.soft_bans_of(session)
        if target.protection_level is SKIPPING and len(strikes) > 1:
            assert is_banned or self.others(client, name, strikes[0] - REMEMBERED, self.now)

    def reopen(self, own: Running, candidate: Candidate) -> None:
        """It works: what failed before it was asked is forgotten."""
        past, label = self.pasts[own.holder], candidate.target.label
        past.strikes.pop(label, None)
        past.successes[label] = self.now
        for name in names_of(candidate):
            if name in self.closed and own.launched >= self.closed[name].failed:
                del self.closed[name]

    def close(self, name: Name, seconds: float, is_connection: bool) -> None:
        until, before = self.now + seconds, self.closed.get(name)
        if before and before.until > until:
            until, is_connection = before.until, before.is_connection
        self.closed[name] = Closed(until, self.now, is_connection)
        for each in self.running:
            each.tries.discard(name)

    @rule(seconds=st.sampled_from([0.001, 0.9, 5.0, 16.0, 61.0, 301.0, 4000.0, 90_000.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(alive=st.booleans(), chance=st.floats(0, 1))
    def probe(self, alive: bool, chance: float) -> None:
        for name, _ in self.router.probes_due(lambda: chance, self.now):
            assert name not in {again for again, _ in self.router.probes_due(lambda: chance, self.now + 1000)}
            self.router.on_probe_result(name, alive)
            assert (self.router.health.outage(name) is None) is alive

    @rule(name=st.sampled_from(sorted(HOUSES)))
    def reload(self, name: str) -> None:
        before = self.router.inventory
        self.router.update_settings(house(name), self.now)
        now = self.router.inventory
        keys, places = now.unchanged_keys(before), now.pair_ids()
        same, reachable = now.unchanged_targets(before), now.unchanged_providers(before)
        self.closed = {
            name: closed
            for name, closed in self.closed.items()
            if (name[0] is Scope.TARGET and name[1] in same)
            or (name[0] is Scope.KEY and name[1] in keys)
            or (name[0] is Scope.MODEL_OF_KEY and self.is_kept(name[1], same, keys))
        }
        self.unreached = {name: at for name, at in self.unreached.items() if name in reachable}
        self.used = [use for use in self.used if use[1:] in places]
        self.stated = {place: limit for place, limit in self.stated.items() if place in places}

    def is_kept(self, pair: Any, labels: Any, keys: Any) -> bool:
        return pair[0] in labels and (pair[0].partition("/")[0], pair[1]) in keys

    @rule()
    def clear(self) -> None:
        self.router.cooldowns.clear(self.now)
        self.closed.clear()

    # What must hold whatever has happened.

    @invariant()
    def every_table_is_within_its_bound(self) -> None:
        inventory, cooldowns = self.router.inventory, self.router.cooldowns
        names = set(inventory.key_labels)
        told = self.router.cooldowns_to_dict(self.now, self.now)
        assert {f"{row['provider']}/{row['model']}" for row in told["targets"]} <= set(inventory.by_label)
        assert all(self.now < row["until"] <= self.now + 86_400 for rows in told.values() for row in rows)
        assert all(row["since"] <= self.now for rows in told.values() for row in rows)
        assert cooldowns.invalid_keys <= names
        assert set(cooldowns._targets.names()) <= set(inventory.by_label)
        assert set(cooldowns._keys.names()) <= names
        assert set(cooldowns._pairs.names()) <= inventory.pair_ids()
        assert set(self.router.limits._windows) <= inventory.pair_ids()
        assert self.router.sessions.stats(self.now)["active_sessions"] <= 5
        assert set(self.router.health._outages) <= set(HOUSES["all"])
        assert len(self.router.retry_storms) == self.router.retry_storms._storms_by_client.total() <= MAX_ENTRIES

    @invariant()
    def every_active_entry_belongs_to_a_running_attempt(self) -> None:
        guarded = [
            each for each in self.running if each.candidate and each.candidate.target.protection_level is GUARDED
        ]
        attempts = [attempt for each in guarded for attempt in each.plan._attempts._attempts.values()]
        running = {attempt.guard for attempt in attempts if attempt.guard}
        entries = {entry for entries in self.router.in_flight._entries.values() for entry in entries}
        assert entries <= running
        assert len(running) == len(guarded)
        fresh = [each for each in guarded if each.launched + 600 > self.now]
        assert len(entries) >= len(fresh)

    @invariant()
    def every_trial_belongs_to_a_running_attempt(self) -> None:
        running = [each.plan._exclusions for each in self.running if each.candidate]
        cooldowns = self.router.cooldowns
        for slots in (cooldowns._targets, cooldowns._keys, cooldowns._pairs):
            assert all(slot.trial is None or slot.trial in running for slot in slots._slots.values())

    @invariant()
    def bans_that_hold_are_those_of_the_rules(self) -> None:
        for session in self.router.sessions._store:
            past, penalties = self.pasts[session], session.penalties
            bans = penalties.bans if penalties else {}
            told = Past({scope: (ban.since, ban.until) for scope, ban in bans.items() if not ban.gives_way})
            ends = self.held_bans(past)
            assert self.held_bans(told) == ends
            if session.pin:
                assert not ends.keys() & {session.pin.provider, session.pin.label}

    @invariant()
    def bans_that_give_way_have_a_reason_and_a_fixed_end(self) -> None:
        for session in self.router.sessions._store:
            past, bans = self.pasts[session], self.soft_bans_of(session)
            for label, ban in bans.items():
                before = past.soft_bans.get(label)
                assert ban.until == ban.since + BAN
                if before and before.since == ban.since:
                    continue
                assert before is None or before.until <= ban.since or past.successes.get(label, 0.0) >= before.since
                assert len(past.strikes[label]) > 1
                assert not self.others(session.id, label, ban.since - SHARED, ban.since - 0.0001), "others fail there"
            past.soft_bans |= bans

    @invariant()
    def no_counter_is_negative(self) -> None:
        for windows in self.router.limits._windows.values():
            for window in windows.values():
                assert window.used(self.now) >= 0
                assert all(used >= 0 for _, used in window._steps)
                assert len(window) <= STEPS_PER_WINDOW + 2


TestAnyWeather = pytest.mark.filterwarnings("error")(AnyWeather.TestCase)
TestAnyWeather.settings = weather(max_examples=80, stateful_step_count=60, deadline=None)
