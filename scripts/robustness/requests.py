"""The chat requests of a run. Seed and number determine a request, and its text contains both."""

import json
import random
import re
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any

from pointsman.demo import ReceivedRequest

SAFE, RISKY = "safe", "risky"
"""Models: the steady provider has only the first, the faulty ones have both."""
TEXT = re.compile(r"seed (\d+), request (\d+)\b")
LAST = 10_000_000
"""Added to the number of a request: the same conversation once more, after all faults have ended."""
SOCKETS = 20_000_000
"""Added to the number of a request: one that comes over a WebSocket connection."""
LONG = 3000
"""Words of a long answer: far more than all buffers between a provider and its client hold."""


class Dialect(Enum):
    """The dialect of a request."""

    CHAT = auto()
    MESSAGES = auto()
    RESPONSES = auto()
    GEMINI = auto()


TALKS, TALK_SPAN = 12, 96
"""So many conversations with an id at a time, for so many requests."""
CLIENTS = ("free", "capped", "frugal", "busy")
"""Who asks: the clients that have a key."""
FRUGAL = "frugal"
"""When its budget is exhausted the steady provider is asked, which has one model."""
SHARES = {Dialect.CHAT: 5, Dialect.MESSAGES: 2, Dialect.RESPONSES: 2, Dialect.GEMINI: 1}


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One request."""

    seed: int
    n: int
    dialect: Dialect
    is_safe: bool
    stream: bool
    words: int
    padding: int
    talk: str | None = None
    """The id that the client gives its conversation; None: its words identify it."""
    agent: str | None = None
    """The sub-agent that asks."""

    @classmethod
    def of(cls, seed: int, n: int) -> "ChatRequest":
        if n >= SOCKETS:
            changed = {"dialect": Dialect.RESPONSES, "stream": True, "talk": None, "agent": None}
            return replace(cls.of(seed, n - SOCKETS), n=n, **changed)
        if n >= LAST:
            return replace(cls.of(seed, n - LAST), n=n, words=20)
        chance = random.Random(f"{seed}/{n}")
        dialect = chance.choices(list(SHARES), list(SHARES.values()))[0]
        words = LONG if chance.random() < 0.03 else chance.randrange(5, 60)
        padding = 200_000 if chance.random() < 0.02 else chance.randrange(2000)
        is_safe, stream = chance.random() < 0.7, chance.random() < 0.8
        talk = f"talk-{seed}-{n // TALK_SPAN}-{chance.randrange(TALKS)}" if chance.random() < 0.7 else None
        agent = f"agent-{chance.randrange(2)}" if talk and chance.random() < 0.15 else None
        is_safe = is_safe or client_of(seed, n, talk) == FRUGAL
        return cls(seed, n, dialect, is_safe, stream, words, padding, talk, agent)

    @classmethod
    def of_received(cls, seen: ReceivedRequest) -> "ChatRequest":
        """The request that a provider has received, or of which it is to finish the answer. Raises ValueError if it is
        not from here.
        """
        found = TEXT.findall(seen.question) or TEXT.findall(seen.body.decode(errors="replace"))
        if not found:
            raise ValueError("not a request of this run")
        return cls.of(*map(int, found[-1]))

    @property
    def id(self) -> str:
        return f"{self.seed}.{self.n}"

    @property
    def is_last(self) -> bool:
        """It is sent after all faults have ended."""
        return LAST <= self.n < SOCKETS

    @property
    def is_over_socket(self) -> bool:
        return self.n >= SOCKETS

    @property
    def last(self) -> "ChatRequest":
        """The same conversation once more, after all faults have ended."""
        return ChatRequest.of(self.seed, self.n + LAST)

    @property
    def client(self) -> str:
        return client_of(self.seed, self.n % LAST, self.talk)

    @property
    def max_tokens(self) -> int | None:
        """The longest answer that it allows."""
        return 1000 if self.dialect is Dialect.MESSAGES else None

    @property
    def conversation(self) -> tuple[str, ...]:
        """What the router recognises its conversation by."""
        return (self.talk or f"words-{self.n % LAST}", self.agent or "", self.model)

    @property
    def model(self) -> str:
        return SAFE if self.is_safe else RISKY

    @property
    def path(self) -> str:
        match self.dialect:
            case Dialect.CHAT:
                return "/v1/chat/completions"
            case Dialect.MESSAGES:
                return "/v1/messages"
            case Dialect.RESPONSES:
                return "/v1/responses"
            case Dialect.GEMINI:
                action = "streamGenerateContent?alt=sse" if self.stream else "generateContent"
                return f"/v1beta/models/{self.model}:{action}"

    @property
    def body(self) -> bytes:
        said = self._said
        messages = [{"role": role, "content": text} for role, text in said]
        usual: dict[str, Any] = {"model": self.model, "stream": self.stream}
        match self.dialect:
            case Dialect.CHAT:
                fields = {**usual, "messages": messages}
            case Dialect.MESSAGES:
                fields = {**usual, "messages": messages, "max_tokens": self.max_tokens}
            case Dialect.RESPONSES:
                fields = {**usual, "input": messages}
            case Dialect.GEMINI:
                fields = {"contents": [{"role": role, "parts": [{"text": text}]} for role, text in said]}
        return json.dumps(fields).encode()

    @property
    def text_size(self) -> int:
        """Bytes of all texts in it."""
        return sum(len(text.encode()) for _, text in self._said)

    @property
    def _said(self) -> list[tuple[str, str]]:
        """Roles and texts."""
        own = ("user", f"seed {self.seed}, request {self.n}: which track? {'x' * self.padding}")
        if not self.is_last or self.talk:
            return [own]
        model = "model" if self.dialect is Dialect.GEMINI else "assistant"
        return [*ChatRequest.of(self.seed, self.n - LAST)._said, (model, "The first."), own]

    def received(self) -> ReceivedRequest:
        """The request as every provider receives it."""
        return with_fixed_ids(ReceivedRequest("POST", self.path, [], body=self.body), self)


def client_of(seed: int, n: int, talk: str | None) -> str:
    """Who asks; the same in all requests of a conversation, as clients share none."""
    return random.Random(f"{seed}/{talk or n}/client").choice(CLIENTS)


def key_of(client: str) -> str:
    return f"pm-chaos-key-of-{client}"


def with_fixed_ids(seen: ReceivedRequest, request: ChatRequest) -> ReceivedRequest:
    """Sets number and time, which ids and times of an answer derive from, so that they follow from the request."""
    seen.number, seen.received = request.n, 0.0
    return seen
