"""Whatever happens in whatever order: one answer, of one attempt and perhaps another one that goes on with it, with one
ending, and nothing after it.
"""

import re

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from exchange.exchange_harness import DONE, JSON, LENGTH, ROLE, SSE, STOP, WHOLE, ExchangeHarness, event
from pointsman.config.enums import ProtectionLevel
from pointsman.domain.records import Outcome
from pointsman.exchange.effects import Abort, Cancel, End, Launch, Respond, Send, Settled
from pointsman.wire.errors import FaultKind

ATTEMPTS = st.integers(1, 6)
STATUSES = st.sampled_from([200, 200, 200, 200, 204, 301, 400, 401, 404, 429, 500, 503])
PIECES = st.lists(
    st.sampled_from(["content", "role", "stop", "length", "done", "ping", "junk", "error", "half", "whole"]), max_size=4
)


class AnyInterleaving(RuleBasedStateMachine):
    """Every attempt's content carries the attempt's number, so that a loser's byte can be told from the winner's."""

    @initialize(
        stream=st.booleans(),
        count=st.integers(1, 4),
        keys=st.booleans(),
        hedge=st.sampled_from(["off", "5s", "auto"]),
        guarded=st.sets(st.sampled_from("abcd")),
        session=st.sampled_from([None, "7"]),
        recover=st.sampled_from(["off", "prefill"]),
    )
    def start(self, stream, count, keys, hedge, guarded, session, recover):
        own = {name: [f"{name}-secret-one", f"{name}-secret-two"] for name in "abcd"[:count]} if keys else {}
        levels = dict.fromkeys(guarded & set("abcd"[:count]), "provider-ban")
        race = {"after": hedge, "max_parallel": 3}
        self.stage = ExchangeHarness(
            count,
            stream=stream,
            keys=own,
            hedge=race,
            protection=levels,
            session=session,
            timing={"recover": recover},
            more={"models": [{"id": "m", "prefill": True}]},
        )
        self.may_go_on = recover == "prefill"
        self.stage.start()
        self.after_end: int | None = None
        self.headed: set[int] = set()

    @rule(n=ATTEMPTS)
    def connected(self, n):
        self.stage.connected(n)

    @rule(n=ATTEMPTS, status=STATUSES, headers=st.sampled_from([SSE, JSON, {}]))
    def head(self, n, status, headers):
        if n not in self.headed and self.has_launched(n):
            self.headed.add(n)
            self.stage.head(n, status, headers)

    @rule(n=ATTEMPTS, pieces=PIECES)
    def data(self, n, pieces):
        if n not in self.headed:
            return
        mine = {
            "content": event(f"from-{n};"),
            "role": ROLE,
            "stop": STOP,
            "length": LENGTH,
            "done": DONE,
            "ping": b": ping\n\n",
            "junk": b"data: {junk\n\n",
            "error": b'data: {"error":{"message":"failed-%d;"}}\n\n' % n,
            "half": event(f"from-{n};")[:40],
            "whole": WHOLE.replace(b"hello", b"from-%d;" % n),
        }
        if data := b"".join(mine[piece] for piece in pieces):
            self.stage.data(n, data)

    @rule(n=ATTEMPTS)
    def end(self, n):
        if n in self.headed:
            self.stage.end(n)

    @rule(n=ATTEMPTS, kind=st.sampled_from(FaultKind))
    def failed(self, n, kind):
        if self.has_launched(n):
            self.stage.failed(n, kind)

    @rule(seconds=st.floats(0, 70))
    def wait(self, seconds):
        self.stage.wait(seconds)

    @rule(waiting=st.sampled_from([0, 1000, 65_536, 65_537, 1_000_000]))
    def slow(self, waiting):
        self.stage.client_backlog(waiting)

    @precondition(lambda self: len(self.stage.effects) > 3)
    @rule()
    def gone(self):
        self.stage.client_gone()

    def has_launched(self, n: int) -> bool:
        return any(launch.n == n for launch in self.stage.effects_of(Launch))

    @invariant()
    def one_answer(self):
        stage = self.stage
        assert len(stage.effects_of(Respond)) <= 1
        assert len(stage.effects_of(End)) + len(stage.effects_of(Abort)) <= 1
        shown = [effect for effect in stage.effects if isinstance(effect, Respond | Send | End)]
        assert not shown or isinstance(shown[0], Respond)
        assert all(send.data for send in stage.effects_of(Send))

    @invariant()
    def never_a_byte_of_another_attempt(self):
        seen = [int(n) for n in re.findall(rb"from-(\d+);", self.stage.sent)]
        assert seen == sorted(seen)
        assert len(set(seen)) <= 1 + self.may_go_on
        for n in set(seen):
            assert f"{self.stage.launched[n - 1]}/m" in str(self.stage.response) + self.stage.sent.decode()

    @invariant()
    def one_attempt_at_most_goes_on(self):
        following = [record for record in self.stage.records if record.continuation]
        assert len(following) <= self.may_go_on
        for record in following:
            broken = next(each for each in self.stage.records if each.n == record.continuation.continues)
            assert broken.outcome in (Outcome.STREAM_BROKEN, Outcome.STREAM_STALLED)
            assert broken.provider != record.provider

    @invariant()
    def nothing_after_the_end(self):
        stage = self.stage
        if not stage.exchange.ended:
            return
        if self.after_end is None:
            self.after_end = len(stage.effects)
        assert len(stage.effects) == self.after_end
        assert stage.exchange.next_tick_at is None
        assert not stage.exchange.running_candidates

    @invariant()
    def every_attempt_settles_once_and_is_accounted_for(self):
        stage = self.stage
        settled = [each.record.n for each in stage.effects_of(Settled)]
        assert len(settled) == len(set(settled))
        launched = [launch.n for launch in stage.effects_of(Launch)]
        assert launched == list(range(1, len(launched) + 1))
        assert len(stage.exchange.running_candidates) == len(launched) - len(settled)
        assert {cancel.n for cancel in stage.effects_of(Cancel)} <= set(settled)

    @invariant()
    def guarded_providers_serve_who_runs_show_one_key_and_are_banned_by_one_failure(self):
        stage = self.stage
        running = [
            each
            for each in stage.exchange.running_candidates
            if each.target.protection_level is ProtectionLevel.PROVIDER_BAN
        ]
        assert len(stage.router.in_flight) == len(running)
        past = stage.exchange.plan.binding.penalties
        assert not past or not past.bans.keys() & {each.target.scope for each in stage.exchange.running_candidates}
        for name, provider in stage.settings.providers.items():
            if (
                stage.router.inventory.by_label[f"{name}/m"].protection_level is ProtectionLevel.PROVIDER_BAN
                and provider.keys
            ):
                assert len({record.key for record in stage.records if record.provider == name}) <= 1

    @invariant()
    def an_exchange_that_goes_on_wants_a_tick(self):
        assert self.stage.exchange.ended or self.stage.exchange.next_tick_at is not None

    @invariant()
    def only_whole_events_are_sent(self):
        if (
            self.stage.exchange.client_request.facts.stream
            and self.stage.effects_of(Respond)
            and self.stage.response.status == 200
        ):
            for send in self.stage.effects_of(Send):
                assert send.data.endswith(b"\n\n")


TestAnyInterleaving = AnyInterleaving.TestCase
