"""Each error of the samples, over real sockets: what the client gets, what cools, and who is asked next.

Provider `a` has two keys and answers the sample to one request; from then on it refuses what the sample speaks of: that
one request, one model of a key, a key, or a model. Provider `b` answers well.
"""

import re
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import batched, count
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import httpx
import pytest

from domain.error_samples import SAMPLES, Sample
from pointsman.config.enums import Dialect
from pointsman.demo import Provider, behaviours
from pointsman.demo.received_request import ReceivedRequest
from pointsman.demo.script import Behaviour
from pointsman.domain.failures import FAILURE_POLICIES, CooldownLength, Failure, FailurePolicy, Scope, SkipScope
from pointsman.domain.targets import Candidate
from pointsman.routing.cooldowns import Wait
from support.dialects import AUTH, url_for
from support.http_requests import http_client
from support.router import Router, running
from support.settings import provider

OTHER_MODEL = "another"
KEYS = ("sk-the-first-key", "sk-the-second-key")
GOOD = "labore et dolore mag"
MAX_GUESS = 60.0
"""The longest wait in seconds that an error states where no provider has stated a time."""
WRITTEN = {"transient": "40s", "rate_limit": "70s", "key_invalid": "100s"}
COOLS: Mapping[CooldownLength, tuple[str | None, float | None]] = {
    CooldownLength.TRANSIENT: (None, 40.0),
    CooldownLength.RATE_LIMIT: ("rate_limit", 70.0),
    CooldownLength.CONCURRENCY: ("concurrency", 2.0),
    CooldownLength.QUOTA: ("quota", None),
    CooldownLength.ACCOUNT: ("account", 3600.0),
    CooldownLength.NO_ACCESS: ("", 3600.0),
    CooldownLength.KEY_INVALID: ("key_invalid", 100.0),
    CooldownLength.GONE: ("model_gone", 300.0),
}
"""The reason (None: the status; "": the failure's name) and the seconds (None: to the end of the day)."""
IN_A_WHILE = 3000.0
QUOTA_RESET = "00:00 America/Los_Angeles"
STATED = (
    (b"reached for model `llama-3.3-70b-versatile` in organization `org_01` service tier `on_demand` on tokens per day",
     722.0),
    (b"on tokens per minute (TPM): Limit 12000", 8.0),
    (b"try again in 20s", 20.0),
    (b"try again after 1 seconds", 1.0),
    (b'"resets_in_seconds": 7200', 7200.0),
    (b"regain access on 2099-01-01", 86400.0),
    (b'"retryDelay": "29s"', 29.0),
    (b"X-RateLimit-Reset", IN_A_WHILE),
    (b"Your limit will reset at", IN_A_WHILE),
)  # fmt: skip
"""What samples say of their end, in seconds."""


class Places(NamedTuple):
    """Which keys of `a` may be asked for the model that was asked, and for another one; the first one refused."""

    same_model: frozenset[str]
    other_model: frozenset[str]


BAD, SPARE = "bad", "spare"
STILL_ASKED: Mapping[Scope, Places] = {
    Scope.REQUEST: Places(frozenset({BAD, SPARE}), frozenset({BAD, SPARE})),
    Scope.MODEL_OF_KEY: Places(frozenset({SPARE}), frozenset({BAD, SPARE})),
    Scope.KEY: Places(frozenset({SPARE}), frozenset({SPARE})),
    Scope.TARGET: Places(frozenset(), frozenset({BAD, SPARE})),
}
OWN_ERROR: Mapping[Failure, int] = {
    **dict.fromkeys(
        (Failure.RATE_LIMIT, Failure.KEY_RATE_LIMIT, Failure.CONCURRENCY, Failure.QUOTA, Failure.KEY_QUOTA), 429
    ),
    **dict.fromkeys((Failure.ACCOUNT, Failure.KEY_INVALID, Failure.NO_ACCESS, Failure.REGION), 502),
    **dict.fromkeys((Failure.MODEL_GONE, Failure.SERVER_ERROR, Failure.TRUNCATED), 502),
    Failure.CONTEXT_TOO_LARGE: 413,
}
"""The router's own status where every candidate fails so; of all others the first one's answer goes out."""


