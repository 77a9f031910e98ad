"""Requests besides chats, and requests that wait in line, with providers of their own.

Of the providers for other endpoints the last one always answers well, so that every request has to be served. The one
for waiting takes few requests at once and states how long to wait, so that other requests wait meanwhile. Outside of
an outage no request fails.
"""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pointsman.demo import Behaviour, ReceivedRequest, behaviours

OTHERS = ("e1", "e2", "e3")
NARROW = "narrow"
"""The provider for waiting."""
AT_ONCE = 2
"""Requests that it takes at once."""
MARK = "other"


class Ask(StrEnum):
    """What is asked; the value is the model that is for it."""

    EMBEDDINGS = "vectors"
    COMPLETION = "lines"
    SPEECH = "sounds"
    RERANK = "ranks"
    MODERATION = "judgements"
    IN_LINE = "narrow"
    """A chat at the provider for waiting."""


PATHS: Mapping[Ask, str] = {
    Ask.EMBEDDINGS: "/v1/embeddings",
    Ask.COMPLETION: "/v1/completions",
    Ask.SPEECH: "/v1/audio/speech",
    Ask.RERANK: "/v1/rerank",
    Ask.MODERATION: "/v1/moderations",
    Ask.IN_LINE: "/v1/chat/completions",
}
KINDS: Mapping[Ask, str] = {
    Ask.EMBEDDINGS: "embedding",
    Ask.COMPLETION: "completion",
    Ask.SPEECH: "audio",
    Ask.RERANK: "rerank",
    Ask.MODERATION: "moderation",
}
FAULTS: Mapping[str, Callable[[], Behaviour]] = {
    **{str(code): (lambda code=code: behaviours.status(code)) for code in (500, 503, 529)},
    "429": lambda: behaviours.rate_limited(None),
    "429 with a time": lambda: behaviours.rate_limited(1.0),
    "html": behaviours.html,
    "reset": behaviours.reset,
    "reset after the head": lambda: behaviours.reset("headers"),
    "hang up": behaviours.hang_up,
    "no HTTP": behaviours.no_http,
    "redirect": behaviours.redirect,
    "huge error": lambda: behaviours.huge_error(500, 2_000_000),
    "silent": behaviours.hang,
}
GOOD_SHARE, LIMITED_SHARE = 0.5, 0.1
STATED = 1.0
"""Seconds that the provider for waiting states when it refuses."""


@dataclass(frozen=True, slots=True)
class OtherRequest:
    """Seed and number determine it."""

    seed: int
    n: int
    ask: Ask
    stream: bool

    @classmethod
    def of(cls, seed: int, n: int, in_line: bool = False) -> "OtherRequest":
        chance = random.Random(f"{seed}/{n}/{MARK}")
        ask = Ask.IN_LINE if in_line else chance.choice([each for each in Ask if each is not Ask.IN_LINE])
        return cls(seed, n, ask, chance.random() < 0.5 and ask in (Ask.COMPLETION, Ask.IN_LINE))

    @classmethod
    def of_received(cls, body: bytes) -> "OtherRequest":
        """Raises ValueError if it is not from here."""
        fields = json.loads(body)
        words = json.dumps(fields).partition(f"{MARK} request ")[2].split()
        return cls.of(int(words[0]), int(words[1]), fields["model"] == Ask.IN_LINE)

    @property
    def id(self) -> str:
        return f"{self.seed}.{MARK}-{self.n}"

    @property
    def path(self) -> str:
        return PATHS[self.ask]

    @property
    def body(self) -> bytes:
        text = f"{MARK} request {self.seed} {self.n} which track?"
        usual: dict[str, Any] = {"model": self.ask}
        match self.ask:
            case Ask.EMBEDDINGS:
                fields = {"input": [text, "more"] * (1 + self.n % 5)}
            case Ask.COMPLETION:
                fields = {"prompt": text, "stream": self.stream}
            case Ask.SPEECH:
                fields = {"input": text, "voice": "alloy"}
            case Ask.RERANK:
                fields = {"query": text, "documents": ["one", "two"]}
            case Ask.MODERATION:
                fields = {"input": text}
            case Ask.IN_LINE:
                fields = {"messages": [{"role": "user", "content": text}], "stream": self.stream}
        return json.dumps({**usual, **fields}).encode()

    def received(self) -> ReceivedRequest:
        """As every provider receives it."""
        return with_fixed_ids(ReceivedRequest("POST", self.path, [], body=self.body), self)

    def good(self, provider: str) -> Behaviour:
        """How that provider answers if it does."""
        text = "".join(f"{provider}-{self.id}-{k} " for k in range(20))
        return behaviours.answer(text, pace=0.01) if self.ask is Ask.IN_LINE else behaviours.endpoint(text)

    def behaviour(self, provider: str) -> Behaviour:
        """What that provider does with it when it receives it first."""
        chance = random.Random(f"{self.seed}/{self.n}/{provider}/{MARK}")
        if provider == NARROW:
            return behaviours.rate_limited(STATED, STATED) if chance.random() < LIMITED_SHARE else self.good(provider)
        if provider == OTHERS[-1] or chance.random() < GOOD_SHARE:
            return self.good(provider)
        return FAULTS[chance.choice(list(FAULTS))]()


def with_fixed_ids(seen: ReceivedRequest, request: OtherRequest) -> ReceivedRequest:
    """As for chats: what ids and times of an answer derive from follows from the request."""
    seen.number, seen.received = request.n, 0.0
    return seen


def is_other(request_id: str) -> bool:
    return f".{MARK}-" in request_id


def provider_entries(urls: Mapping[str, str], prices: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """Their part of the router's configuration."""
    models = [{"id": str(ask), "kind": kind} for ask, kind in KINDS.items()]
    found: dict[str, Any] = {
        name: {"base_url": urls[name], "models": models, "prices": {str(ask): prices[name] for ask in KINDS}}
        for name in OTHERS
    }
    patient = {"first_byte": "30s", "answer": "30s", "stall": "30s"}
    own = {"models": [{"id": str(Ask.IN_LINE)}], "prices": {str(Ask.IN_LINE): prices[NARROW]}, "timeouts": patient}
    return {**found, NARROW: {"base_url": urls[NARROW], **own, "limits": {"concurrency": AT_ONCE}}}
