"""The chat requests of a run. Seed and number determine a request, and its text contains both."""

import json
import random
import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from pointsman.demo import ReceivedRequest

SAFE, RISKY = "safe", "risky"
"""Models: the steady provider has only the first, the faulty ones have both."""
TEXT = re.compile(r"seed (\d+), request (\d+)\b")
LONG = 3000
"""Words of a long answer: far more than all buffers between a provider and its client hold."""


class Dialect(Enum):
    """The dialect of a request."""

    CHAT = auto()
    MESSAGES = auto()
    RESPONSES = auto()
    GEMINI = auto()


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

    @classmethod
    def of(cls, seed: int, n: int) -> "ChatRequest":
        chance = random.Random(f"{seed}/{n}")
        dialect = chance.choices(list(SHARES), list(SHARES.values()))[0]
        words = LONG if chance.random() < 0.03 else chance.randrange(5, 60)
        padding = 200_000 if chance.random() < 0.02 else chance.randrange(2000)
        return cls(seed, n, dialect, chance.random() < 0.7, chance.random() < 0.8, words, padding)

    @classmethod
    def of_received(cls, seen: ReceivedRequest) -> "ChatRequest":
        """The request that a provider has received. Raises ValueError if it is not from here."""
        found = TEXT.match(seen.question)
        if found is None:
            raise ValueError("not a request of this run")
        return cls.of(int(found[1]), int(found[2]))

    @property
    def id(self) -> str:
        return f"{self.seed}.{self.n}"

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
        text = f"seed {self.seed}, request {self.n}: which track? {'x' * self.padding}"
        said = [{"role": "user", "content": text}]
        usual: dict[str, Any] = {"model": self.model, "stream": self.stream}
        match self.dialect:
            case Dialect.CHAT:
                fields = {**usual, "messages": said}
            case Dialect.MESSAGES:
                fields = {**usual, "messages": said, "max_tokens": 1000}
            case Dialect.RESPONSES:
                fields = {**usual, "input": said}
            case Dialect.GEMINI:
                fields = {"contents": [{"role": "user", "parts": [{"text": text}]}]}
        return json.dumps(fields).encode()

    def received(self) -> ReceivedRequest:
        """The request as every provider receives it."""
        return with_fixed_ids(ReceivedRequest("POST", self.path, [], body=self.body), self)


def with_fixed_ids(seen: ReceivedRequest, request: ChatRequest) -> ReceivedRequest:
    """Sets number and time, which ids and times of an answer derive from, so that they follow from the request."""
    seen.number, seen.received = request.n, 0.0
    return seen