class Place(NamedTuple):
    """Who was asked: a provider, its key and the model."""

    provider: str
    key: str
    model: str


@dataclass
class Stage:
    """The two providers, and what `a` refuses at the moment."""

    dialect: Dialect
    sample: Sample | None = None
    all_refuse: bool = False
    bad_key: str = ""
    seen: list[tuple[Place, bool]] = field(default_factory=list)
    """Who was asked, and whether it refused."""

    def answer(self, name: str, request: ReceivedRequest) -> Behaviour:
        place = Place(name, _key_of(request, self.dialect), _model_of(request))
        refuses = self._refuses(place, request.question)
        self.seen.append((place, refuses))
        if not refuses:
            return behaviours.answer(GOOD)
        assert self.sample
        body = self.sample.body + b" " * sum(refused for _, refused in self.seen[:-1])  # to tell one from another
        return behaviours.status(self.sample.status, body, list(self.sample.headers.items()))

    def _refuses(self, place: Place, question: str) -> bool:
        if self.sample is None or not self.sample_is_meant(place, question):
            return False
        if not self.bad_key and place.provider == "a":
            self.bad_key = place.key
        return True

    def sample_is_meant(self, place: Place, question: str) -> bool:
        assert self.sample
        if self.all_refuse:
            return True
        policy = FAILURE_POLICIES[self.sample.expected]
        is_model, is_key = place.model == self.sample.model, place.key == (self.bad_key or place.key)
        if place.provider != "a":
            return False
        match policy.scope:
            case Scope.REQUEST:
                return question.startswith("refuse") and (is_key or policy.skip is not SkipScope.KEY)
            case Scope.MODEL_OF_KEY:
                return is_model and is_key
            case Scope.KEY:
                return is_key
            case Scope.TARGET:
                return is_model


def _key_of(request: ReceivedRequest, dialect: Dialect) -> str:
    return (request.header(AUTH[dialect][0]) or "").removeprefix("Bearer ")


def _model_of(request: ReceivedRequest) -> str:
    if found := re.search(r"/models/(.+?):", request.path):
        return found[1].replace("%2F", "/")
    return str(request.fields.get("model"))


@dataclass
class Desk:
    """The router, its two providers and one client."""

    stage: Stage
    router: Router
    client: httpx.AsyncClient
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    async def ask(self, model: str, said: str, session: str, stream: bool) -> "Told":
        """One request, answered to its end."""
        before = len(self.stage.seen)
        path, body = _request(self.stage.dialect, model, f"{said} {next(self.numbers)}", stream)
        answer = await self.client.post(self.router.url + path, json=body, headers={"X-Session-ID": session})
        return Told(answer, self.stage.seen[before:])

    async def page(self, name: str) -> Any:
        return (await self.client.get(f"{self.router.url}/internal/status/{name}")).json()

    def reset(self, sample: Sample | None, all_refuse: bool = False) -> None:
        self.router.gateway.router.cooldowns.clear(time.monotonic())
        stage = self.stage
        stage.sample, stage.all_refuse, stage.bad_key, stage.seen = sample, all_refuse, "", []


class Told(NamedTuple):
    """The client's answer, and who was asked for it."""

    answer: httpx.Response
    asked: list[tuple[Place, bool]]

    @property
    def served_by(self) -> Place | None:
        return next((place for place, refused in self.asked if not refused), None)

    @property
    def is_good(self) -> bool:
        return self.answer.status_code == 200 and GOOD.split()[-1] in self.answer.text


def _request(dialect: Dialect, model: str, said: str, stream: bool) -> tuple[str, dict[str, Any]]:
    user = {"role": "user", "content": said}
    match dialect:
        case Dialect.OPENAI_CHAT:
            return "/v1/chat/completions", {"model": model, "stream": stream, "messages": [user]}
        case Dialect.OPENAI_RESPONSES:
            return "/v1/responses", {"model": model, "stream": stream, "input": [user]}
        case Dialect.ANTHROPIC:
            return "/v1/messages", {"model": model, "stream": stream, "max_tokens": 99, "messages": [user]}
        case Dialect.GEMINI:
            verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
            return f"/v1beta/models/{model}:{verb}", {"contents": [{"role": "user", "parts": [{"text": said}]}]}


