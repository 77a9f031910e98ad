"""Conversations before a router, in virtual time: what they suffer, and what they remember of it."""

from collections.abc import Mapping
from typing import Any

from pointsman.config.enums import Dialect
from pointsman.domain.failures import classify
from pointsman.domain.records import AttemptRecord, Outcome
from pointsman.domain.targets import Candidate
from pointsman.routing.plan import Plan
from pointsman.routing.router import Router
from pointsman.sessions.penalties import SessionPenalties
from pointsman.wire.conversation import Conversation, Message
from pointsman.wire.errors import Fault
from pointsman.wire.frames import Usage
from pointsman.wire.request_facts import RequestFacts
from routing.routing_builders import Providers
from support.audit_records import attempt_record
from support.clients_in_core import SECRET, caller
from support.settings import provider, settings

NOW, WALL = 1000.0, 1_700_000_000.0
KEYS = ["sk-first-secret", "sk-second-secret"]
PROVIDERS = {"a": provider("https://a.test/v1", "m", "n", keys=KEYS), "b": provider("https://b.test/v1", "m", "n")}
RETRY = {"x-stainless-retry-count": "1"}


class SessionDriver:
    """Any number of conversations, by name, and one clock for all."""

    def __init__(self, providers: Providers = PROVIDERS, **sections: Any) -> None:
        self.router = Router(settings(providers, **sections), SECRET)
        self.now = NOW

    def ask(
        self, name: str | None = "7", model: str = "m", *, said: str = "Hi", stream: bool = True,
        headers: Mapping[str, str] | None = None, tokens: int = 10, **known: Any,
    ) -> "DrivenExchange":  # fmt: skip
        """A request of that conversation; None: of none."""
        own = {"x-session-id": name} if name else {}
        words = Conversation(b"", (Message("user", said.encode()),)) if name else None
        facts = RequestFacts(model, stream, frozenset(), tokens)
        client = caller(headers={**own, **(headers or {})}, **{"conversation": lambda: words, **known})
        return DrivenExchange(self, self.router.plan(facts, Dialect.OPENAI_CHAT, client, self.now))

    def penalties(self, name: str = "7", model: str = "m") -> SessionPenalties:
        return self.ask(name, model).plan.binding.penalties or SessionPenalties()

    def bans(self, name: str = "7") -> set[str]:
        return set(self.penalties(name).bans)


class DrivenExchange:
    """One request of a conversation."""

    def __init__(self, talks: SessionDriver, plan: Plan) -> None:
        self.talks, self.plan = talks, plan
        self.n = 0
        self.learnt: str | None = None
        """What everyone has learnt from the last attempt, in words."""
        self.running: dict[int, Candidate] = {}

    def launch(self) -> str | None:
        """The target, and key, that the next attempt goes to."""
        candidate = self.plan.next_candidate(self.talks.now, list(self.running.values()))
        if candidate is None:
            return None
        self.n += 1
        self.plan.on_launched(self.n, candidate, self.talks.now)
        self.running[self.n] = candidate
        return candidate.target.label + (f"#{candidate.key_label}" if candidate.key else "")

    def settle(
        self, fault: Fault | None = None, *, committed: bool = False, n: int | None = None,
        usage: Usage | None = None, first_content_ms: float = 5.0,
    ) -> AttemptRecord:  # fmt: skip
        """The attempt in flight ends: well if there is no fault."""
        candidate = self.running.pop(n or self.n)
        failure = classify(fault, committed) if fault else None
        commits = committed or fault is None
        record = attempt_record(
            n=n or self.n,
            outcome=(Outcome.STREAM_BROKEN if committed else Outcome.RETRY_FAILED)
            if fault
            else Outcome.REQUEST_SUCCESS,
            failure=failure,
            first_content_ms=first_content_ms if commits else None,
            first_byte_ms=5.0 if commits or (fault and fault.status) else None,
            started=WALL,
            settled_ms=0.0,
            **({"usage": usage} if usage else {}),
        )
        if commits:
            self.plan.on_committed(candidate, self.talks.now)
        self.learnt = self.plan.on_settled(candidate, record, fault, self.talks.now)
        if fault is None or committed:
            self.plan.on_ended(fault is not None, self.talks.now)
        return record

    def fail(self, fault: Fault, committed: bool = False) -> str | None:
        """The next attempt fails. Returns which it was."""
        target = self.launch()
        if target is not None:
            self.settle(fault, committed=committed)
        return target

    def succeed(self, usage: Usage | None = None, first_content_ms: float = 5.0) -> str | None:
        target = self.launch()
        if target is not None:
            self.settle(usage=usage, first_content_ms=first_content_ms)
        return target

    def fail_everywhere(self, fault: Fault) -> list[str]:
        """Until no candidate is left. Returns those that were tried."""
        tried = []
        while target := self.fail(fault):
            tried.append(target)
        self.plan.on_ended(True, self.talks.now)
        return tried
