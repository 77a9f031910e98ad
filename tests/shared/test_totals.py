"""What clients have used at several instances, in virtual time: all show the same once it is quiet."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.clients.budgets import Estimate, Ledger
from pointsman.shared.client_names import client_digest
from pointsman.shared.leases.totals import SharedTotals
from pointsman.wire.frames import Usage
from shared.fake_engine import FakeEngine, VirtualInstance


class Instance(VirtualInstance):
    def __init__(self, engine: FakeEngine, number: int) -> None:
        self.ledger = Ledger()
        self.ledger.update_settings({"ci": ()})
        totals = SharedTotals(self.ledger, f"ledger-{number}", client_digest("password", "test"))
        super().__init__(engine, f"instance-{number}", 7777.0 * number, totals)

    def use(self, tokens: int) -> None:
        account = self.ledger["ci"]
        account.count_request(self.engine.now)
        account.settle(account.reserve(Estimate(0, 0), self.engine.now), Usage(output=tokens), tokens)

    def shown(self) -> tuple[int, int, int]:
        account = self.ledger["ci"]
        totals = account.totals + account.others
        return totals.requests, totals.cost, totals.tokens["output"]


STEPS = st.one_of(
    st.tuples(st.just("use"), st.integers(0, 2), st.integers(1, 9)),
    st.tuples(st.just("tick"), st.integers(0, 2), st.sampled_from(("", "", "before", "after"))),
    st.tuples(st.just("restart"), st.just(0), st.booleans()),
    st.tuples(st.just("save"), st.just(0), st.none()),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(STEPS, max_size=30))
def test_all_show_the_same_in_the_end(steps: list[tuple[str, int, Any]]) -> None:
    engine = FakeEngine()
    instances = [Instance(engine, number) for number in range(3)]
    used = []
    for what, which, how in steps:
        engine.now += 0.7
        match what:
            case "use":
                used.append(how)
                instances[which].use(how)
            case "tick":
                instances[which].tick(how)
            case "save":
                engine.save()
            case "restart":
                engine.restart(how)
    for _ in range(6):
        engine.now += 1.5
        for each in instances:
            each.tick()
    assert [each.shown() for each in instances] == [(len(used), sum(used), sum(used))] * 3