def _in_time(sample: Sample) -> Sample:
    """The sample, with the moments in it in a while from now."""
    end = datetime.fromtimestamp(time.time() + IN_A_WHILE, UTC)
    body = sample.body.replace(b"1761523200000", str(int(end.timestamp() * 1000)).encode())
    return replace(sample, body=body.replace(b"2026-01-06 14:12:11", end.strftime("%Y-%m-%d %H:%M:%S").encode()))


async def _desk(stack: AsyncExitStack, folder: Path, dialect: Dialect, models: Sequence[str]) -> Desk:
    stage = Stage(dialect)
    a, b = [
        await stack.enter_async_context(Provider(lambda request, name=name: stage.answer(name, request), name=name))
        for name in "ab"
    ]
    entries = {
        "a": provider(
            url_for(dialect, a), *models, OTHER_MODEL, keys=list(KEYS), dialect=dialect, quota_reset=QUOTA_RESET
        ),
        "b": provider(url_for(dialect, b), *models, keys=["sk-of-b"], dialect=dialect),
    }
    router = await stack.enter_async_context(running(folder, entries, cooldowns=WRITTEN, sticky={"max_sessions": 5000}))
    client = await stack.enter_async_context(http_client())
    return Desk(stage, router, client)


# What is expected, by the policy of the row.


def _expected_server(policy: FailurePolicy) -> tuple[str, str] | None:
    """The provider and key that serve the request after all; None: the provider's own error goes out."""
    match policy.skip:
        case SkipScope.ALL:
            return None
        case SkipScope.KEY if policy.scope is not Scope.TARGET:
            return "a", SPARE
        case _:
            return "b", "sk-of-b"


def _expected_pin(policy: FailurePolicy) -> tuple[str, str]:
    """Where the session is at home afterwards: it leaves a target that failed, and goes along from key to key."""
    server = _expected_server(policy)
    return server if server and (policy.moves_pin or server[0] == "a") else ("a", BAD)


def _expected_cooldowns(sample: Sample, policy: FailurePolicy, bad_label: str) -> dict[str, list[dict[str, Any]]]:
    """As the status page lists them, without times."""
    none: dict[str, list[dict[str, Any]]] = {"targets": [], "keys": []}
    if policy.cooldown is None:
        return none
    reason = COOLS[policy.cooldown][0]
    reason = str(sample.status) if reason is None else reason or sample.expected.value
    match policy.scope:
        case Scope.TARGET:
            return none | {"targets": [{"provider": "a", "model": sample.model, "reason": reason}]}
        case Scope.KEY | Scope.MODEL_OF_KEY:
            model = sample.model if policy.scope is Scope.MODEL_OF_KEY else None
            invalid = policy.cooldown is CooldownLength.KEY_INVALID
            row = {"provider": "a", "key": bad_label, "model": model, "reason": reason, "invalid": invalid}
            return none | {"keys": [row]}
        case _:
            return none


def _expected_seconds(sample: Sample, policy: FailurePolicy, wall: float) -> float:
    assert policy.cooldown
    if (stated := _stated_seconds(sample)) is not None:
        return stated
    seconds = COOLS[policy.cooldown][1]
    return _until_midnight(wall) if seconds is None else seconds


