"""Which prompts providers have seen of a conversation, and how much of them they have read from their caches since.

Tokens are the router's estimates, as in `RequestFacts.tokens`; shares are as reported, so it does not matter how a
provider counts its tokens. Moments are on the routing clock, in seconds.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from pointsman.wire.frames import Usage

AGES = (300.0, 3600.0)
"""Seconds, the usual lifetimes of caches: an age is up to the first one, up to the second one, or above."""
BANDS = range(len(AGES) + 1)
MIN_TOKENS = 1024
"""Shorter prompts are not cached by anyone, so they show nothing."""
SAME_CONVERSATION = 0.9
"""A prompt that is shorter than this part of what was seen has been cut: its beginning is another one."""
GENERAL_WEIGHT = 2.0
"""Turns that what is usual in all conversations counts as in one of them."""
FACTOR_WEIGHT = 12.0
"""Expected hits that a conversation counts as having had."""
MAX_CACHES = 4
"""Targets whose caches are remembered for a session; the one used longest ago goes first."""


def band_of(age: float) -> int:
    """0 up to five minutes, 1 up to an hour, 2 above."""
    return sum(age > limit for limit in AGES)


@dataclass(frozen=True, slots=True)
class CachedPrompt:
    """What one target has seen of the conversation, with the key of this id, when it was last asked at `at`.

    `lifetime`: seconds for which it said that it keeps what it wrote; None where it has not said so. `reported` is the
    share of the last prompt that it read from its cache.
    """

    tokens: int
    at: float
    key: str | None
    lifetime: float | None
    reported: float


@dataclass(frozen=True, slots=True)
class CacheObservation:
    """Of what a target had seen, this share was read from its cache, at an age of this band."""

    band: int
    share: float


class ObservedTurn(NamedTuple):
    """The band of the pause before it, None for the first turn; the tokens by which the prompt has grown, in each turn
    up to this one, and those of the answer.
    """

    pause: int | None
    growth: float
    output: int


@dataclass(slots=True)
class PromptCaches:
    """The caches of one session, at most MAX_CACHES targets."""

    by_target: dict[str, CachedPrompt] = field(default_factory=dict)
    """By label, the one asked last at the end."""
    pauses: list[int] = field(default_factory=lambda: [0 for _ in BANDS])
    """How many pauses between two turns were of each band."""
    last: float | None = None
    """When the last turn began."""
    first: int = 0
    """Tokens of the first prompt."""
    outputs: int = 0
    """Tokens of all answers."""
    _read: float = 0.0
    _expected: float = 0.0
    """Sums of the shares that were read from caches, and of those that the targets' other conversations promised."""

    @property
    def factor(self) -> float:
        """What part of the expected share this conversation gets, wherever it goes: a client may not mark what is to
        be cached, or change its prompts.
        """
        return (self._read + FACTOR_WEIGHT) / (self._expected + FACTOR_WEIGHT)

    @property
    def turns(self) -> int:
        """The number of turns."""
        return 0 if self.last is None else 1 + sum(self.pauses)

    def output(self, usual: float | None) -> float:
        """Tokens of an answer; what is `usual` elsewhere counts as GENERAL_WEIGHT answers."""
        return _blended(self.outputs, self.turns, usual)

    def growth(self, prompt: int, usual: float | None) -> float:
        """Tokens by which the prompt has grown in a turn, up to this one after all those known; 0 where it was cut."""
        return _blended(max(0, prompt - self.first), self.turns, usual)

    def copy(self) -> "PromptCaches":
        return replace(self, by_target=self.by_target.copy(), pauses=self.pauses.copy())

    def to_list(self, to_server: Callable[[float], float]) -> list[Any]:
        """In plain JSON types, with moments on another clock."""
        targets = {
            label: [seen.tokens, to_server(seen.at), seen.key, seen.lifetime, seen.reported]
            for label, seen in self.by_target.items()
        }
        last = None if self.last is None else to_server(self.last)
        return [targets, self.pauses, last, self.first, self.outputs, self._read, self._expected]

    @classmethod
    def from_list(cls, written: list[Any], to_local: Callable[[float], float]) -> "PromptCaches":
        """Raises ValueError, TypeError."""
        targets, pauses, last, *numbers = written
        by_target = {
            label: CachedPrompt(tokens, to_local(at), key, lifetime, reported)
            for label, (tokens, at, key, lifetime, reported) in targets.items()
        }
        last = None if last is None else to_local(last)
        return cls(dict(list(by_target.items())[-MAX_CACHES:]), pauses, last, *numbers)

    def observe(
        self, label: str, key: str | None, prompt: int, usage: Usage, asked: float
    ) -> tuple[ObservedTurn, CacheObservation | None]:
        """A target has answered a prompt of so many estimated tokens, asked at `asked`. Returns what the turn was like,
        and what it shows of the target's cache, if anything.
        """
        pause = None if self.last is None else band_of(asked - self.last)
        turn = ObservedTurn(pause, self.growth(prompt, None), _estimated(usage.output, prompt, usage))
        if pause is not None:
            self.pauses[pause] += 1
        before = self.by_target.pop(label, None)
        found = _observation(before, key, prompt, usage, asked)
        if pause is None:
            self.first = prompt
        self.last = asked
        self.outputs += turn.output
        lifetime = _lifetime(usage) or (before.lifetime if before else None)
        reported = usage.cache_read / usage.prompt if usage.prompt else 0.0
        self.by_target[label] = CachedPrompt(prompt + turn.output, asked, key, lifetime, reported)
        while len(self.by_target) > MAX_CACHES:
            del self.by_target[next(iter(self.by_target))]
        return turn, found

    def compare(self, share: float, expected: float) -> None:
        """This share was read from a cache where another one was expected."""
        self._read, self._expected = self._read + share, self._expected + expected


def _blended(total: float, count: int, usual: float | None) -> float:
    weight = 0.0 if usual is None else GENERAL_WEIGHT
    return (total + weight * (usual or 0.0)) / (count + weight) if count + weight else 0.0


def _observation(
    before: CachedPrompt | None, key: str | None, prompt: int, usage: Usage, asked: float
) -> CacheObservation | None:
    if before is None or before.key != key or not usage.prompt or prompt < SAME_CONVERSATION * before.tokens:
        return None
    seen = min(before.tokens, prompt)
    if seen < MIN_TOKENS:
        return None
    return CacheObservation(band_of(asked - before.at), min(1.0, usage.cache_read / usage.prompt * prompt / seen))


def _lifetime(usage: Usage) -> float | None:
    if not usage.cache_write:
        return None
    return AGES[usage.cache_write_1h > usage.cache_write_5m]


def _estimated(tokens: int, prompt: int, usage: Usage) -> int:
    """Reported tokens in the unit of the estimates."""
    return round(tokens * prompt / usage.prompt) if usage.prompt else tokens
