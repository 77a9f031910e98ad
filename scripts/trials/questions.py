"""The requests of a trial. Its number and the seed make each of them what it is, and its text carries both."""

import json
import random
import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from pointsman.demo import ReceivedRequest as Seen

SAFE, RISKY = "safe", "risky"
"""Models: the steady provider has the first, and only the others the second."""
TEXT = re.compile(r"seed (\d+), request (\d+)\b")
LONG = 3000
"""Words of a long answer: far more than fits between a provider and a client that does not read."""


class Tongue(Enum):
    """The dialect."""

    CHAT = auto()
    MESSAGES = auto()
    RESPONSES = auto()
    GEMINI = auto()


SHARES = {Tongue.CHAT: 5, Tongue.MESSAGES: 2, Tongue.RESPONSES: 2, Tongue.GEMINI: 1}


@dataclass(frozen=True, slots=True)
class Question:
    """One request."""

    seed: int
    n: int
    tongue: Tongue
    is_safe: bool
    stream: bool
    words: int
    padding: int

    @classmethod
    def of(cls, seed: int, n: int) -> "Question":
        chance = random.Random(f"{seed}/{n}")
        tongue = chance.choices(list(SHARES), list(SHARES.values()))[0]
        words = LONG if chance.random() < 0.03 else chance.randrange(5, 60)
        padding = 200_000 if chance.random() < 0.02 else chance.randrange(2000)
        return cls(seed, n, tongue, chance.random() < 0.7, chance.random() < 0.8, words, padding)

    @classmethod
    def asked(cls, seen: Seen) -> "Question":
        """The one that a provider has received. Raises ValueError for a request that is none of ours."""
        found = TEXT.match(seen.question)
        if found is None:
            raise ValueError("no request of a trial")
        return cls.of(int(found[1]), int(found[2]))

    @property
    def id(self) -> str:
        return f"{self.seed}.{self.n}"

    @property
    def model(self) -> str:
        return SAFE if self.is_safe else RISKY

    @property
    def path(self) -> str:
        match self.tongue:
            case Tongue.CHAT:
                return "/v1/chat/completions"
            case Tongue.MESSAGES:
                return "/v1/messages"
            case Tongue.RESPONSES:
                return "/v1/responses"
            case Tongue.GEMINI:
                action = "streamGenerateContent?alt=sse" if self.stream else "generateContent"
                return f"/v1beta/models/{self.model}:{action}"

    @property
    def body(self) -> bytes:
        text = f"seed {self.seed}, request {self.n}: which track? {'x' * self.padding}"
        said = [{"role": "user", "content": text}]
        usual: dict[str, Any] = {"model": self.model, "stream": self.stream}
        match self.tongue:
            case Tongue.CHAT:
                fields = {**usual, "messages": said}
            case Tongue.MESSAGES:
                fields = {**usual, "messages": said, "max_tokens": 1000}
            case Tongue.RESPONSES:
                fields = {**usual, "input": said}
            case Tongue.GEMINI:
                fields = {"contents": [{"role": "user", "parts": [{"text": text}]}]}
        return json.dumps(fields).encode()

    def seen(self) -> Seen:
        """As every provider receives it."""
        return settled(Seen("POST", self.path, [], body=self.body), self)


def settled(seen: Seen, question: Question) -> Seen:
    """Ids and times of an answer come from here: they follow from the question too."""
    seen.number, seen.received = question.n, 0.0
    return seen