def _until_midnight(wall: float) -> float:
    """Seconds to the end of the day in Los Angeles."""
    local = datetime.fromtimestamp(wall, ZoneInfo("America/Los_Angeles"))
    end = (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return end.timestamp() - wall


def _stated_seconds(sample: Sample) -> float | None:
    return next((seconds for words, seconds in STATED if words in sample.body), None)


def _without_times(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    return {
        name: [{key: value for key, value in row.items() if key not in ("since", "until")} for row in group]
        for name, group in rows.items()
    }


# One sample.


class Row:
    """One sample before the router, and what differs from what is expected."""

    def __init__(self, desk: Desk, sample: Sample, stream: bool) -> None:
        self.desk, self.stage, self.sample, self.stream = desk, desk.stage, sample, stream
        self.policy = FAILURE_POLICIES[sample.expected]
        self.wrong: list[str] = []
        self.session = f"session-{next(desk.numbers)}"

    def expect(self, what: str, got: object, wanted: object) -> None:
        if got != wanted:
            self.wrong.append(f"{self.sample.id}: {what}: {got!r}, not {wanted!r}")

    async def play(self) -> list[str]:
        desk, model = self.desk, self.sample.model
        desk.reset(None)
        first = await desk.ask(model, "hello", self.session, self.stream)
        assert first.served_by, f"{first.answer.status_code} {first.answer.text}"
        desk.reset(self.sample)
        self.stage.bad_key = first.served_by.key
        moment, wall = time.monotonic(), time.time()
        refused = await desk.ask(model, "refuse this", self.session, self.stream)
        self.check_answer(refused)
        await self.check_cooldowns(moment, wall)
        self.check_session()
        self.hold(moment)
        await self.check_next()
        return self.wrong

    def name_of(self, place: Place | None) -> tuple[str, str] | None:
        """The provider, and its key as seen from the one that refused."""
        if place is None or place.provider != "a":
            return place and (place.provider, place.key)
        return "a", BAD if place.key == self.stage.bad_key else SPARE

    def check_answer(self, told: Told) -> None:
        wanted = _expected_server(self.policy)
        self.expect("the first one asked", self.name_of(told.asked[0][0]), ("a", BAD))
        self.expect("served by", self.name_of(told.served_by), wanted)
        if wanted is None:
            self.expect("attempts", len(told.asked), 1)
            self.expect("status", told.answer.status_code, self.sample.status)
            self.expect("body", told.answer.content, self.sample.body)
            return
        self.expect("a good answer", told.is_good, True)
        tries_all_keys = self.policy.scope is Scope.TARGET and self.policy.skip is SkipScope.KEY
        self.expect("refusals", sum(refused for _, refused in told.asked), 2 if tries_all_keys else 1)

    async def check_cooldowns(self, moment: float, wall: float) -> None:
        router, bad = self.desk.router.gateway.router, f"key-{KEYS.index(self.stage.bad_key) + 1}"
        rows = router.cooldowns_to_dict(moment, wall)  # as of then: some are short
        wanted = _expected_cooldowns(self.sample, self.policy, bad)
        self.expect("cooldowns", _without_times(rows), wanted)
        for row in (*rows["targets"], *rows["keys"]):
            seconds = _expected_seconds(self.sample, self.policy, row["since"])
            if row["until"] - row["since"] != pytest.approx(seconds, abs=1.5 if seconds > 100 else 0.6):
                self.wrong.append(f"{self.sample.id}: {row['until'] - row['since']:.1f} s, not {seconds:.1f} s")
            if seconds > 30:
                self.expect("the page", _without_times(await self.desk.page("cooldowns")), wanted)

    def check_session(self) -> None:
        sessions = self.desk.router.gateway.router.sessions
        self.expect("bans", sessions.bans(time.monotonic(), time.time()), [])
        session = self.desk.router.drivers[-1].exchange.plan.binding.session
        strikes = session.penalties.failures if session.penalties else {}
        self.expect("strikes", bool(strikes) and not self.policy.counts_as_strike, False)
        keys = {each.key_id: _value(each) for each in self.candidates()}
        pin = session.pin and Place(session.pin.provider, keys[session.pin.key_id], session.pin.model)
        self.expect("the pin", self.name_of(pin), _expected_pin(self.policy))

    def candidates(self) -> Iterator[Candidate]:
        inventory = self.desk.router.gateway.router.inventory
        return (each for target in inventory.targets for each in inventory.keys[target])

    def hold(self, moment: float) -> None:
        """Short cooldowns are prolonged, so that they do not end on a slow machine."""
        router = self.desk.router.gateway.router
        if self.policy.cooldown is None:
            return
        label, key = f"a/{self.sample.model}", self.stage.bad_key
        bad = next(e for e in self.candidates() if e.target.label == label and _value(e) == key)
        if self.wrong:
            return
        router.cooldowns.cool(bad, self.policy.scope, "held by the test", Wait(600.0), time.monotonic())

    async def check_next(self) -> None:
        desk, model, places = self.desk, self.sample.model, STILL_ASKED[self.policy.scope]
        same = await desk.ask(model, "next", self.session, self.stream)
        self.expect("the same session", self.name_of(same.served_by), _expected_pin(self.policy))
        others = [await desk.ask(model, "other", f"{self.session}-{n}", self.stream) for n in range(2)]
        got = {self.name_of(each.served_by) for each in others}
        self.expect("other sessions", got, {("a", key) for key in places.same_model} or {("b", "sk-of-b")})
        models = [await desk.ask(f"a/{OTHER_MODEL}", "other", f"{self.session}-{n}", self.stream) for n in range(2, 4)]
        got = {self.name_of(each.served_by) for each in models}
        self.expect("the other model", got, {("a", key) for key in places.other_model})
        later = [same, *others, *models]
        self.expect("good answers", [each.is_good for each in later], [True] * 5)
        self.expect("refusals later", [place for each in later for place, refused in each.asked if refused], [])


def _value(candidate: Candidate) -> str:
    return candidate.key.value.get_secret_value() if candidate.key else ""


def _groups() -> Iterator[Any]:
    by_dialect: defaultdict[Dialect, list[Sample]] = defaultdict(list)
    for sample in SAMPLES:
        by_dialect[sample.dialect].append(sample)
    for dialect, samples in by_dialect.items():
        for n, group in enumerate(batched(samples, 20), 1):
            yield pytest.param(dialect, group, id=f"{dialect.value}-{n}")


GROUPS = pytest.mark.parametrize(("dialect", "samples"), list(_groups()))


@pytest.fixture
async def stack() -> Any:
    async with AsyncExitStack() as stack:
        yield stack


@GROUPS
async def test_a_failure_costs_its_scope_and_no_more(
    stack: AsyncExitStack, tmp_path: Path, dialect: Dialect, samples: Sequence[Sample]
) -> None:
    desk = await _desk(stack, tmp_path, dialect, sorted({each.model for each in samples}))
    wrong = [
        each for n, sample in enumerate(samples) for each in await Row(desk, _in_time(sample), stream=n % 2 == 0).play()
    ]
    assert not wrong, "\n".join(wrong)


async def _refused_by_all(desk: Desk, sample: Sample, stream: bool) -> list[str]:
    """What is wrong where all candidates answer alike."""
    row = Row(desk, sample, stream)
    desk.reset(sample, all_refuse=True)
    told = await desk.ask(sample.model, "refuse this", row.session, stream)
    own, policy = OWN_ERROR.get(sample.expected), row.policy
    if sample.expected is Failure.ACCOUNT and sample.status in (402, 429):
        own = 429  # the account may serve again by itself
    if sample.expected is Failure.ODD_SERVER_ERROR and sample.status < 500:
        own = 502  # the request is not at fault
    row.expect("status", told.answer.status_code, own or sample.status)
    if own is None:
        row.expect("body", told.answer.content, sample.body)
    attempts = 1 if policy.skip is SkipScope.ALL else 3 if policy.skip is SkipScope.KEY else 2
    row.expect("attempts", len(told.asked), attempts)
    wait = told.answer.headers.get("retry-after")
    row.expect("a promise", wait is not None, policy.cooldown is not None and sample.expected is not Failure.REGION)
    row.expect("no long promise", float(wait or 0) <= (_stated_seconds(sample) or MAX_GUESS) + 1, True)
    row.expect("bans", desk.router.gateway.router.sessions.bans(time.monotonic(), time.time()), [])
    desk.stage.sample = None
    if policy.scope in (Scope.REQUEST, Scope.TARGET):
        again = await desk.ask(sample.model, "again", row.session, stream)
        row.expect("afterwards", again.is_good, True)
    return row.wrong


@GROUPS
async def test_the_first_answer_goes_out_where_all_refuse_alike(
    stack: AsyncExitStack, tmp_path: Path, dialect: Dialect, samples: Sequence[Sample]
) -> None:
    desk = await _desk(stack, tmp_path, dialect, sorted({each.model for each in samples}))
    wrong = [
        each
        for n, sample in enumerate(samples)
        for each in await _refused_by_all(desk, _in_time(sample), stream=n % 2 == 1)
    ]
    assert not wrong, "\n".join(wrong)
