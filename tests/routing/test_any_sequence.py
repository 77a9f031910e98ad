"""Whatever fails, succeeds, passes or is reloaded, in whatever order: nobody is used who may not be."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import settings as weather
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pointsman.config import Settings
from pointsman.config.enums import Dialect, ProtectionLevel
from pointsman.domain.failures import Failure, classify
from pointsman.domain.records import Outcome
from pointsman.domain.targets import Candidate, Target
from pointsman.routing.exclusion_reasons import ExclusionReason
from pointsman.routing.limits import MINUTE, STEPS_PER_WINDOW
from pointsman.routing.plan import Plan
from pointsman.routing.retry_storms import MAX_ENTRIES
from pointsman.routing.router import Router
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
A, B = provider("https://a.test/v1", keys=TWO) | LIMITED, provider("https://b.test/v1", "m", "n")
C = provider("http://127.0.0.1:9/v1", keys=["third-secret"])
HOUSES: dict[str, dict[str, Any]] = {
    "all": {"a": A, "b": B, "c": C},
    "without a": {"b": B, "c": C},
    "b and c off": {"a": A, "b": B | {"enabled": False}, "c": C | {"enabled": False}},
    "one key off": {"a": A | {"keys": ONE_OFF}, "b": B, "c": C},
    "a key replaced": {"a": A | {"keys": ["another-secret", "second-secret"]}, "b": B, "c": C},
}
FAULTS = st.one_of(
    st.builds(Fault, st.sampled_from([FaultKind.REFUSED, FaultKind.EMPTY, FaultKind.FIRST_BYTE_TIMEOUT])),
    st.builds(
        lambda number, wait: status(number, retry_after=wait),
        st.sampled_from([401, 402, 403, 404, 413, 429, 500, 503, 529]),
        st.none() | st.floats(0, 100),
    ),
)
MODELS = ["m", "n", "auto", "a/m", "b/m", "c/m"]
LEVELS = {"a": "provider-ban", "b/n": "provider-ban", "c": "off"}
"""b itself is left to the default."""
GUARDED = ProtectionLevel.PROVIDER_BAN


def house(name: str) -> Settings:
    levels = {scope: level for scope, level in LEVELS.items() if scope.partition("/")[0] in HOUSES[name]}
    return settings(HOUSES[name], sticky={"max_sessions": 5}, protection=levels)


SESSIONS = st.none() | st.integers(0, 9)
type Name = tuple[str, str | None]
"""A provider or a target, and the id of a key."""


@dataclass(eq=False)
class Running:
    """An exchange, with its attempt in flight if there is one."""

    plan: Plan
    tokens: int
    failed: set[Candidate] = field(default_factory=set)
    candidate: Candidate | None = None
    launched: float = 0.0

    @property
    def holder(self) -> object:
        """Its session, as long as there is one, else the exchange."""
        return self.plan.binding.session or self


class AnyWeather(RuleBasedStateMachine):
    """`closed_*` is what must be closed until then at least, worked out from the table and not from the router."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.running: list[Running] = []
        self.closed_keys: dict[Name, float] = {}
        self.closed_targets: dict[str, tuple[float, bool]] = {}
        """Until when, and whether a last resort may use it all the same."""
        self.last_failure: dict[str | Name, float] = {}
        self.used: list[tuple[float, str, str | None]] = []
        """Requests that reached a limited target, and when they were launched."""
        self.stated: dict[tuple[str, str | None], int] = {}
        self.shown: dict[tuple[object, str], Name] = {}
        """The key that a session, or an exchange without one, has shown a guarded scope."""
        self.ban_ends: dict[tuple[object, str, float], float] = {}
        """By session, scope and beginning."""

    @initialize()
    def open(self) -> None:
        self.router = Router(house("all"), SECRET)

    # What happens.

    @rule(model=st.sampled_from(MODELS), faults=st.lists(FAULTS, max_size=4), session=SESSIONS)
    def ask(self, model: str, faults: list[Fault], session: int | None) -> None:
        """A whole exchange: these faults, then a good answer."""
        own = self.begun(model, 10, session)
        for fault in [*faults, None]:
            self.launch_for(own)
            if own.candidate is None:
                own.plan.on_ended(True, self.now)
                return
            self.settle_for(own, fault, True, None if fault else 20)
        own.plan.on_ended(False, self.now)

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
            return
        why = own.plan.selection_reason(candidate, self.now, WALL)
        self.check(own, candidate, last_resort=why.startswith("last_resort"))
        self.check_session(own, candidate, why.startswith("last_resort: banned"))
        own.plan.on_launched(1, candidate, self.now)
        own.candidate, own.launched = candidate, self.now
        if candidate.target.label == "a/m" and self.router.inventory.contains(candidate):
            self.used.append((self.now, *candidate.pair_id))

    def check(self, own: Running, candidate: Candidate, last_resort: bool) -> None:
        label, key = candidate.pair_id
        assert candidate.target.enabled
        assert candidate not in own.failed, "it has failed in this exchange"
        assert self.closed_keys.get(candidate.key_id, 0.0) <= self.now, "its key is closed"
        assert self.closed_keys.get(candidate.pair_id, 0.0) <= self.now, "its key is closed for this model"
        until, gives_way = self.closed_targets.get(label, (0.0, True))
        assert until <= self.now or (last_resort and gives_way), "its target is closed"
        if last_resort:
            assert not list(own.plan.ranked_candidates(self.now)), "there was somebody else"
            giving_way = (ExclusionReason.COOLING, ExclusionReason.UNHEALTHY, ExclusionReason.HALF_OPEN)
            earlier = [e for e in own.plan.exclusions(self.now) if e.reason in giving_way]
            assert any(each.target is candidate.target for each in earlier)
        if label == "a/m" and self.router.inventory.contains(candidate):
            recent = [at for at, target, used in self.used if (target, used) == (label, key) and at > self.now - MINUTE]
            assert len(recent) < min(RPM, self.stated.get((label, key), RPM)), "its limit is used up"

    def check_session(self, own: Running, candidate: Candidate, is_banned: bool) -> None:
        target = candidate.target
        ban = self.router.state.ban_on(target, own.plan.binding, self.now)
        assert ban is None or (ban.gives_way and is_banned), "it is banned"
        if target.protection_level is not GUARDED:
            return
        assert self.shown.setdefault((own.holder, target.scope), candidate.key_id) == candidate.key_id, (
            "a second key is shown"
        )
        if self.serves_another(own, target):
            free = [each for each in own.plan.ranked_candidates(self.now) if not self.serves_another(own, each.target)]
            assert not free, "somebody else was free"

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
        record = attempt_record(
            outcome=Outcome.RETRY_FAILED if fault else Outcome.REQUEST_SUCCESS if committed else Outcome.CLIENT_ABORT,
            failure=failure,
            connected_ms=1.0 if reached or committed else None,
            first_content_ms=2.0 if committed else None,
            started=WALL,
            settled_ms=self.now * 1000,
            usage=None if tokens is None else Usage(tokens, 0, 0),
        )
        if not reached and not committed:
            self.forget(own, candidate)
        own.candidate = None
        if committed:
            own.plan.on_committed(candidate, self.now)
        own.plan.on_settled(candidate, record, fault, self.now)
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
        own.failed.add(candidate)
        if not self.router.inventory.contains(candidate):
            return
        stated = None if fault.retry_after is None else min(max(fault.retry_after, 1.0), 86_400.0)
        near = candidate.target.provider.name == "c"
        match failure:
            case Failure.RATE_LIMIT:
                self.close_key(candidate.pair_id, stated or 90.0)
            case Failure.QUOTA:
                self.close_key(candidate.pair_id, stated or 1.0)
            case Failure.KEY_INVALID:
                self.close_key(candidate.key_id, 300.0)
            case Failure.CONNECT | Failure.NO_ANSWER | Failure.TIMEOUT:
                self.close_target(candidate, 5.0 if near else 15.0, True)
            case Failure.MODEL_GONE:
                self.close_target(candidate, 300.0, True)

    def reopen(self, own: Running, candidate: Candidate) -> None:
        """It works: what failed before it was asked is forgotten."""
        label = candidate.target.label
        if own.launched >= self.last_failure.get(label, 0.0):
            self.closed_targets.pop(label, None)
        for name in (candidate.key_id, candidate.pair_id):
            if own.launched >= self.last_failure.get(name, 0.0):
                self.closed_keys.pop(name, None)

    def close_key(self, name: Name, seconds: float) -> None:
        """For all models, or for one."""
        self.last_failure[name] = self.now
        self.closed_keys[name] = max(self.closed_keys.get(name, 0.0), self.now + seconds)

    def close_target(self, candidate: Candidate, seconds: float, gives_way: bool) -> None:
        self.last_failure[candidate.target.label] = self.now
        until, _ = self.closed_targets.get(candidate.target.label, (0.0, True))
        if self.now + seconds > until:
            self.closed_targets[candidate.target.label] = self.now + seconds, gives_way

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
        same = now.unchanged_targets(before)
        self.closed_keys = {
            name: until
            for name, until in self.closed_keys.items()
            if name in keys or (name[0] in same and (name[0].partition("/")[0], name[1]) in keys)
        }
        self.closed_targets = {k: v for k, v in self.closed_targets.items() if k in now.by_label}
        self.used = [use for use in self.used if use[1:] in places]
        self.stated = {place: limit for place, limit in self.stated.items() if place in places}

    @rule()
    def clear(self) -> None:
        self.router.cooldowns.clear(self.now)
        self.closed_keys.clear()
        self.closed_targets.clear()

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
        running = {entry for each in guarded for entry in each.plan._in_flight.values()}
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
    def the_end_of_a_ban_is_fixed(self) -> None:
        for session in self.router.sessions._store:
            bans = session.penalties.current_bans(self.now) if session.penalties else {}
            for scope, ban in bans.items():
                assert self.now < ban.until <= ban.since + 600
                assert self.ban_ends.setdefault((session, scope, ban.since), ban.until) == ban.until
            assert not session.pin or not {session.pin.provider, session.pin.label} & bans.keys()

    @invariant()
    def no_counter_is_negative(self) -> None:
        for windows in self.router.limits._windows.values():
            for window in windows.values():
                assert window.used(self.now) >= 0
                assert all(used >= 0 for _, used in window._steps)
                assert len(window) <= STEPS_PER_WINDOW + 2


TestAnyWeather = pytest.mark.filterwarnings("error")(AnyWeather.TestCase)
TestAnyWeather.settings = weather(max_examples=80, stateful_step_count=60, deadline=None)
